"""What reading a person's images costs: decoding them once, and the memory of trials that share them."""

import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
from PIL import Image
from pydantic import TypeAdapter

from benchmarks.steps import DEFAULT_MODEL
from fer_tune.data.dataset import open_dataset
from fer_tune.data.faces import draw_faces
from fer_tune.data.kinds import DatasetSpec
from fer_tune.data.labels import EMOTIONS
from fer_tune.data.loading import index_dataset, load_data, write_dataset
from fer_tune.data.manifest_spec import ManifestSpec
from fer_tune.data.noise import NoiseSpec
from fer_tune.system.memory import own_peak_bytes
from fer_tune.training.spec import TrainingSpec
from fer_tune.training.trainer import Trainer

DISTINCT = 400  # faces that are drawn; the rest repeat them under other names
LINKS = 50_000  # to one file: a file system allows some 65,000
SETS: list[dict[str, Any]] = [
    {"name": "emotion", "kind": "categorical", "columns": ["emotion"], "classes": list(EMOTIONS)},
    {"name": "affect", "kind": "continuous", "columns": ["valence", "arousal"]},
]
SIDE = 100  # pixels of the files, as RAF-DB's aligned faces


def reading(images: int = 20_000, size: int = 64) -> Iterator[dict[str, Any]]:
    """Rates of reading labels and decoding JPEG files, then memory of 1 and of 4 trials on what was decoded.

    `bytes_each` is the proportional set size of a trial's process: pages that several share are divided among them.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        spec = write_faces(folder / "in", images, size)
        start = time.perf_counter()
        index_dataset(spec)
        labels = time.perf_counter() - start
        start = time.perf_counter()
        saved = write_dataset(spec, folder / "out", 2)
        decoded = time.perf_counter() - start
        cache = (saved / "images.npy").stat().st_size
        yield {"what": "labels read and checked", "images_per_second": images / labels, "seconds": labels}
        yield {"what": "checked, hashed, decoded and stored (2 threads)", "images_per_second": images / decoded,
               "seconds": decoded, "bytes_of_the_cache": cache}  # fmt: skip
        for trials in (1, 4):
            yield {"what": f"{trials} trials at once", **memory_of_trials(saved, trials)}


def label_rows(affectnet: int = 290_000, manifest: int = 1_000_000) -> Iterator[dict[str, Any]]:
    """Seconds and peak memory of reading and checking large label files: AffectNet's CSV, a Parquet manifest.

    Each in a process of its own. Every image exists; the files are links to a few.
    """
    cases = (("AffectNet, CSV", _write_affectnet, affectnet), ("manifest, Parquet", _write_parquet, manifest))
    code = "import json, sys; from benchmarks.reading import index_alone; index_alone(json.load(sys.stdin))"
    for name, write, rows in cases:
        with tempfile.TemporaryDirectory() as folder:
            spec = write(Path(folder), rows)
            done = subprocess.run(
                [sys.executable, "-c", code], input=json.dumps(spec), capture_output=True, text=True, check=True
            )
        yield {"what": name, "rows": rows, **json.loads(done.stdout)}


def index_alone(spec: dict[str, Any]) -> None:
    """Read and check a data set's label files; print what that took, and what the process held at the most."""
    settings = TypeAdapter[Any](DatasetSpec).validate_python(spec)
    before, start = own_peak_bytes(), time.perf_counter()
    found = index_dataset(settings)
    print(
        json.dumps(
            {"seconds": time.perf_counter() - start, "bytes_more": own_peak_bytes() - before, "kept": len(found)}
        )
    )


def _link_faces(folder: Path, names: Iterable[str]) -> None:
    """The same small face under many names."""
    folder.mkdir(parents=True)
    image = Image.fromarray(draw_faces(SIDE, [1], [0.9], [np.random.default_rng(0)])[0].transpose(1, 2, 0))
    for i, name in enumerate(names):
        if i % LINKS == 0:
            image.save(folder.parent / f"face{i}.jpg")
        os.link(folder.parent / f"face{i - i % LINKS}.jpg", folder / name)


def _write_affectnet(root: Path, rows: int) -> dict[str, Any]:
    names = [f"{i}.jpg" for i in range(rows)]
    _link_faces(root / "Manually_Annotated_Images" / "1", names)
    half = f"{SIDE // 2}"
    for file, members in (("training.csv", names[4000:]), ("validation.csv", names[:4000])):
        table = pd.DataFrame({"subDirectory_filePath": [f"1/{name}" for name in members]})
        for column in ("face_x", "face_y"):
            table[column] = "0"
        for column in ("face_width", "face_height"):
            table[column] = half
        table["facial_landmarks"] = ";".join(["12.34"] * 136)
        table["expression"] = np.arange(len(table)) % 8
        table["valence"] = table["arousal"] = np.linspace(-1, 1, len(table)).round(4)
        table.to_csv(root / file, index=False)
    return {"kind": "affectnet", "folder": str(root)}


def _write_parquet(root: Path, rows: int) -> dict[str, Any]:
    names = [f"{i}.jpg" for i in range(rows)]
    _link_faces(root / "faces", names)
    table = pd.DataFrame({"path": [f"faces/{name}" for name in names], "emotion": np.arange(rows) % 7})
    table["valence"] = table["arousal"] = np.linspace(-1, 1, rows).round(4)
    table.to_parquet(root / "labels.parquet")
    return {"kind": "manifest", "file": str(root / "labels.parquet"), "sets": SETS}


def write_faces(folder: Path, images: int, size: int) -> ManifestSpec:
    """A manifest of JPEG faces in a new folder."""
    (folder / "faces").mkdir(parents=True)
    rng = np.random.default_rng(0)
    own = [np.random.default_rng([0, i]) for i in range(DISTINCT)]
    faces = draw_faces(SIDE, [i % 7 for i in range(DISTINCT)], [0.9] * DISTINCT, own)
    drawn = [Image.fromarray(face.transpose(1, 2, 0)) for face in faces]
    rows = [["path", "emotion", "valence", "arousal"]]
    for i in range(images):
        drawn[i % DISTINCT].save(folder / "faces" / f"{i}.jpg", quality=90 + i % 7)
        affect = [f"{value:.3f}" for value in rng.uniform(-1, 1, 2)]
        rows.append([f"faces/{i}.jpg", EMOTIONS[i % DISTINCT % 7], *affect])
    with open(folder / "labels.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return ManifestSpec.model_validate(
        {"kind": "manifest", "file": str(folder / "labels.csv"), "sets": SETS, "image_size": size}
    )


def memory_of_trials(saved: Path, count: int) -> dict[str, Any]:
    """Proportional set size of trials that have seen every image, all alive at once."""
    code = "import sys; from benchmarks.reading import hold; hold(sys.argv[1])"
    command = [sys.executable, "-c", code, str(saved)]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(count)
    ]
    for process in processes:
        assert process.stdout is not None and process.stdout.readline().strip() == "ready"
    found = [psutil.Process(process.pid).memory_full_info().pss for process in processes]
    for process in processes:
        process.communicate("\n")
    return {"bytes_each": sum(found) / count, "bytes_in_all": sum(found)}


def hold(saved: str) -> None:
    """Train a few steps, look at every image once, say so, and wait to be let go."""
    data = load_data(open_dataset(Path(saved)), NoiseSpec(ratio=0.4))
    trainer = Trainer(data, DEFAULT_MODEL, TrainingSpec.model_validate({"lambda": 0.3, "batch_size": 64}))
    for network in trainer.networks.values():
        network.train()
    for step, indices in enumerate(trainer.batches.epoch()):
        if step < 3:
            trainer.train_step(indices, True)
        trainer.batches.images(indices)
    print("ready", flush=True)
    sys.stdin.readline()
