"""The registry of data sets, and the one place where a kind of data set is added.

To add one, write `fer_tune/data/NAME.py` with
    - its settings: a frozen pydantic model with `kind: Literal["NAME"]`, `image_size` and the property `label_sets`,
    - a function from these settings to an `Index`,
and name both here, in `DatasetSpec` and in `KINDS`. Nothing else in the project lists the kinds.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, Field

from fer_tune.data.affectnet import AffectNetSpec, export_affectnet, index_affectnet, is_affectnet
from fer_tune.data.cifar10 import Cifar10Spec, index_cifar10, is_cifar10
from fer_tune.data.dataset import Augmentation
from fer_tune.data.ferplus import FerPlusSpec, index_ferplus, is_ferplus
from fer_tune.data.folders import FoldersSpec, index_folders
from fer_tune.data.index import Index
from fer_tune.data.manifest import export_manifest, index_manifest
from fer_tune.data.manifest_spec import ManifestSpec
from fer_tune.data.raf import RafSpec, export_raf, index_raf, is_raf
from fer_tune.data.synthetic import SyntheticSpec, export_synthetic

Labels = Mapping[str, np.ndarray]
Splits = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class DataKind:
    """One kind of data set.

    Attributes:
        spec: its settings in a study file.
        index: reads its label files, given the settings; None for faces that are drawn.
        augmentation: how its training images are varied.
        export: writes noisy labels in its own format, given the settings, labels, splits and the path without suffix;
            returns each file by the setting that reads it back. None if the format cannot hold them.
        is_in: whether a folder holds this data set; None if only a study file can say so.
    """

    spec: type[BaseModel]
    index: Callable[[Any], Index] | None
    augmentation: Augmentation = "faces"
    export: Callable[[Any, Labels, Splits, Path], dict[str, Path]] | None = None
    is_in: Callable[[Path], bool] | None = None


def place_of(spec: Any) -> str:
    """Where a data set is, for messages: its table, else its folder."""
    tables = getattr(spec, "tables", None)
    return next(iter(tables.values())) if tables else str(getattr(spec, "folder", "its label file"))


DatasetSpec = Annotated[
    SyntheticSpec | RafSpec | AffectNetSpec | Cifar10Spec | FerPlusSpec | FoldersSpec | ManifestSpec,
    Field(discriminator="kind"),
]
KINDS: Mapping[str, DataKind] = {
    "synthetic": DataKind(SyntheticSpec, None, export=export_synthetic),
    "raf": DataKind(RafSpec, index_raf, export=export_raf, is_in=is_raf),
    "affectnet": DataKind(AffectNetSpec, index_affectnet, export=export_affectnet, is_in=is_affectnet),
    "cifar10": DataKind(Cifar10Spec, index_cifar10, "crop", is_in=is_cifar10),
    "ferplus": DataKind(FerPlusSpec, index_ferplus, is_in=is_ferplus),
    "folders": DataKind(FoldersSpec, index_folders),
    "manifest": DataKind(ManifestSpec, index_manifest, export=export_manifest),
}
