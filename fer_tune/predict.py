"""`python -m fer_tune.predict`."""

import sys

from fer_tune.search.checkpoint import main

if __name__ == "__main__":
    sys.exit(main())
