"""`python -m fer_tune`: the same as `fer-tune`."""

import sys

from fer_tune.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
