"""`python -m fer_tune.data`: the same as `fer-tune data`."""

import sys

from fer_tune.cli.main import door

if __name__ == "__main__":
    sys.exit(door("data")())
