"""What is drafted for a data set that a user points to."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Draft:
    """A `dataset` section.

    Attributes:
        section: the section as a study file would hold it.
        remarks: for a person: what the data set was taken for, and what of it was left out and why.
    """

    section: dict[str, Any]
    remarks: tuple[str, ...] = ()
