"""The trained network that a study names: known curves, known answer."""

import pytest

from fer_tune.analysis.recommendation import findings
from fer_tune.analysis.tables import load
from fer_tune.analysis.trained import NoNetwork, trained_network
from fer_tune.results.folder import TrialFolder
from tests.support.made_up import PEAK


def with_states(path):
    """The results of a folder whose trials have kept their states."""
    for folder in (path / "trials").iterdir():
        TrialFolder(folder).state.touch()
    return load(path)


def test_it_is_the_network_that_the_report_names(results_folder):
    results = with_states(results_folder(PEAK))
    network = trained_network(results, findings(results))
    assert network.folder == results.path / "trials" / "lambda=0.2,n000,s2"  # each seed is better than the last
    assert network.why.startswith("the best of 12 networks in hand, that of λ = 0.2, seed 2 (val_accuracy 0.")
    answer = findings(results).answers["all"]
    assert network.folder.name == answer.network.key


def test_a_network_that_was_not_kept_is_passed_over(results_folder):
    results = with_states(results_folder(PEAK))
    (results.path / "trials" / "lambda=0.2,n000,s2" / "state.pt").unlink()
    assert trained_network(results, findings(results)).folder.name == "lambda=0.2,n000,s1"


def test_where_nothing_or_several_networks_are_there_it_is_said(results_folder):
    results = load(results_folder(PEAK))
    with pytest.raises(NoNetwork, match=r"no trial at λ = 0.2 has kept its state\.pt"):
        trained_network(results, findings(results))
    several = with_states(results_folder(PEAK, name="several", conditions={"noise_ratio": [0.2, 0.4]}))
    with pytest.raises(NoNetwork, match=r"compares 2 conditions .*\n  .*noise_ratio=0.2,lambda=0.2,n000,s2\n"):
        trained_network(several, findings(several))
