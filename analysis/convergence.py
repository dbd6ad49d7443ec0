"""Whether converged joint losses predict accuracy: `python -m analysis.convergence results/NAME`."""

from fer_tune.analysis.convergence import show
from fer_tune.analysis.tables import script

if __name__ == "__main__":
    script(__doc__, show)
