"""`python -m fer_tune.recommend`: the same as `fer-tune recommend`."""

import sys

from fer_tune.cli.main import door

main = door("recommend")

if __name__ == "__main__":
    sys.exit(main())
