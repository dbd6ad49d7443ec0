"""`fer-tune data --suspects`: what it says, its table and its sheet, and that scores are kept."""

import csv

import numpy as np
import pytest
import yaml
from PIL import Image

from fer_tune.cli.main import main
from fer_tune.data.labels import EMOTIONS
from fer_tune.data.loading import load_data

FACES = {"kind": "synthetic", "train": 420, "validation": 140, "test": 28}
FEW = {"kind": "synthetic", "train": 56, "validation": 14, "test": 14}


@pytest.fixture(scope="module")
def drawn():
    return load_data(FACES, {"ratio": 0.3}, seed=1)


@pytest.fixture
def mine(drawn, tmp_path):
    """A table of drawn faces as image files, 30 % of whose labels of training and validation are wrong."""
    folder = tmp_path / "mine"
    folder.mkdir()
    rows = []
    for split, members in drawn.dataset.splits.items():
        for i in members.tolist():
            Image.fromarray(drawn.dataset.images[i].transpose(1, 2, 0)).save(folder / f"{i}.png")
            word = "val" if split == "validation" else split
            rows.append([f"{i}.png", EMOTIONS[drawn.labels["emotion"][i]], word])
    with open(folder / "faces.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["path", "label", "split"], *rows])
    return folder


def called(words, capsys):
    assert main([str(word) for word in words]) == 0
    said = capsys.readouterr()
    return said.out, said.err


def test_wrong_labels_are_counted_tabled_and_shown(mine, drawn, tmp_path, capsys):
    out, err = called(["data", mine, "--results", tmp_path / "out", "--suspects"], capsys)
    folder = tmp_path / "out" / "data_checks" / "mine"
    (line,) = [line for line in out.splitlines() if line.startswith("About ")]
    counted = int(line.split()[1])
    assert " of 560 labels of training and validation (" in line
    assert str(folder / "suspects.csv") in line
    assert line.endswith("Training does not use it")
    truth, given = drawn.dataset.labels["emotion"], drawn.labels["emotion"]
    assert counted == pytest.approx((truth != given).sum(), abs=0.06 * 560)
    assert "Scoring the labels of 560 images by all other images takes about " in err
    rows = list(csv.DictReader((folder / "suspects.csv").read_text().splitlines()))
    assert list(rows[0]) == ["path", "given_label", "likely_label", "probability_wrong", "split"]
    numbers = [int(row["path"].removesuffix(".png")) for row in rows]
    assert [row["given_label"] for row in rows] == [EMOTIONS[given[i]] for i in numbers]
    assert np.mean([truth[i] != given[i] for i in numbers]) > 0.85
    assert np.mean([row["likely_label"] == EMOTIONS[truth[i]] for row, i in zip(rows, numbers, strict=True)]) > 0.75
    assert {row["split"] for row in rows} == {"train", "validation"}
    probabilities = [float(row["probability_wrong"]) for row in rows]
    assert probabilities == sorted(probabilities, reverse=True)
    assert np.asarray(Image.open(folder / "suspects.png")).std() > 20, "the sheet shows something"


def test_a_second_call_costs_nothing_and_damaged_scores_are_computed_again(mine, tmp_path, capsys):
    words = ["data", mine, "--results", tmp_path / "out", "--suspects"]
    first, _ = called(words, capsys)
    again, err = called(words, capsys)
    assert again == first
    assert "Scoring" not in err
    (kept,) = (tmp_path / "out" / "data_checks" / "held_out").glob("*.npz")
    kept.write_bytes(kept.read_bytes()[:1000])
    repaired, err = called(words, capsys)
    assert repaired == first
    assert "Scoring" in err


def test_labels_that_were_corrected_are_judged_anew(mine, tmp_path, capsys):
    words = ["data", mine, "--results", tmp_path / "out", "--suspects"]
    called(words, capsys)
    table = mine / "faces.csv"
    lines = table.read_text().splitlines()
    lines[1] = lines[1].replace(lines[1].split(",")[1], "happy" if "happy" not in lines[1] else "sad")
    table.write_text("\n".join(lines))
    assert "Scoring" in called(words, capsys)[1]


def test_without_the_option_nothing_is_judged(mine, tmp_path, capsys):
    assert "wrong" not in called(["data", mine, "--results", tmp_path / "out"], capsys)[0]


def test_the_right_labels_of_drawn_faces_are_not_judged(tmp_path, capsys):
    study = {"name": "drawn", "dataset": FEW, "training": {"batch_size": 16}}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
    assert main(["data", str(tmp_path / "study.yaml"), "--results", str(tmp_path / "out"), "--suspects"]) == 2
    assert "--suspects looks for wrong labels: those of drawn faces are right" in capsys.readouterr().err


def test_labels_that_a_machine_wrote_on_drawn_faces_are(tmp_path, capsys):
    data = load_data(FACES, {"ratio": 0.3}, seed=1)
    emotion, affect = data.labels["emotion"], data.labels["affect"]
    rows = [[i, EMOTIONS[emotion[i]], *affect[i].tolist()] for i in range(560)]
    with open(tmp_path / "machine.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["index", "emotion", "valence", "arousal"], *rows])
    study = {"name": "drawn", "dataset": {**FACES, "machine_labels": str(tmp_path / "machine.csv")}}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
    out, _ = called(["data", tmp_path / "study.yaml", "--results", tmp_path / "out", "--suspects"], capsys)
    assert "of 560 labels of training and validation" in out
    table = (tmp_path / "out" / "data_checks" / "drawn" / "suspects.csv").read_text()
    assert table.splitlines()[1].startswith("face ")


def test_labels_that_images_say_nothing_about_are_an_error(mine, tmp_path, capsys):
    table = mine / "faces.csv"
    lines = table.read_text().splitlines()
    rng = np.random.default_rng(0)
    drawn = [f"{path},{rng.choice(EMOTIONS)},{split}" for path, _, split in (line.split(",") for line in lines[1:])]
    table.write_text("\n".join([lines[0], *drawn]))
    assert main(["data", str(mine), "--results", str(tmp_path / "out"), "--suspects"]) == 2
    assert "cannot estimate how many labels are wrong: only" in capsys.readouterr().err
