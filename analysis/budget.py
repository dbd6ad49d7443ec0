"""Which λ leads after how many epochs: `python -m analysis.budget results/NAME`."""

from fer_tune.analysis.budget import show
from fer_tune.analysis.tables import script

if __name__ == "__main__":
    script(__doc__, show)
