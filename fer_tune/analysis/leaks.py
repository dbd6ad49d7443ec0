"""Equal images in a study's data: those in two splits make scores too high. Counted when the data were stored."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from fer_tune.analysis.gaps import listed
from fer_tune.analysis.results import Results
from fer_tune.results.files import Damaged

ACROSS = {  # key of dataset.json: what it counts
    "test_in_train": "test images are also in train",
    "validation_in_train": "validation images are also in train",
    "test_in_validation": "test images are also in validation",
}


@dataclass(frozen=True)
class EqualImages:
    """Groups of equal images in one data set: the key `copies` of its dataset.json.

    Attributes:
        across: by key of `ACROSS`, images of one split that are equal to one of another.
        other_labels: groups whose images have different labels.
        examples: names of equal images, a group each.
    """

    across: Mapping[str, int]
    other_labels: int
    examples: tuple[tuple[str, ...], ...]

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Self:
        """Read from `copies`. Raises KeyError, TypeError, ValueError or AttributeError where it is something else."""
        return cls(
            {key: int(stored[key]) for key in ACROSS},
            int(stored["other_labels"]),
            tuple(tuple(map(str, group)) for group in stored.get("examples", ())),
        )


def equal_images(results: Results) -> list[EqualImages] | None:
    """What is known of each of the study's data sets, equal findings once; None where nothing was counted."""
    found: list[EqualImages] = []
    known = False
    for digest in results.environment.digests:
        try:
            copies = results.dataset(digest).get("copies")
            known |= copies is not None
            if copies is not None and (own := EqualImages.of(copies)) not in found:
                found.append(own)
        except (OSError, Damaged, KeyError, TypeError, ValueError, AttributeError):
            continue
    return found if known else None


def warnings(results: Results) -> list[str]:
    """What a reader of the scores must know of equal images, a sentence each; empty where there are none."""
    said = []
    for found in equal_images(results) or []:
        if parts := [f"{found.across[key]} {what}" for key, what in ACROSS.items() if found.across[key]]:
            said.append(f"Warning: equal images in two splits, so scores on them are too high: {', '.join(parts)}.")
        if found.other_labels:
            said.append(f"Warning: {found.other_labels} groups of equal images have different labels.")
        if said and found.examples:
            said.append(f"For example equal: {'; '.join(listed(group) for group in found.examples)}.")
    return said
