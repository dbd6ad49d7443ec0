"""Every error that a user can mend keeps its message on the way out of a forked process."""

import importlib
import pickle
import pkgutil

import pytest

import fer_tune
from fer_tune.errors import UserError
from fer_tune.study.errors import MisplacedError

WITH_MORE = {MisplacedError: (("search", "lr"), "a message")}


def all_errors() -> set[type[UserError]]:
    for module in pkgutil.walk_packages(fer_tune.__path__, "fer_tune."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    found, new = set(), {UserError}
    while new:
        found |= new
        new = {kind for parent in new for kind in parent.__subclasses__()}
    return {kind for kind in found if kind.__module__.startswith("fer_tune")}


@pytest.mark.parametrize("kind", sorted(all_errors(), key=lambda kind: kind.__name__))
def test_a_message_survives_pickling(kind):
    error = kind(*WITH_MORE.get(kind, ("a message",)))
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert str(copy) == "a message"
