"""Write a small folder of drawn faces with a table of labels, to try the tutorial on data of your own.

    python examples/draw_faces.py data/mine

writes 600 PNG images and `labels.csv` (path, emotion, valence, arousal). 40 % of the emotion labels are wrong, and as
many of the valence and arousal values. Ten emotion labels are left out: an empty cell is a missing label.
"""

import argparse
import csv
from pathlib import Path

from PIL import Image

from fer_tune import load_data

FACES = 600
UNLABELLED = 10


def draw_faces(folder: Path) -> None:
    """Write the images and labels.csv into `folder`."""
    sizes = {"train": FACES - 70, "validation": 70, "test": 70}
    data = load_data({"kind": "synthetic", "image_size": 32, **sizes}, {"ratio": 0.4})
    classes = next(s.names for s in data.label_sets if s.name == "emotion")
    # The drawn test split has clean labels. Of data of your own nobody has these, so only noisy splits are written.
    samples = [*data.dataset.splits["train"], *data.dataset.splits["validation"]]
    (folder / "faces").mkdir(parents=True, exist_ok=True)
    with open(folder / "labels.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["path", "emotion", "valence", "arousal"])
        for number, sample in enumerate(samples):
            path = f"faces/{number:03}.png"
            Image.fromarray(data.dataset.images[sample].transpose(1, 2, 0)).save(folder / path)
            emotion = "" if number < UNLABELLED else classes[data.labels["emotion"][sample]]
            valence, arousal = data.labels["affect"][sample]
            table.writerow([path, emotion, f"{valence:.2f}", f"{arousal:.2f}"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    draw_faces(parser.parse_args().folder)
