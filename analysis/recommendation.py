"""Which λ, how certain, and at what cost: `python -m analysis.recommendation results/NAME`."""

from fer_tune.analysis.recommendation import show
from fer_tune.analysis.tables import script

if __name__ == "__main__":
    script(__doc__, show)
