"""The predict command on a real trial folder."""

import csv
import io

import numpy as np
import pytest
import torch
from PIL import Image

from fer_tune.analysis.recommendation import findings
from fer_tune.analysis.tables import load
from fer_tune.analysis.trained import trained_network
from fer_tune.predict import main
from fer_tune.results.folder import TrialFolder
from tests.support import folders


@pytest.fixture
def trial(small):
    """A finished trial with lambda above 0."""
    return small.trials()[1]


def test_the_answers_are_those_that_the_trial_wrote(trial, small, tmp_path, capsys):
    images = np.load(next((small.results / "data").glob("*/images.npy")))
    written = list(csv.DictReader((trial.path / "predictions.csv").read_text().splitlines()))[:5]
    paths = [tmp_path / f"{row['index']}.png" for row in written]
    for path in paths:
        Image.fromarray(images[int(path.stem)].transpose(1, 2, 0)).save(path)
    assert main([str(trial.path), *map(str, paths)]) == 0
    for row, own in zip(written, csv.DictReader(io.StringIO(capsys.readouterr().out)), strict=True):
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
    (row,) = csv.DictReader(target.read_text().splitlines())
    assert row["path"] == str(tmp_path / "photos" / "deep" / "good one.JPG")
    assert sum(float(row[name]) for name in row if name.startswith("emotion_p_")) == pytest.approx(1, abs=1e-4)
    error = capsys.readouterr().err
    assert "bad.png: is not a readable image" in error
    assert "missing.jpg: No such file" in error
    assert "2 of 3 images were skipped" in error


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_an_encoder_is_exported_with_what_it_expects_and_answers(trial, tmp_path, capsys):
    assert main([str(trial.path), "--export", str(tmp_path / "encoder.pt")]) == 0
    out = capsys.readouterr().out
    assert "input (N, 3, 32, 32), RGB in [-1, 1]; output columns: emotion, emotion_p_neutral" in out
    assert "; differs from the original by at most" in out
    assert torch.jit.load(tmp_path / "encoder.pt")(torch.zeros(1, 3, 32, 32)).shape == (1, 9)


@pytest.mark.parametrize(
    ("place", "images", "message"),
    [
        ("nowhere", ["a.png"], "is not a trial folder"),
        ("", [], "name images, or folders of them"),
        ("broken", ["a.png"], "is not a state of this trial"),
    ],
)
def test_a_mistake_is_one_message_and_exit_code_2(trial, tmp_path, capsys, place, images, message):
    checkpoint = trial.path if not place else tmp_path / place
    if place == "broken":
        broken = TrialFolder(checkpoint)
        broken.begin(trial.record())
        broken.state.write_bytes(b"not a state")
    assert main([str(checkpoint), *images]) == 2
    assert message in capsys.readouterr().err


def test_a_results_folder_gives_the_network_that_the_study_recommends(small, tmp_path, capsys):
    results = load(small.results)
    network = trained_network(results, findings(results))
    folders.face(1, 0).save(tmp_path / "one.png")
    assert main([str(small.results), str(tmp_path / "one.png")]) == 0
    from_study = capsys.readouterr()
    assert from_study.err.startswith(f"Using {network.folder}: {network.why}\n")
    assert main([str(network.folder), str(tmp_path / "one.png")]) == 0
    assert capsys.readouterr().out == from_study.out


@pytest.mark.parametrize("suffix", [".gif", ".ppm", ".jfif", ".PGM"])
def test_every_kind_of_picture_that_can_be_read_is_found_in_a_folder(trial, tmp_path, capsys, suffix):
    kind = {".gif": "GIF", ".ppm": "PPM", ".jfif": "JPEG", ".PGM": "PPM"}[suffix]
    folders.face(1, 0).convert("L" if suffix == ".PGM" else "RGB").save(tmp_path / f"one{suffix}", kind)
    assert main([str(trial.path), str(tmp_path)]) == 0
    (row,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert row["path"] == str(tmp_path / f"one{suffix}")
