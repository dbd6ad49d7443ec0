"""The command that answers for other noise and other data, on made-up results."""

import re

import numpy as np
import pytest
import yaml
from PIL import Image

from fer_tune.cli import advice
from fer_tune.cli.exits import USER_ERROR
from fer_tune.data.loading import dataset_digest
from fer_tune.recommend import main
from fer_tune.results.files import read_json, write_json
from tests.support import folders
from tests.support.made_up import folder_writer, plateau

PEAK = plateau(lambda lam: 0.85 - 0.5 * (lam - 0.2) ** 2)
RATIOS = {"noise_ratio": [0.2, 0.4]}
TWO = [
    {"name": "emotion", "kind": "categorical", "columns": ["label"], "classes": folders.MOODS},
    {"name": "second", "kind": "categorical", "columns": ["label_b"], "classes": folders.MOODS},
]


@pytest.fixture
def results_folder(tmp_path):
    return folder_writer(tmp_path)


def test_a_noise_ratio_is_answered(results_folder, capsys):
    assert main([str(results_folder(PEAK, conditions=RATIOS)), "--noise-ratio", "0.3"]) == 0
    assert capsys.readouterr().out.startswith("λ = 0.2 (")


def test_a_study_of_other_settings_gets_their_names_and_no_number(results_folder, tmp_path, capsys):
    path = results_folder(PEAK, conditions=RATIOS)
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump({"name": "mine", "training": {"epochs": 99}}))
    assert main([str(path), "--data", str(tmp_path / "mine.yaml")]) == 0
    out = capsys.readouterr().out
    assert out.startswith("No evidence")
    assert "- training.epochs: this study has 30, yours has 99" in out
    assert "λ = " not in out


def test_annotators_of_a_folder_give_the_ratio_that_is_answered(results_folder, tmp_path, capsys):
    settings = folders.write_manifest(tmp_path / "mine")
    data = {**settings, "sets": TWO}
    path = results_folder(PEAK, conditions={"noise_ratio": [0.01, 0.3]}, dataset=data)
    stored = path / "data" / read_json(path / "environment.json")["data_digests"][0]
    stored.mkdir(parents=True)
    sets = [{"name": s["name"], "kind": s["kind"], "names": s["classes"]} for s in TWO]
    write_json(stored / "dataset.json", {"label_sets": sets})
    study = tmp_path / "mine.yaml"
    study.write_text(yaml.safe_dump({"name": "mine", "dataset": data, "training": {"epochs": 30},
                                     "search": {"lambda": {"grid": [0.0]}}}))  # fmt: skip
    assert main([str(path), "--data", str(study)]) == 0
    out = capsys.readouterr().out
    assert "by disagreement between 2 annotators on 4" in out
    assert "The answer holds only for the study's settings" in out
    assert "λ = 0.2" in out
    assert "Caution" not in out


GIVEN = {"ratio": 0.0}  # labels as they come


@pytest.fixture
def of_data(results_folder, tmp_path):
    """A study of the small manifest below `tmp_path / "mine"`, and the words that ask it about other data."""

    def write(noise=GIVEN, **changes):
        data = {**folders.write_manifest(tmp_path / "mine"), "image_size": 32}
        path = results_folder(PEAK, dataset=data, noise=noise, **changes)
        about = read_json(path / "environment.json")
        digest = dataset_digest(folders.spec_of(data))
        write_json(path / "environment.json", {**about, "data_digests": [digest]})
        (path / "data" / digest).mkdir(parents=True)
        named = [
            {"name": s["name"], "kind": s["kind"], "names": s.get("classes") or s["columns"]} for s in data["sets"]
        ]
        write_json(path / "data" / digest / "dataset.json", {"label_sets": named})
        return path, data

    return write


def asked(capsys, path, data):
    """The lines that the command prints, and what it says on standard error."""
    assert main([str(path), "--data", str(data)]) == 0
    said = capsys.readouterr()
    return said.out.splitlines(), said.err


def test_a_studys_own_data_are_known_and_answered_at_once(of_data, tmp_path, capsys):
    path, data = of_data()
    (tmp_path / "mine").rename(tmp_path / "moved")
    lines, told = asked(capsys, path, tmp_path / "moved")
    assert lines[0] == "These are the study's own data."
    assert lines[1].startswith("λ = 0.2 (")
    assert "Studied with the noise that the labels already have." in lines
    assert not any("stimat" in line or "noise ratio" in line for line in [*lines, told])
    assert asked(capsys, path, tmp_path / "moved" / "faces.csv")[0] == lines
    study = {"name": "mine", "dataset": {**data, "file": str(tmp_path / "moved" / "faces.csv")}, "noise": GIVEN,
             "training": {"epochs": 30}, "search": {"lambda": {"grid": [0.0]}}}  # fmt: skip
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(study))
    assert asked(capsys, path, tmp_path / "mine.yaml")[0] == lines


def test_data_that_are_labelled_alike_are_answered_with_a_caution(of_data, tmp_path, capsys):
    path, _ = of_data()
    folders.write_manifest(tmp_path / "more", folders.manifest_rows(48))
    lines, told = asked(capsys, path, tmp_path / "more")
    assert lines[0].startswith("λ = 0.2 (")
    assert any(line.startswith("Caution: these are not the study's data, but they have the same") for line in lines)
    assert not any("stimat" in line for line in [*lines, told])


def test_a_study_that_does_not_know_its_noise_answers_for_no_ratio_and_no_estimate_is_made(of_data, tmp_path, capsys):
    path, _ = of_data()
    assert main([str(path), "--noise-ratio", "0"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("No evidence.\nThis study added no noise to its labels, so its noise ratio is unknown.")
    assert "the noise that the labels already have" in out
    rows = [{**row, "label": {"calm": "a", "glad": "b"}.get(row["label"], "c")} for row in folders.manifest_rows()]
    folders.write_manifest(tmp_path / "other", [{"path": r["path"], "label": r["label"]} for r in rows])
    lines, told = asked(capsys, path, tmp_path / "other")
    assert lines[0].startswith("No evidence")
    assert "stimat" not in told


def test_noise_that_the_study_added_to_its_own_data_is_not_taken_for_theirs(of_data, tmp_path, capsys):
    path, _ = of_data(noise={"ratio": 0.4})
    lines, _ = asked(capsys, path, tmp_path / "mine")
    assert "The study added noise of ratio 0.4 to these labels. Yours are as they come." in lines


def test_too_few_labels_for_an_estimate_are_said_at_once(of_data, tmp_path, capsys):
    path, _ = of_data(noise={"ratio": 0.4})
    rows = [{**row, "label": "cross" if i < 2 else row["label"].replace("cross", "calm"), "label_b": ""}
            for i, row in enumerate(folders.manifest_rows())]  # fmt: skip
    rows[-1] |= {"label": "", "label_b": "1"}
    folders.write_manifest(tmp_path / "other", rows)
    assert main([str(path), "--data", str(tmp_path / "other")]) == 2
    (only,) = [line for line in capsys.readouterr().err.splitlines() if line.strip()]
    assert only.startswith("too few labels of emotion")


@pytest.fixture
def unlike(of_data, tmp_path):
    """A study with added noise, and a folder of 700 other faces with its classes, a third of them labelled wrongly.

    The colour of a picture tells its class.
    """
    path, _ = of_data(noise={"ratio": 0.3})
    rng, rows = np.random.default_rng(0), []
    (tmp_path / "other").mkdir()
    for i in range(700):
        truth = i % 3
        pixels = rng.integers(0, 80, (32, 32, 3), dtype=np.uint8)
        pixels[8 * truth : 8 * truth + 12] += 120
        Image.fromarray(pixels).save(tmp_path / "other" / f"{i}.png")
        given = (truth + rng.integers(1, 3)) % 3 if rng.random() < 0.3 else truth
        split = "test" if i >= 690 else "val" if i % 5 == 0 else "train"
        rows.append(
            [
                f"{i}.png",
                folders.MOODS[given],
                ("left", "right", "ahead")[i // 3 % 3],
                "0.5",
                f"{i % 9 / 4 - 1:.2f}",
                split,
            ]
        )
    header = ["path", "label", "looks", "valence", "arousal", "split"]
    lines = [",".join(row) for row in [header, *rows]]
    (tmp_path / "other" / "labels.csv").write_text("\n".join(lines))
    return path, tmp_path / "other"


def test_an_estimate_says_beforehand_what_it_costs_and_the_second_one_costs_nothing(unlike, tmp_path, capsys):
    path, other = unlike
    lines, told = asked(capsys, path, other)
    assert re.search(r"Scoring the labels of 690 images by all other images takes about \d s of one CPU core\.", told)
    assert "If you know the share of wrong labels, give --noise-ratio instead." in told
    (line,) = [line for line in lines if line.startswith("Estimated share of wrong labels: ")]
    assert float(line.split()[5]) == pytest.approx(0.3, abs=0.1)
    assert "by held-out scores of 690 images" in line
    assert len(list((path.parent / "data_checks" / "held_out").glob("*.npz"))) == 1
    again, told = asked(capsys, path, other)
    assert again == lines
    assert "Scoring" not in told


def test_an_estimate_takes_at_most_a_tenth_of_the_study_or_a_quick_look(unlike, monkeypatch, capsys):
    path, other = unlike
    monkeypatch.setattr(advice, "QUICK_IMAGES", 300)
    assert main([str(path), "--data", str(other), "--quick"]) == 0
    said = capsys.readouterr()
    assert "Scoring the labels of 300 of 690 images" in said.err
    assert "by held-out scores of 300 images" in said.out
    monkeypatch.setattr(advice, "SHARE_OF_STUDY", 0.0)
    monkeypatch.setattr(advice, "LEAST_IMAGES", 400)
    assert main([str(path), "--data", str(other)]) == 0
    assert "Scoring the labels of 400 of 690 images" in capsys.readouterr().err, "300 are kept, and more are wanted"
    assert main([str(path), "--data", str(other), "--quick"]) == 0
    assert "Scoring" not in capsys.readouterr().err, "400 are kept"


def test_the_noise_of_drawn_faces_is_that_of_the_study_file(results_folder, tmp_path, capsys):
    path = results_folder(PEAK, conditions=RATIOS)
    digest = read_json(path / "environment.json")["data_digests"][0]
    (path / "data" / digest).mkdir(parents=True)
    sets = [{"name": "emotion", "kind": "categorical", "names": list("abcdefg")},
            {"name": "affect", "kind": "continuous", "names": ["valence", "arousal"]}]  # fmt: skip
    write_json(path / "data" / digest / "dataset.json", {"label_sets": sets})
    study = {"name": "mine", "dataset": {"kind": "synthetic", "seed": 9}, "noise": {"ratio": 0.3},
             "training": {"epochs": 30}, "search": {"lambda": {"grid": [0.0]}}}  # fmt: skip
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(study))
    lines, told = asked(capsys, path, tmp_path / "mine.yaml")
    assert lines[1] == "Interpolated between noise ratios 0.2 (λ = 0.2) and 0.4 (λ = 0.2)."
    assert "stimat" not in told


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "give either --noise-ratio"),
        (["--noise-ratio", "0.3", "--quick"], "--quick estimates the noise of data: it needs --data"),
        (["--noise-ratio", "0.3", "--data", "x"], "give either --noise-ratio"),
        (["--noise-ratio", "40"], "--noise-ratio 40: must be at least 0 and less than 1"),
        (["--data", "nowhere"], "nowhere: does not exist"),
        (["--data", "nowhere.yaml"], "nowhere.yaml: cannot be read"),
    ],
)
def test_a_mistake_is_one_message_and_exit_code_2(results_folder, capsys, words, message):
    assert main([str(results_folder(PEAK)), *words]) == 2
    error = capsys.readouterr().err
    assert error.startswith(message)
    assert len(error.splitlines()) == 1


def test_a_folder_without_results_is_named(tmp_path, capsys):
    assert main([str(tmp_path), "--noise-ratio", "0.3"]) == USER_ERROR
    assert "is not a results folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    "changes",
    [
        {"conditions": {"noise_kind": ["symmetric", "instance"]}},
        {"noise": {"kind": "instance", "ratio": 0.4}},
        {"objective": "val_ccc"},
        {"conditions": {"method": ["joint", "coteaching"]}},
        {"noise": {"kind": "confusion", "matrix": np.eye(7).tolist()}},
    ],
    ids=["instance as a condition", "instance", "CCC", "Co-teaching", "confusion"],
)
def test_data_that_the_studys_settings_do_not_fit_are_no_evidence(results_folder, tmp_path, capsys, changes):
    rows = [{"path": row["path"], "label": row["label"]} for row in folders.manifest_rows()]
    folders.write_manifest(tmp_path / "mine", rows)
    path = results_folder(PEAK, **changes)
    assert main([str(path), "--data", str(tmp_path / "mine")]) == 0
    out = capsys.readouterr().out
    assert out.startswith("No evidence")
    assert "label_sets" in out
