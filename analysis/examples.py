"""Confusion matrices and test faces that systems disagree on: `python -m analysis.examples results/NAME`."""

from fer_tune.analysis.examples import show
from fer_tune.analysis.tables import script

if __name__ == "__main__":
    script(__doc__, show)
