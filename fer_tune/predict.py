"""`python -m fer_tune.predict`: the same as `fer-tune predict`."""

import sys

from fer_tune.cli.main import door

main = door("predict")

if __name__ == "__main__":
    sys.exit(main())
