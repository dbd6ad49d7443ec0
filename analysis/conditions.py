"""The best λ against the noise ratio, and which other settings matter: `python -m analysis.conditions results/NAME`."""

from fer_tune.analysis.conditions import show
from fer_tune.analysis.tables import script

if __name__ == "__main__":
    script(__doc__, show)
