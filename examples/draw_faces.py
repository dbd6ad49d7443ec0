"""Write a small folder of synthetic (drawn) faces with a table of labels, for the tutorial on your own data.

    python examples/draw_faces.py data/mine

writes 600 PNG images and `labels.csv` (path, emotion, valence, arousal). 40 % of the emotion labels are wrong, and 40 %
of the valence and arousal values. Ten emotion labels are missing: their cells are empty.
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
    # The synthetic test split has clean labels. Your own data have none, so only the noisy splits are written.
    samples = [*data.dataset.splits["train"], *data.dataset.splits["validation"]]
    (folder / "faces").mkdir(parents=True, exist_ok=True)
    with open(folder / "labels.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["path", "emotion", "valence", "arousal"])
        for number, sample in enumerate(samples):
            path = f"faces/{number:03}.png"
            Image.fromarray(data.dataset.images[sample].transpose(1, 2, 0)).save(folder / path)
            unlabelled = number % (FACES // UNLABELLED) == FACES // UNLABELLED // 2
            emotion = "" if unlabelled else classes[data.labels["emotion"][sample]]
            valence, arousal = data.labels["affect"][sample]
            table.writerow([path, emotion, f"{valence:.2f}", f"{arousal:.2f}"])
    print(f"{folder}: {len(samples)} faces and labels.csv. Next: fer-tune data {folder}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where to write them, such as data/mine")
    draw_faces(parser.parse_args().folder)
