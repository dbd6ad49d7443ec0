"""Writes small data sets in the real formats, and reads them by their settings. For tests only."""

import csv
import hashlib
import pickle
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pydantic import TypeAdapter

from fer_tune.data.faces import draw_faces
from fer_tune.data.index import Index
from fer_tune.data.kinds import DatasetSpec
from fer_tune.data.loading import index_dataset

RAF_CODES = (7, 4, 5, 1, 2, 3, 6)  # neutral, happy, sad, surprise, fear, disgust, anger


def spec_of(settings: Mapping[str, Any], **changes: Any) -> DatasetSpec:
    """The settings of a study file as a specification."""
    return TypeAdapter[DatasetSpec](DatasetSpec).validate_python({**settings, **changes})


def index_of(settings: Mapping[str, Any], **changes: Any) -> Index:
    """The checked index of the data set that the settings describe."""
    return index_dataset(spec_of(settings, **changes))


def edit(path: Path, old: str, new: str) -> None:
    """Replace the first occurrence of a text in a file; it must be there."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def write_pictures(folder: Path, count: int, suffix: str = "jpg") -> None:
    """Write so many small pictures, no two of them equal in folders of different names."""
    seed = int.from_bytes(hashlib.blake2b(str(folder).encode(), digest_size=4).digest())
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    for k in range(count):
        Image.fromarray(rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(folder / f"{k}.{suffix}")


def face(emotion: int, seed: int, size: int = 40) -> Image.Image:
    """One drawn face. Pixels are cached because many tests draw the same ones."""
    return Image.fromarray(_pixels(emotion, seed, size))


@cache
def _pixels(emotion: int, seed: int, size: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return draw_faces(size, [emotion], [0.9], [rng])[0].transpose(1, 2, 0)


def write_raf(root: Path, train: int = 42, test: int = 14, machine: bool = False) -> dict[str, str]:
    """RAF-DB's folder, its rows shuffled. Returns the settings for a study file, as every writer does."""
    (root / "EmoLabel").mkdir(parents=True)
    (root / "Image" / "aligned").mkdir(parents=True)
    lines = []
    for split, count in (("train", train), ("test", test)):
        for i in range(count):
            name = f"{split}_{i + 1:05d}"
            face(i % 7, i).save(root / "Image" / "aligned" / f"{name}_aligned.jpg")
            lines.append(f"{name}.jpg {RAF_CODES[i % 7]}")
    rng = np.random.default_rng(0)
    (root / "EmoLabel" / "list_patition_label.txt").write_text("\n".join(rng.permutation(lines)) + "\n")
    if not machine:
        return {"kind": "raf", "folder": str(root)}
    names = [line.split()[0] for line in lines if line.startswith("train")]
    (root / "machine.txt").write_text(
        "".join(f"{n} {RAF_CODES[(i + (i % 3 == 0)) % 7]}\n" for i, n in enumerate(names))
    )
    (root / "affect.txt").write_text(
        "".join(f"{n} {(i % 5 - 2) * 0.6:.3f} {i % 3 * 0.4:.3f}\n" for i, n in enumerate(names))
    )
    machine_files = {"machine_labels": str(root / "machine.txt"), "machine_affect": str(root / "affect.txt")}
    return {"kind": "raf", "folder": str(root), **machine_files}


AFFECTNET_HEADER = [
    "subDirectory_filePath", "face_x", "face_y", "face_width", "face_height", "facial_landmarks",
    "expression", "valence", "arousal",
]  # fmt: skip


def affectnet_rows(count: int, folder: str) -> list[list[str]]:
    """Rows with expressions 0 to 10 in turn; codes that are not an expression have valence -2."""
    rows = []
    for i in range(count):
        code = i % 11
        valence, arousal = (-2, -2) if code > 7 else (round(i % 9 / 4 - 1, 2), round(i % 5 / 4 - 0.5, 2))
        rows.append([f"{folder}/face{i}.jpg", "4", "6", "40", "40", "1.5;2.5", str(code), str(valence), str(arousal)])
    return rows


def write_affectnet_csv(
    root: Path, train: int = 66, validation: int = 33, second: str = "validation.csv"
) -> dict[str, str]:
    """AffectNet's CSV release; each face is in a box with a red surround."""
    for name, count, folder in (("training.csv", train, "1"), (second, validation, "2")):
        rows = affectnet_rows(count, folder)
        place = root / "Manually_Annotated_Images" / folder
        place.mkdir(parents=True)
        for i, row in enumerate(rows):
            picture = Image.new("RGB", (60, 60), (250, 0, 0))
            picture.paste(face(min(int(row[6]), 6), i), (4, 6))
            picture.save(root / "Manually_Annotated_Images" / row[0])
        with open(root / name, "w", newline="") as file:
            csv.writer(file).writerows([AFFECTNET_HEADER, *rows])
    return {"kind": "affectnet", "folder": str(root)}


def write_affectnet_arrays(root: Path, train: int = 64, validation: int = 32) -> dict[str, str]:
    """AffectNet's newer release: three small arrays for each image."""
    for folder, count in (("train_set", train), ("val_set", validation)):
        for part in ("images", "annotations"):
            (root / folder / part).mkdir(parents=True)
        for i in range(count):
            face(i % 7, i).save(root / folder / "images" / f"{i}.jpg")
            values = {"exp": str(i % 8), "val": f"{i % 9 / 4 - 1:.3f}", "aro": f"{i % 5 / 4 - 0.5:.3f}"}
            for name, value in values.items():
                np.save(root / folder / "annotations" / f"{i}_{name}.npy", np.array(value))
    return {"kind": "affectnet", "folder": str(root)}


def write_cifar10(
    root: Path, each: int = 20, dump: Callable[[dict[bytes, object]], bytes] = pickle.dumps
) -> dict[str, object]:
    """CIFAR-10's Python batches with few images, so their digests are not the published ones."""
    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"):
        labels = [i % 10 for i in range(each)]
        data = rng.integers(0, 256, (each, 3072), dtype=np.uint8)
        (folder / name).write_bytes(dump({b"data": data, b"labels": labels, b"batch_label": b"small"}))
    return {"kind": "cifar10", "folder": str(root), "verify": False}


def md5(path: Path) -> str:
    """The MD5 digest of a file, as CIFAR-10 publishes them."""
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def write_ferplus(root: Path, count: int = 60) -> dict[str, str]:
    """FERPlus. FER2013's code is wrong for every fourth image; every tenth vote is for NF, every eleventh a tie."""
    root.mkdir(parents=True, exist_ok=True)
    fer2013 = (6, 3, 4, 5, 2, 1, 0)  # code of neutral, happy, sad, surprise, fear, disgust, anger
    names = ["neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF"]
    column = (0, 1, 3, 2, 6, 5, 4)  # of our class among FERPlus's
    with open(root / "fer2013.csv", "w", newline="") as pixels, open(root / "fer2013new.csv", "w", newline="") as votes:
        write_pixels, write_votes = csv.writer(pixels).writerow, csv.writer(votes).writerow
        write_pixels(["emotion", "pixels", "Usage"])
        write_votes(["Usage", "Image name", *names])
        for i in range(count):
            usage = ("Training", "Training", "Training", "PublicTest", "PrivateTest")[i % 5]
            emotion = i // 5 % 7
            grey = np.asarray(face(emotion, i, 48).convert("L")).ravel()
            write_pixels([fer2013[(emotion + (i % 4 == 0)) % 7], " ".join(map(str, grey)), usage])
            counts = [0] * 10
            counts[column[emotion]] = 7
            counts[9 if i % 10 == 9 else 8] += 10 if i % 10 == 9 else 7 if i % 11 == 10 else 3
            write_votes([usage, f"fer{i:07d}.png", *counts])
    return {"kind": "ferplus", "folder": str(root)}


MOODS = ["calm", "glad", "cross"]
MANIFEST_SETS = [
    {"name": "emotion", "kind": "categorical", "columns": ["label"], "classes": MOODS, "clean": ["truth"]},
    {"name": "second", "kind": "categorical", "columns": ["label_b"], "classes": MOODS},
    {"name": "affect", "kind": "continuous", "columns": ["valence", "arousal"]},
]  # fmt: skip


def manifest_rows(count: int = 60) -> list[dict[str, str]]:
    """Rows of a manifest. Every fifth has no second label, every seventh no affect, every fourth label is wrong."""
    rows = []
    for i in range(count):
        rows.append({
            "path": f"people/face {i}.png", "who": f"p{i // 4}", "label": MOODS[(i + (i % 4 == 0)) % 3],
            "label_b": "" if i % 5 == 0 else str(i % 3), "truth": MOODS[i % 3],
            "valence": "" if i % 7 == 0 else f"{i % 9 / 4 - 1:.2f}",
            "arousal": "" if i % 7 == 0 else f"{i % 5 / 4 - 0.5:.2f}",
        })  # fmt: skip
    return rows


def write_manifest(root: Path, rows: list[dict[str, str]] | None = None) -> dict[str, object]:
    """A manifest and its 60 images."""
    (root / "people").mkdir(parents=True, exist_ok=True)
    rows = manifest_rows() if rows is None else rows
    for i in range(60):
        if not (root / "people" / f"face {i}.png").exists():
            face((0, 1, 6)[i % 3], i).save(root / "people" / f"face {i}.png")
    with open(root / "faces.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, list(dict.fromkeys(name for row in rows for name in row)))
        writer.writeheader()
        writer.writerows(rows)
    return {"kind": "manifest", "file": str(root / "faces.csv"), "sets": MANIFEST_SETS, "image_size": 32}
