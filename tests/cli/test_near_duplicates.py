"""`fer-tune data --near-duplicates`: what it says, its table and its sheet."""

import csv

import numpy as np
import yaml
from PIL import Image

from fer_tune.cli.main import main
from tests.support import folders


def leaky(root):
    """A table of 60 faces of 40 pixels; the test faces 2 and 5 are scaled copies of the training faces 0 and 3."""
    folders.write_manifest(root)
    rows = [row | {"split": ("train", "val", "test")[i % 3]} for i, row in enumerate(folders.manifest_rows())]
    for i in (0, 3):
        picture = Image.open(root / "people" / f"face {i}.png")
        picture.resize((34, 34), Image.Resampling.BICUBIC).save(root / "people" / f"face {i + 2}.png")
    return folders.write_manifest(root, rows)


def test_pairs_across_splits_are_told_tabled_and_shown(tmp_path, capsys):
    settings = leaky(tmp_path)
    (tmp_path / "study.yaml").write_text(yaml.safe_dump({"name": "leaky", "dataset": settings}))
    words = ["data", str(tmp_path / "study.yaml"), "--results", str(tmp_path / "out"), "--near-duplicates"]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "Looking for near-duplicates among 60 images" in said
    assert "near-duplicates: 2 pairs across splits (2 train and test); 0 pairs within one split" in said
    assert "people/face 0.png (train), people/face 2.png (test)" in said
    folder = tmp_path / "out" / "data_checks" / "leaky"
    rows = list(csv.DictReader((folder / "near_duplicates.csv").read_text().splitlines()))
    assert {(row["first"], row["second"]) for row in rows} == {
        ("people/face 0.png", "people/face 2.png"), ("people/face 3.png", "people/face 5.png")
    }  # fmt: skip
    assert {(row["first_split"], row["second_split"], row["how"]) for row in rows} == {("train", "test", "whole")}
    assert all(0.97 <= float(row["similarity"]) <= 1 for row in rows)
    assert np.asarray(Image.open(folder / "near_duplicates.png")).std() > 20, "the sheet shows something"


def test_without_the_option_nothing_is_searched(tmp_path, capsys):
    leaky(tmp_path)
    assert main(["data", str(tmp_path / "faces.csv"), "--results", str(tmp_path / "out")]) == 0
    assert "near-duplicates" not in capsys.readouterr().out


def test_drawn_faces_have_none(tmp_path, capsys):
    dataset = {"kind": "synthetic", "train": 56, "validation": 14, "test": 14}
    study = {"name": "drawn", "dataset": dataset, "training": {"batch_size": 16}}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
    assert main(["data", str(tmp_path / "study.yaml"), "--results", str(tmp_path / "out"), "--near-duplicates"]) == 2
    assert "drawn faces have no copies" in capsys.readouterr().err
