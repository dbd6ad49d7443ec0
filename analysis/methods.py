"""Every method side by side, after equal epochs and equal training time: `python -m analysis.methods results/NAME`."""

from fer_tune.analysis.methods import show
from fer_tune.analysis.tables import script

if __name__ == "__main__":
    script(__doc__, show)
