"""What each rule would have chosen, and what that would have cost: `python -m analysis.rules results/NAME`."""

from fer_tune.analysis.rules import show
from fer_tune.analysis.tables import script

if __name__ == "__main__":
    script(__doc__, show)
