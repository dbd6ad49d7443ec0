"""`python -m fer_tune.annotate`."""

import sys

from fer_tune.search.annotator import main

if __name__ == "__main__":
    sys.exit(main())
