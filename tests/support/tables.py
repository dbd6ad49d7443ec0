"""Tables of results folders, compared value by value."""

from pathlib import Path

import pandas as pd

CLOCK = ("seconds", "images_per_second")  # columns that hold measured times


def tables(results: Path) -> list[pd.DataFrame]:
    """trials.csv and epochs.csv without measured times."""
    read = [pd.read_csv(results / name) for name in ("trials.csv", "epochs.csv")]
    return [table.drop(columns=[c for c in CLOCK if c in table]) for table in read]


def assert_equal_tables(one: Path, other: Path) -> None:
    """Every value of both tables is the same, to the last bit."""
    for ours, theirs in zip(tables(one), tables(other), strict=True):
        pd.testing.assert_frame_equal(ours, theirs, check_exact=True)
