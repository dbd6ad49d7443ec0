"""`python -m fer_tune.data`."""

import sys

from fer_tune.cli.data import main

if __name__ == "__main__":
    sys.exit(main())
