"""Test accuracy and joint losses by epoch and λ: `python -m analysis.curves results/NAME`."""

from fer_tune.analysis.curves import show
from fer_tune.analysis.tables import script

if __name__ == "__main__":
    script(__doc__, show)
