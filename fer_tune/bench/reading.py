"""What reading a person's images costs: decoding them once, and the memory of trials that share them."""

import csv
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from PIL import Image

from fer_tune.bench.steps import DEFAULT_MODEL
from fer_tune.config import TrainingSpec
from fer_tune.data import NoiseSpec, index_dataset, load_data, open_dataset, write_dataset
from fer_tune.data.faces import draw_face
from fer_tune.data.manifest import ManifestSpec
from fer_tune.labels import EMOTIONS
from fer_tune.trainer import Trainer

DISTINCT = 400  # faces that are drawn; the rest repeat them under other names
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


def write_faces(folder: Path, images: int, size: int) -> ManifestSpec:
    """A manifest of JPEG faces in a new folder."""
    (folder / "faces").mkdir(parents=True)
    rng = np.random.default_rng(0)
    drawn = [Image.fromarray(draw_face(SIDE, i % 7, 0.9, rng).transpose(1, 2, 0)) for i in range(DISTINCT)]
    rows = [["path", "emotion", "valence", "arousal"]]
    for i in range(images):
        drawn[i % DISTINCT].save(folder / "faces" / f"{i}.jpg", quality=90 + i % 7)
        affect = [f"{value:.3f}" for value in rng.uniform(-1, 1, 2)]
        rows.append([f"faces/{i}.jpg", EMOTIONS[i % DISTINCT % 7], *affect])
    with open(folder / "labels.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    sets = [
        {"name": "emotion", "kind": "categorical", "columns": ["emotion"], "classes": EMOTIONS},
        {"name": "affect", "kind": "continuous", "columns": ["valence", "arousal"]},
    ]
    return ManifestSpec.model_validate(
        {"kind": "manifest", "file": str(folder / "labels.csv"), "sets": sets, "image_size": size}
    )


def memory_of_trials(saved: Path, count: int) -> dict[str, Any]:
    """Proportional set size of trials that have seen every image, all alive at once."""
    code = "import sys; from fer_tune.bench.reading import hold; hold(sys.argv[1])"
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
    for step, indices in enumerate(trainer._batches()):
        if step < 3:
            trainer._step(indices, True)
        trainer._images(indices)
    print("ready", flush=True)
    sys.stdin.readline()
