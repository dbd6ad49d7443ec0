"""Prediction and export from a real trial folder, through the command line's own function."""

import csv
import io

import numpy as np
import pytest
import torch
from PIL import Image

from fer_tune.results.folder import TrialFolder, trial_folders
from fer_tune.search.checkpoint import load_checkpoint, main
from tests.support import folders


@pytest.fixture
def trial(smoke):
    """A finished trial of the smoke study."""
    return next(f for f in trial_folders(smoke[0]) if f.settings()["config"]["training"]["lambda"] > 0)


def test_the_answers_are_those_that_the_trial_wrote(trial, smoke, tmp_path, capsys):
    saved = next((smoke[0] / "data").glob("*/images.npy"))
    images, written = np.load(saved), list(csv.DictReader((trial.path / "predictions.csv").read_text().splitlines()))
    for row in written[:5]:
        Image.fromarray(images[int(row["index"])].transpose(1, 2, 0)).save(tmp_path / f"{row['index']}.png")
    paths = [str(tmp_path / f"{row['index']}.png") for row in written[:5]]
    assert main([str(trial.path), *paths]) == 0
    for row, own in zip(written[:5], csv.DictReader(io.StringIO(capsys.readouterr().out)), strict=True):
        assert float(own["emotion_p_happy"]) == pytest.approx(float(row["emotion_p_happy"]), abs=1e-4)
        assert float(own["valence"]) == pytest.approx(float(row["valence_predicted"]), abs=1e-4)
        assert own["emotion"] == max((n for n in own if n.startswith("emotion_p_")), key=lambda n: float(own[n]))[10:]


def test_bad_images_are_named_and_skipped(trial, tmp_path, capsys):
    (tmp_path / "photos" / "deep").mkdir(parents=True)
    folders.face(1, 0).save(tmp_path / "photos" / "deep" / "good one.JPG")
    (tmp_path / "photos" / "bad.png").write_bytes(b"not an image")
    (tmp_path / "photos" / "notes.txt").write_text("not asked for")
    target = tmp_path / "out.csv"
    assert main([str(trial.path), str(tmp_path / "photos"), "missing.jpg", "--output", str(target)]) == 1
    rows = list(csv.DictReader(target.read_text().splitlines()))
    assert [row["path"] for row in rows] == [str(tmp_path / "photos" / "deep" / "good one.JPG")]
    error = capsys.readouterr().err
    assert "bad.png: is not a readable image" in error
    assert "missing.jpg: No such file" in error
    assert "2 of 3 images" in error
    assert sum(float(rows[0][n]) for n in rows[0] if n.startswith("emotion_p_")) == pytest.approx(1, abs=1e-4)


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_an_exported_encoder_answers_alike_without_this_package(trial, tmp_path, capsys):
    assert main([str(trial.path), "--export", str(tmp_path / "encoder.pt")]) == 0
    assert "differs by at most" in capsys.readouterr().out
    images = torch.rand(3, 3, 32, 32) * 2 - 1
    with torch.no_grad():
        own = load_checkpoint(trial.path).predictor(images)
        assert torch.allclose(torch.jit.load(tmp_path / "encoder.pt")(images), own, atol=1e-4)


@pytest.mark.parametrize(
    ("place", "images", "message"),
    [
        ("nowhere", ["a.png"], "is no trial folder"),
        ("", [], "name images, or folders of them"),
        ("broken", ["a.png"], "is no state of this trial"),
    ],
)
def test_a_mistake_is_one_message_and_exit_code_2(trial, tmp_path, capsys, place, images, message):
    checkpoint = trial.path if not place else tmp_path / place
    if place == "broken":
        broken = TrialFolder(checkpoint)
        broken.begin(trial.settings())
        broken.state.write_bytes(b"not a state")
    assert main([str(checkpoint), *images]) == 2
    assert message in capsys.readouterr().err
