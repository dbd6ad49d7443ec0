"""Draw the blind-labelling sheet (70 unlabelled faces, ten of each emotion, and its key) and the sheet of looks.

    python docs/faces/make_sheet.py docs/faces

writes sheet.png and truth.csv. answers.csv is what a person (or a helper) wrote who saw the sheet
alone; `python docs/faces/make_sheet.py --score docs/faces` compares the two. `--looks` writes looks.png: two faces of
each emotion in each domain.
"""

import argparse
import csv
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from fer_tune.data.faces import SPREADS
from fer_tune.data.labels import EMOTIONS
from fer_tune.data.synthetic import SyntheticSpec, load_synthetic

COLUMNS, FACES, SCALE, CAPTION, NAMES = 10, 70, 2, 14, 60


def draw(folder: Path) -> None:
    dataset = load_synthetic(SyntheticSpec(image_size=64, train=FACES, validation=14, test=14, seed=2026))
    side = 64 * SCALE
    sheet = Image.new("RGB", (COLUMNS * side, FACES // COLUMNS * (side + CAPTION)), "white")
    brush = ImageDraw.Draw(sheet)
    for i in range(FACES):
        left, top = i % COLUMNS * side, i // COLUMNS * (side + CAPTION)
        face = Image.fromarray(dataset.images[i].transpose(1, 2, 0)).resize((side, side), Image.Resampling.BICUBIC)
        sheet.paste(face, (left, top + CAPTION))
        brush.text((left + 4, top + 1), str(i + 1), fill="black")
    sheet.save(folder / "sheet.png")
    with open(folder / "truth.csv", "w", newline="") as file:
        rows = [(i + 1, EMOTIONS[c]) for i, c in enumerate(dataset.labels["emotion"][:FACES])]
        csv.writer(file).writerows([("face", "emotion"), *rows])


def draw_looks(folder: Path) -> None:
    side = 64 * SCALE
    sheet = Image.new("RGB", (NAMES + len(EMOTIONS) * side, CAPTION + 2 * len(SPREADS) * side), "white")
    brush = ImageDraw.Draw(sheet)
    for column, emotion in enumerate(EMOTIONS):
        brush.text((NAMES + column * side + 4, 1), emotion, fill="black")
    for row, domain in enumerate(SPREADS):
        dataset = load_synthetic(
            SyntheticSpec(domain=domain, image_size=64, train=FACES, validation=14, test=14, seed=7)
        )
        brush.text((4, CAPTION + 2 * row * side + 4), domain, fill="black")
        for column in range(len(EMOTIONS)):
            for k, i in enumerate(np.flatnonzero(dataset.labels["emotion"][:FACES] == column)[:2]):
                face = Image.fromarray(dataset.images[i].transpose(1, 2, 0)).resize(
                    (side, side), Image.Resampling.NEAREST
                )
                sheet.paste(face, (NAMES + column * side, CAPTION + (2 * row + k) * side))
    sheet.save(folder / "looks.png")


def score(folder: Path) -> None:
    truth, answers = (
        {row["face"]: row["emotion"] for row in csv.DictReader((folder / name).read_text().splitlines())}
        for name in ("truth.csv", "answers.csv")
    )
    right = np.array([[truth[f] == e and answers[f] == e for f in truth] for e in EMOTIONS]).sum(axis=1)
    for emotion, count in zip(EMOTIONS, right, strict=True):
        print(f"{emotion:9} {count} of {sum(e == emotion for e in truth.values())}")
    print(f"all       {right.sum()} of {len(truth)} ({right.sum() / len(truth):.0%})")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--score", action="store_true", help="compare answers.csv with truth.csv")
    parser.add_argument("--looks", action="store_true", help="draw the sheet of looks instead")
    arguments = parser.parse_args()
    (score if arguments.score else draw_looks if arguments.looks else draw)(arguments.folder)
