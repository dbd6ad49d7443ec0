"""Which trained network of a study to use: the best one in hand on held-out labels, as the report names it."""

from dataclasses import dataclass
from pathlib import Path

from fer_tune.analysis.gaps import counted, listed
from fer_tune.analysis.recommendation import Findings
from fer_tune.analysis.results import Results
from fer_tune.decision.recommendation import Recommendation
from fer_tune.decision.response import best_configurations
from fer_tune.errors import UserError


class NoNetwork(UserError):
    """A study names no single trained network; the message says why and what to name instead."""


@dataclass(frozen=True)
class Trained:
    """A trained network and why it was taken.

    Attributes:
        folder: of its trial.
        why: in words, to follow "Using KEY: ".
    """

    folder: Path
    why: str


def trained_network(results: Results, found: Findings) -> Trained:
    """The network that the report names: the best one in hand; where λ is searched or that one is gone, of the best λ.

    Best means the highest objective on held-out labels after the last epoch. Test labels play no part. Raises NoNetwork
    where a study has several conditions, each with a network of its own, or no trial has kept its state.
    """
    networks = {r.condition: _of_condition(results, found, r) for r in found.recommendations}
    if len(networks) == 1:
        return next(iter(networks.values()))
    named = [str(network.folder) for network in networks.values()]
    raise NoNetwork(
        f"{results.path} compares {counted(len(networks), 'condition')} ({listed(networks)}) and recommends a network "
        f"for each. Name one:\n  " + "\n  ".join(named)
    )


def _of_condition(results: Results, found: Findings, r: Recommendation) -> Trained:
    answer = found.answer(r)
    named = None if answer is None else answer.network
    if named is not None and (results.path / "trials" / named.key / "state.pt").exists():
        return Trained(
            results.path / "trials" / named.key,
            f"the best of {counted(named.count, 'network')} in hand, that of {named.name}, seed {named.seed} "
            f"({results.objective} {named.score:.3f} after the last epoch)",
        )
    trials = best_configurations(results.trials[results.trials["condition"] == r.condition])
    own = trials.loc[trials["lambda"] == r.lam, "key"]
    kept = [key for key in own if (results.path / "trials" / key / "state.pt").exists()]
    epochs = results.epochs[results.epochs["key"].isin(kept)].sort_values("epoch")
    last = epochs.groupby("key")[results.objective].last()
    if last.isna().all():
        raise NoNetwork(f"{results.path}: no trial at λ = {r.lam:.3g} has kept its state.pt. Name a trial folder")
    key = str(last.idxmax())
    return Trained(
        results.path / "trials" / key,
        f"the best of {counted(len(last), 'network')} at λ = {r.lam:.3g}, which leads "
        f"({results.objective} {last[key]:.3f} after the last epoch)",
    )
