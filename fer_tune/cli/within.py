"""What `--within` says: how much a run may spend."""

import re

from fer_tune.errors import UserError
from fer_tune.search.budget import Limit

UNITS = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
WITHIN = re.compile(r"(\d+(?:\.\d*)?)\s*(s|min|h|d|epochs?|trials?)")


def parse_within(text: str | None) -> Limit | None:
    """The limit that a text such as 2h, 300epochs or 12trials names; None without one.

    Raises UserError where it is not a positive duration, or number of epochs or trials.
    """
    if text is None:
        return None
    found = WITHIN.fullmatch(text.strip().lower())
    if found is None or not float(found[1]) > 0:
        raise UserError(f"--within {text}: write a duration (90s, 30min, 2h, 1d), or 300epochs or 12trials")
    number, unit = float(found[1]), found[2].rstrip("s") or "s"
    if unit in UNITS:
        return Limit(seconds=number * UNITS[unit])
    if number != int(number):
        raise UserError(f"--within {text}: write a whole number of {unit}s")
    return Limit(epochs=int(number)) if unit == "epoch" else Limit(trials=int(number))
