"""Which noisy labels the trials were trained on, and which classes those labels confuse.

python -m analysis.labels results/NAME
"""

import json
from typing import Any

import numpy as np
import pandas as pd

from fer_tune.analysis.statistics import row_shares
from fer_tune.analysis.tables import Results, as_text, script


def described(results: Results, key: str) -> dict[str, Any] | None:
    """A trial's labels.json, or None where it wrote none."""
    path = results.path / "trials" / key / "labels.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def digests(results: Results) -> list[dict[str, str]]:
    """Digest of the noisy labels that the trials of each condition and seed share, as table rows."""
    rows = []
    for (condition, seed), trials in results.trials.groupby(["condition", "seed"], sort=False):
        found = [about["digest"] for about in (described(results, key) for key in trials["key"]) if about]
        rows += [
            {"condition": str(condition), "seed": str(seed), "digest of the noisy labels": digest}
            for digest in dict.fromkeys(found)
        ]
    return rows


def annotator_matrix(results: Results, trials: pd.DataFrame) -> tuple[np.ndarray, list[str]] | None:
    """Confusion matrix (K, K) of the labels that trials were trained on, and the class names.

    Rows are known classes and sum to 1; all seeds together. None where no better labels are known.
    """
    by_seed = trials.drop_duplicates("seed")
    found = [about for about in (described(results, key) for key in by_seed["key"]) if about and about["given_counts"]]
    if not found:
        return None
    counts = np.sum([about["given_counts"] for about in found], axis=0)
    return row_shares(counts), [str(name) for name in found[0]["classes"]]


def show(results: Results) -> str:
    """Every digest, as text."""
    return as_text(digests(results)) or f"{results.path}: its trials recorded no digests (an older version ran them)"


if __name__ == "__main__":
    script(__doc__, show)
