"""`python -m fer_tune.run`: the same as `fer-tune run`."""

import sys

from fer_tune.cli.main import door

main = door("run")

if __name__ == "__main__":
    sys.exit(main())
