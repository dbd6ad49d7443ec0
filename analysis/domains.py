"""Which rules carry over to other domains: `python -m analysis.domains results/domains`."""

import sys

from fer_tune.analysis.domains import main

if __name__ == "__main__":
    sys.exit(main())
