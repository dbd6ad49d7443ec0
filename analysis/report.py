"""The report of a results folder: `python -m analysis.report results/NAME [--watch]`."""

import sys

from fer_tune.analysis.report import main

if __name__ == "__main__":
    sys.exit(main())
