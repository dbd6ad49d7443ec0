"""`python -m fer_tune.run`."""

import sys

from fer_tune.cli.run import main

if __name__ == "__main__":
    sys.exit(main())
