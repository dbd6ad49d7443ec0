"""Writes small folders in the forms in which tables of face data circulate. For tests only.

Each writer makes the documented layout with drawn faces: image i shows the emotion i % 7 of `NAMES`.
"""

import csv
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.support.folders import face

NAMES = ("neutral", "happy", "sad", "surprise", "fear", "disgust", "anger")  # as `faces.draw_faces` numbers them
FER2013_CODES = (6, 3, 4, 5, 2, 1, 0)  # of these emotions
USAGE = ("Training", "Training", "Training", "PublicTest", "PrivateTest")
COUNT = 70


def write_rows(path: Path, rows: Sequence[Sequence[object]], separator: str = ",", encoding: str = "utf-8") -> None:
    """A CSV file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="", encoding=encoding) as file:
        csv.writer(file, delimiter=separator).writerows(rows)


def write_images(folder: Path, count: int = COUNT, name: str = "{}.png", size: int = 40) -> None:
    """Drawn faces, the number of each in its name."""
    for i in range(count):
        path = folder / name.format(i)
        path.parent.mkdir(parents=True, exist_ok=True)
        face(i % 7, i, size).save(path)


def grey_cell(i: int, size: int = 48) -> str:
    """The pixels of a face as FER2013's file has them."""
    return " ".join(map(str, np.asarray(face(i % 7, i, size).convert("L")).ravel()))


def usage(i: int) -> str:
    return USAGE[i // 7 % 5]


def fer2013(root: Path) -> None:
    """FER2013 alone, without FERPlus's votes."""
    rows = [[FER2013_CODES[i % 7], grey_cell(i), usage(i)] for i in range(COUNT)]
    write_rows(root / "fer2013.csv", [["emotion", "pixels", "Usage"], *rows])


def icml(root: Path) -> None:
    """The same with blanks in the names of columns."""
    rows = [[FER2013_CODES[i % 7], usage(i), grey_cell(i)] for i in range(COUNT)]
    write_rows(root / "icml_face_data.csv", [["emotion", " Usage", " pixels"], *rows])


def ck_extended(root: Path) -> None:
    """CK+ with contempt as code 7."""
    rows = [[i % 8, grey_cell(i), usage(i)] for i in range(COUNT)]
    write_rows(root / "ckextended.csv", [["emotion", "pixels", "Usage"], *rows])


def png(i: int) -> bytes:
    content = io.BytesIO()
    face(i % 7, i).save(content, "PNG")
    return content.getvalue()


def hugging_face(root: Path, struct: bool = True) -> None:
    """Parquet in two files for train and one for test, with the class names in the metadata."""
    features = {"image": {"_type": "Image"}, "label": {"names": list(NAMES), "_type": "ClassLabel"}}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    shards = {"train-00000-of-00002": (0, 28), "train-00001-of-00002": (28, 56), "test-00000-of-00001": (56, COUNT)}
    (root / "data").mkdir(parents=True)
    for name, (start, end) in shards.items():
        images = [{"bytes": png(i), "path": f"{i}.png"} if struct else png(i) for i in range(start, end)]
        table = pa.table({"image": pa.array(images), "label": pa.array([i % 7 for i in range(start, end)], pa.int64())})
        pq.write_table(table.replace_schema_metadata(metadata), root / "data" / f"{name}.parquet", row_group_size=10)


def split_tables(root: Path) -> None:
    """A table for each split, cells separated by semicolons, a byte order mark, images in a folder beside."""
    write_images(root / "faces", name="{}.jpg")
    for split, start, end in (("train", 0, 42), ("val", 42, 56), ("test", 56, COUNT)):
        rows = [[f"{i}.jpg", NAMES[i % 7]] for i in range(start, end)]
        write_rows(root / f"{split}.csv", [["filename", "label"], *rows], ";", "utf-8-sig")


def class_folders_with_tables(root: Path) -> None:
    """RAF-DB as Kaggle has it: a folder for each class code, and a table for each split."""
    for split, start, end in (("train", 0, 49), ("test", 49, COUNT)):
        rows = []
        for i in range(start, end):
            name = f"{split}_{i:05d}_aligned.jpg"
            write_one(root / "DATASET" / split / str(i % 7 + 1) / name, i)
            rows.append([name, i % 7 + 1])
        write_rows(root / f"{split}_labels.csv", [["image", "label"], *rows])


def write_one(path: Path, i: int, size: int = 40) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    face(i % 7, i, size).save(path)


def affectnet_kaggle(root: Path) -> None:
    """AffectNet as Kaggle has it: relFCs is the share of a crop, not a label."""
    rows = []
    for i in range(COUNT):
        name = f"{NAMES[i % 7]}/image{i:07d}.png"
        write_one(root / name, i)
        rows.append([i, name, NAMES[i % 7], f"{0.6 + i / 300:.6f}"])
    write_rows(root / "labels.csv", [["", "pth", "label", "relFCs"], *rows])


def other_machine(root: Path) -> None:
    """Absolute paths of another machine, and no header."""
    write_images(root / "pics" / "a")
    write_rows(root / "list.csv", [[f"/home/other/data/pics/a/{i}.png", NAMES[i % 7]] for i in range(COUNT)])


def no_suffix(root: Path) -> None:
    """Names of images without suffix, cells separated by tabs."""
    write_images(root / "imgs", name="S{:03d}.png")
    rows = [[f"S{i:03d}", NAMES[i % 7]] for i in range(COUNT)]
    write_rows(root / "labels.tsv", [["id", "emotion"], *rows], "\t")


def several_faces(root: Path) -> None:
    """Two faces side by side in each image, with their boxes."""
    rows = []
    for i in range(0, COUNT, 2):
        path = root / "photos" / f"{i // 2}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        both = face(i % 7, i).resize((80, 40))
        both.paste(face(i % 7, i), (0, 0))
        both.paste(face((i + 1) % 7, i + 1), (40, 0))
        both.save(path)
        rows += [[path.name, 0, 0, 40, 40, NAMES[i % 7]], [path.name, 40, 0, 80, 40, NAMES[(i + 1) % 7]]]
    write_rows(root / "faces.csv", [["image", "xmin", "ymin", "xmax", "ymax", "expression"], *rows])


def people(root: Path) -> None:
    """A table of what people saw: names in several spellings, a second header, words of no class, one image twice.

    Image 3 has two different labels, image 4 a second one that says the same.
    """
    write_images(root / "images", name="{}.jpg")
    header = ["user.id", "image", "emotion", "Usage"]
    rows = [[f"u{i % 9}", f"{i}.jpg", spelt(i), usage(i)] for i in range(COUNT)]
    twice = [["u20", "3.jpg", "happy", usage(3)], ["u20", "4.jpg", "FEAR", usage(4)]]
    write_rows(root / "legend.csv", [header, *rows[:30], header, *rows[30:], *twice])


def spelt(i: int) -> str:
    """The emotion of image i, in capitals for every fifth; happiness for happy in every second."""
    name = "happiness" if i % 7 == 1 and i % 2 else NAMES[i % 7]
    return name.upper() if i % 5 == 0 else name


def rated(root: Path, low: int, high: int, marker: int | None = None, scale: float = 1) -> None:
    """Classes with valence and arousal that reach from `low` to `high`, both divided by `scale`."""
    write_images(root)
    rows = []
    for i in range(COUNT):
        values = [(low + (i * step) % (high - low + 1)) / scale for step in (1, 3)]
        cells = [marker] * 2 if marker is not None and i % 6 == 0 else [f"{value:g}" for value in values]
        rows.append([f"{i}.png", NAMES[i % 7], *cells])
    write_rows(root / "rated.csv", [["image", "expression", "valence", "arousal"], *rows])


def rated_photographs(root: Path) -> None:
    """A list without header: two faces in each photograph, each rated by three people on scales from 1 to 9."""
    several_faces(root)
    moods = ("calm", "Glad", "happy", "cross", "unsure")
    lines = []
    for i in range(COUNT):
        left = 40 * (i % 2)
        for rater in range(3):
            rating = -1 if i % 10 == 0 else 1 + (i + rater) % 9
            cells = [f"/home/someone/photos/{i // 2}.png", left, 0, left + 40, 40, f"r{rater}", moods[i % 5]]
            lines.append("  ".join(map(str, [*cells, rating, rating])))
    (root / "list.txt").write_text("\n".join(lines) + "\n")


FORMS: dict[str, Callable[[Path], None]] = {
    "fer2013": fer2013,
    "icml": icml,
    "ck_extended": ck_extended,
    "hugging_face": hugging_face,
    "bytes": lambda root: hugging_face(root, struct=False),
    "split_tables": split_tables,
    "class_folders_with_tables": class_folders_with_tables,
    "affectnet_kaggle": affectnet_kaggle,
    "other_machine": other_machine,
    "no_suffix": no_suffix,
    "several_faces": several_faces,
    "people": people,
    "minus_10_to_10": lambda root: rated(root, -10, 10),
    "minus_1000_to_1000": lambda root: rated(root, -1000, 1000),
    "aff_wild2": lambda root: rated(root, -9, 9, marker=-5, scale=10),
    "affectnet_marker": lambda root: rated(root, -9, 9, marker=-2, scale=10),
}
