"""Which λ, how surely, and at what price: `python -m analysis.recommendation results/NAME`."""

from fer_tune.analysis.recommendation import show
from fer_tune.analysis.tables import script

if __name__ == "__main__":
    script(__doc__, show)
