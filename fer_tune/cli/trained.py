"""The trained network that a user names: a trial folder, or a study's results folder."""

import sys
from pathlib import Path


def trial_folder(path: Path) -> Path:
    """The trial folder that a path names; of a results folder that of the recommended network, which is said.

    Raises NothingToReport and NoNetwork.
    """
    if not (path / "study.json").exists():
        return path
    from fer_tune.analysis.recommendation import findings
    from fer_tune.analysis.tables import load
    from fer_tune.analysis.trained import trained_network

    results = load(path)
    network = trained_network(results, findings(results))
    print(f"Using {network.folder}: {network.why}", file=sys.stderr)
    return network.folder
