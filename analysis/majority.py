"""What the largest class alone scores, and which λs do no better: `python -m analysis.majority results/NAME`."""

from fer_tune.analysis.majority import show
from fer_tune.analysis.tables import script

if __name__ == "__main__":
    script(__doc__, show)
