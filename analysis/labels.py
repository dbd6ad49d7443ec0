"""Which noisy labels the trials were trained on: `python -m analysis.labels results/NAME`."""

from fer_tune.analysis.labels import show
from fer_tune.analysis.tables import script

if __name__ == "__main__":
    script(__doc__, show)
