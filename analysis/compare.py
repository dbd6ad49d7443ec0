"""Two studies side by side: `python -m analysis.compare results/A results/B`."""

import sys

from fer_tune.analysis.compare import main

if __name__ == "__main__":
    sys.exit(main())
