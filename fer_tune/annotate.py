"""`python -m fer_tune.annotate`: the same as `fer-tune annotate`."""

import sys

from fer_tune.cli.main import door

main = door("annotate")

if __name__ == "__main__":
    sys.exit(main())
