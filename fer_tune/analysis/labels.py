"""Which noisy labels the trials were trained on, and which classes those labels confuse.

python -m analysis.labels results/NAME
"""

import numpy as np
import pandas as pd

from fer_tune.analysis.results import Results
from fer_tune.analysis.statistics import row_shares
from fer_tune.analysis.tables import as_text, script
from fer_tune.analysis.trial_files import training_labels


def digests(results: Results) -> list[dict[str, str]]:
    """Digest of the noisy labels that the trials of each condition and seed share, as table rows."""
    rows = []
    for (condition, seed), trials in results.trials.groupby(["condition", "seed"], sort=False):
        found = [about.digest for about in (training_labels(results, key) for key in trials["key"]) if about]
        rows += [
            {"condition": str(condition), "seed": str(seed), "digest of the noisy labels": digest}
            for digest in dict.fromkeys(found)
        ]
    return rows


def annotator_matrix(results: Results, trials: pd.DataFrame) -> tuple[np.ndarray, list[str]] | None:
    """Confusion matrix (K, K) of the labels that trials were trained on, and the class names.

    Rows are known classes and sum to 1, or are NaN for a class without known labels; all seeds together. None where no
    better labels are known.
    """
    by_seed = trials.drop_duplicates("seed")
    found = [about for about in (training_labels(results, key) for key in by_seed["key"]) if about]
    counts = [about.given_counts for about in found if about.given_counts is not None]
    if not counts or len({about.classes for about in found}) > 1:
        return None
    return row_shares(np.sum(counts, axis=0)), list(found[0].classes)


def show(results: Results) -> str:
    """Every digest, as text."""
    return as_text(digests(results)) or f"{results.path}: its trials recorded no digests (an older version ran them)"


if __name__ == "__main__":
    script(__doc__, show)
