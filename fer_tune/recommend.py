"""`python -m fer_tune.recommend`."""

import sys

from fer_tune.cli.recommend import main

if __name__ == "__main__":
    sys.exit(main())
