"""Which noisy labels the trials were trained on, and what their annotator confuses.

python -m analysis.labels results/NAME
"""

import json
from typing import Any

import numpy as np
import pandas as pd

from fer_tune.analysis.statistics import row_shares
from fer_tune.analysis.tables import Results, script


def described(results: Results, key: str) -> dict[str, Any] | None:
    """A trial's labels.json, or None where it wrote none."""
    path = results.path / "trials" / key / "labels.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def digests(results: Results) -> list[dict[str, str]]:
    """One row a condition and seed: the digest of the labels that its trials share, as table rows."""
    rows = []
    for (panel, seed), trials in results.trials.groupby(["panel", "seed"], sort=False):
        found = [about["digest"] for about in (described(results, key) for key in trials["key"]) if about]
        rows += [
            {"condition": str(panel), "seed": str(seed), "digest of the noisy labels": digest}
            for digest in dict.fromkeys(found)
        ]
    return rows


def annotator_matrix(results: Results, trials: pd.DataFrame) -> tuple[np.ndarray, list[str]] | None:
    """Row-normalised confusion (K, K) of the labels that trials were trained on, known classes as rows; class names.

    Over the trials' seeds together; None where nothing better than the labels is known.
    """
    by_seed = trials.drop_duplicates("seed")
    found = [about for about in (described(results, key) for key in by_seed["key"]) if about and about["given_counts"]]
    if not found:
        return None
    counts = np.sum([about["given_counts"] for about in found], axis=0)
    return row_shares(counts), [str(name) for name in found[0]["classes"]]


def show(results: Results) -> str:
    """Every digest, as text."""
    rows = digests(results)
    lines = ["  ".join(f"{k} {v}" for k, v in row.items()) for row in rows]
    return "\n".join(lines) or f"{results.path}: its trials were run by a version that noted no digests"


if __name__ == "__main__":
    script(__doc__, show)
