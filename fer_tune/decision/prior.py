"""What earlier studies say of the spread between seeds, for a race over seeds."""

from collections.abc import Sequence

import numpy as np

from fer_tune.decision.race import Prior, residual


def prior_from(scores: Sequence[np.ndarray], source: str | None = None) -> Prior | None:
    """The spread between seeds in earlier studies with the same settings, pooled within each.

    Args:
        scores: one array (seeds, arms) a study, higher is better; NaN where an arm was not run on a seed.
        source: where they come from, in words; by default how many studies there were.

    None where no study has two arms on two seeds, or where their scores do not differ.
    """
    parts = [residual(np.asarray(study, dtype=float)) for study in scores]
    parts = [part for part in parts if part[1]]
    degrees = sum(part[1] for part in parts)
    squares = sum(part[0] for part in parts)
    if not degrees or squares <= 0:
        return None
    words = source or ("an earlier study" if len(parts) == 1 else f"{len(parts)} earlier studies")
    return Prior(float(np.sqrt(squares / degrees)), float(degrees), words)
