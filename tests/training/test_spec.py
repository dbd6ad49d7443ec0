"""Settings of a run: what they refuse, and what they must not import."""

import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tests.support.training import settings


def test_another_method_with_a_lambda_is_refused():
    with pytest.raises(ValueError, match="has no joint loss"):
        settings(method="gce", **{"lambda": 0.4})


def test_specifications_import_no_torch():
    code = "import sys, fer_tune.training.spec, fer_tune.models.spec; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
