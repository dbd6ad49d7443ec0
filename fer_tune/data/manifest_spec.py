"""Settings of your own data: where the table has the images, the labels and the splits."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from fer_tune.data.csv_rows import Dialect
from fer_tune.data.files import FilesSpec
from fer_tune.data.labels import LabelSet

RESERVED_NAMES = frozenset(("image", "noise", "joint"))  # of the discriminator's scores
SplitWord = Literal["train", "val", "test"]


Target = TypeVar("Target", bound=str | None)


class Words(dict[str, Target]):
    """A mapping in the settings, which are frozen: it can be hashed, and nobody changes it."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(tuple(self.items()))


def _as_written(cell: object) -> object:
    """A number in a study file as the text that a cell holds."""
    return str(cell) if isinstance(cell, (int, float)) else cell


class _Grown(BaseModel):
    """Settings to which newer versions added some.

    Newer ones that say nothing are not written, so that a study of an older version stays the same study.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    newer: ClassVar[frozenset[str]] = frozenset()

    @model_serializer(mode="wrap")
    def _as_older_versions(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written: dict[str, Any] = write(self)
        silent = {name for name in self.newer if getattr(self, name) == type(self).model_fields[name].default}
        return {name: value for name, value in written.items() if name not in silent}


class ManifestSet(_Grown):
    """One label set and the columns that hold it."""

    newer: ClassVar[frozenset[str]] = frozenset(("map", "range", "missing"))

    name: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,31}$", description="name of the label set, used in its metrics")
    kind: Literal["categorical", "continuous"]
    columns: tuple[str, ...] = Field(
        min_length=1,
        description="one column of classes; or several columns of vote counts, one per class; or one column per "
        "continuous value",
    )
    classes: tuple[str, ...] | None = Field(
        None,
        description="categorical: names of the classes; a cell holds a name, or a code that counts from 0 in this "
        "order",
    )
    clean: tuple[str, ...] | None = Field(
        None,
        description="columns of labels known to be correct, used only for evaluation: to score the test split and to "
        "measure the noise",
    )
    map: Annotated[dict[str, str | None], AfterValidator(Words)] | None = Field(
        None,
        description="categorical: the class that a cell's text or code means where it is not the class's name, such as "
        "{HAPPY: happy, '4': sad}; null for no label. A row that is left without any label for this reason is left out",
    )
    range: tuple[float, float] | None = Field(
        None, description="continuous: the lowest and highest value of the scale, which become -1 and 1"
    )
    missing: tuple[Annotated[str, BeforeValidator(_as_written)], ...] = Field(
        (), description="texts of cells that say that the label is missing, beside blank, NA, NaN, None and the like"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.kind == "continuous":
            self._check_continuous()
            return self
        if self.classes is None or len(set(self.classes)) < max(2, len(self.classes)):
            raise ValueError("a categorical set needs `classes`: at least two different names")
        if len(self.columns) not in (1, len(self.classes)):
            raise ValueError(f"`columns` has {len(self.columns)} columns: give one, or one with votes for each class")
        if self.clean is not None and len(self.clean) != 1:
            raise ValueError("`clean` of a categorical set must be one column")
        if self.range is not None:
            raise ValueError("`range` needs kind: continuous")
        self._check_map(self.classes)
        return self

    def _check_continuous(self) -> None:
        if self.classes is not None:
            raise ValueError("`classes` needs kind: categorical")
        if self.map is not None:
            raise ValueError("`map` needs kind: categorical")
        if self.clean is not None and len(self.clean) != len(self.columns):
            raise ValueError(
                f"`clean` has {len(self.clean)} columns, but `columns` has {len(self.columns)}: give as many"
            )
        if self.range is not None and not self.range[0] < self.range[1]:
            low, high = self.range
            raise ValueError(f"`range` must be [lowest, highest]: it is [{low:g}, {high:g}]")

    def _check_map(self, classes: tuple[str, ...]) -> None:
        if not self.map:
            return
        if len(self.columns) > 1:
            raise ValueError("`map` needs one column of classes: columns of votes hold counts")
        unknown = [target for target in self.map.values() if target is not None and target not in classes]
        if unknown:
            raise ValueError(f"`map` leads to {unknown[0]!r}, which is none of `classes`: {', '.join(classes)}")
        turned = [cell for cell, target in self.map.items() if cell in classes and target not in (cell, None)]
        if turned:
            raise ValueError(f"`map` makes another class of the class {turned[0]!r}: remove that entry or that class")

    @property
    def label_set(self) -> LabelSet:
        return LabelSet(self.name, self.kind, self.classes or self.columns)


class BoxColumns(BaseModel):
    """Four columns with the box of a face in its image, in pixels."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    columns: tuple[str, str, str, str]
    form: Literal["size", "corners"] = Field(
        "size", description="size: left, top, width, height; corners: left, top, right, bottom"
    )


class ManifestSpec(FilesSpec, _Grown):
    """Settings of your own data: a table with the images, the labels and optionally the split of each row.

    `file` or `files`, and `path` or `pixels` or `bytes`, must be given; `path` is the default.
    """

    newer: ClassVar[frozenset[str]] = frozenset(
        ("files", "path", "prefix", "pixels", "bytes", "boxes", "split", "splits", "separator", "header", "annotator")
    )

    kind: Literal["manifest"]
    file: str | None = Field(
        None, description="CSV or Parquet, with the images in column `path` unless another setting says where"
    )
    files: Annotated[dict[SplitWord, str], AfterValidator(Words)] | None = Field(
        None, description="instead of `file`, one table for each split: {train: ..., val: ..., test: ...}. A pattern "
        "such as train-*.parquet stands for several files, in either setting",
    )  # fmt: skip
    folder: str | None = Field(None, description="folder of the images; default: the folder of the table")
    path: str = Field(
        "path",
        min_length=1,
        description="column of the image files, or a template of columns such as 'faces/{label}/{image}'; {split} is "
        "the key under `files`. A path may lack its suffix where one image alone has this name",
    )
    prefix: str | None = Field(
        None, description="beginning of the paths that is left out: where the images were on another machine"
    )
    pixels: str | None = Field(None, description="instead of `path`, a column of grey values from 0 to 255, row by row")
    bytes: str | None = Field(
        None, description="instead of `path`, a column of a Parquet file with the bytes of image files, plain or in a "
        "struct {bytes, path}",
    )  # fmt: skip
    boxes: tuple[str, str, str, str] | BoxColumns | None = Field(
        None,
        description="columns of the face's box in pixels, [left, top, width, height], or {columns: [left, top, right, "
        "bottom], form: corners}; an image may have several rows with a box each",
    )
    split: str = Field("split", min_length=1, description="column of the split: train, val or test")
    splits: Annotated[dict[str, SplitWord], AfterValidator(Words)] | None = Field(
        None,
        description="words of the column `split` that are other ones, such as {PublicTest: val, PrivateTest: test}",
    )
    separator: str | None = Field(
        None,
        min_length=1,
        max_length=1,
        description="what separates the cells of a row; ' ' for any run of blanks. By default it is recognised",
    )
    header: tuple[str, ...] | None = Field(
        None, min_length=1, description="names of the columns of a table that has no header line"
    )
    annotator: str | None = Field(
        None,
        description="column that names who labelled a row, where an image has several rows: they become votes, and the "
        "label is the class with most of them (a tie is no label), or the mean of continuous values",
    )
    sets: tuple[ManifestSet, ...] = Field(
        min_length=1, description="label sets; each annotator is a label set of its own"
    )
    subject: str | None = Field(None, description="column that names the person shown; keeps each person in one split")
    image_size: Literal[32, 64, 112, 128, 224, 256] = Field(
        64, description="side in pixels that images are resized to; 112 and 224 need model.game_size"
    )
    validation: float = Field(
        0.1, gt=0, lt=0.9, description="share of the training samples kept for validation, if no row's split is val"
    )
    test: float = Field(
        0.1, gt=0, lt=0.9, description="share of all samples kept for testing, if no row's split is test"
    )
    seed: int = Field(0, ge=0, description="seed that selects the validation and test samples")

    @model_validator(mode="after")
    def _check(self) -> Self:
        self._check_places()
        names = [s.name for s in self.sets]
        if len(set(names)) < len(names):
            raise ValueError(f"label sets need different names: they are {names}")
        taken = RESERVED_NAMES & set(names)
        if taken:
            raise ValueError(
                f"a label set cannot be named {', '.join(sorted(taken))}: a score of the discriminator has this name"
            )
        classes = {s.name for s in self.sets if s.kind == "categorical"}
        both = {c for s in self.sets if s.kind == "continuous" for c in s.columns} & classes
        if both:
            raise ValueError(
                f"a label set and a continuous column are both named {', '.join(sorted(both))}: rename the label set"
            )
        if not any(s.kind == "categorical" for s in self.sets):
            raise ValueError("name at least one categorical label set")
        return self

    def _check_places(self) -> None:
        """Check what says where the rows and their images are."""
        if (self.file is None) == (self.files is None):
            raise ValueError("give `file`, or `files` with one table for each split")
        if self.files is not None and "train" not in self.files:
            raise ValueError(f"`files` has no train: it has {', '.join(self.files) or 'nothing'}")
        given = {name for name in ("path", "pixels", "bytes") if name in self.model_fields_set and getattr(self, name)}
        if len(given) > 1:
            raise ValueError(f"give one of {' and '.join(sorted(given))}: each says where the images are")
        if self.files is not None and ("split" in self.model_fields_set or self.splits):
            raise ValueError("`files` names the splits: remove `split` and `splits`, or give one `file`")
        if self.pixels and (self.boxes or self.prefix):
            raise ValueError("`boxes` and `prefix` need image files: `pixels` are the faces themselves")
        if self.bytes and self.prefix:
            raise ValueError("`prefix` needs image files, and `bytes` is a column of images")
        repeated = [name for name in self.header or () if (self.header or ()).count(name) > 1]
        if repeated:
            raise ValueError(f"`header` names {repeated[0]!r} twice")

    @property
    def label_sets(self) -> tuple[LabelSet, ...]:
        return tuple(s.label_set for s in self.sets)

    @property
    def tables(self) -> Mapping[str, str]:
        """The tables by split; one for all splits has the key ""."""
        if self.files is None:
            return {"": self.file or ""}
        return {str(word): name for word, name in self.files.items()}

    @property
    def names_split(self) -> bool:
        """Whether a column of the split is named, which must then be there."""
        return "split" in self.model_fields_set and self.split != type(self).model_fields["split"].default

    @property
    def dialect(self) -> Dialect:
        return Dialect(self.separator, self.header)

    @property
    def box_columns(self) -> BoxColumns | None:
        return BoxColumns(columns=self.boxes) if isinstance(self.boxes, tuple) else self.boxes
