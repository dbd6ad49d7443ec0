"""A trained encoder, taken out of a trial folder."""

import csv

import numpy as np
import pytest
import torch

from fer_tune.data.dataset import open_dataset
from fer_tune.data.labels import EMOTIONS
from fer_tune.results.files import write_json
from fer_tune.results.folder import TrialFolder
from fer_tune.search.checkpoint import CheckpointError, export, find_images, load_checkpoint, predict
from tests.support import folders


@pytest.fixture
def trial(small):
    """A finished trial with lambda above 0."""
    return small.trials()[1]


def test_an_encoder_knows_its_labels_and_its_image_size(trial):
    checkpoint = load_checkpoint(trial.path)
    assert [s.name for s in checkpoint.label_sets] == ["emotion", "affect"]
    assert checkpoint.image_size == 32
    assert checkpoint.columns[:2] == ["emotion", "emotion_p_neutral"]
    assert checkpoint.columns[-2:] == ["valence", "arousal"]


def test_it_is_the_averaged_encoder_that_gave_the_trials_predictions(trial):
    dataset = open_dataset(next(path.parent for path in trial.path.parents[1].glob("data/*/dataset.json")))
    answers = load_checkpoint(trial.path).answers(dataset.images[dataset.splits["test"]])
    with open(trial.path / "predictions.csv", newline="") as file:
        rows = [[float(row[f"emotion_p_{name}"]) for name in EMOTIONS] for row in csv.DictReader(file)]
    assert torch.allclose(answers[:, :7], torch.tensor(rows), atol=2e-6)
    state = torch.load(trial.state, weights_only=True)["trainer"]
    assert not torch.equal(state["networks"]["encoder"]["labels.weight"], state["averaged"]["encoder"]["labels.weight"])


def test_the_folder_and_the_state_in_it_name_the_same_encoder(trial):
    images = np.zeros((1, 3, 32, 32), dtype=np.uint8)
    by_folder, by_file = (load_checkpoint(path).answers(images) for path in (trial.path, trial.state))
    assert torch.equal(by_folder, by_file)


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_an_exported_encoder_gives_the_same_answers_without_this_package(trial, tmp_path):
    checkpoint = load_checkpoint(trial.path)
    assert export(checkpoint, tmp_path / "encoder.pt") <= 1e-4
    images = torch.rand(3, 3, 32, 32) * 2 - 1
    with torch.no_grad():
        assert torch.allclose(torch.jit.load(tmp_path / "encoder.pt")(images), checkpoint.predictor(images), atol=1e-4)


def test_images_are_found_below_folders_and_predicted_in_order(trial, tmp_path):
    (tmp_path / "deep").mkdir()
    for name in ("b.png", "deep/a.png"):
        folders.face(1, 0).save(tmp_path / name)
    (tmp_path / "broken.png").write_bytes(b"not an image")
    paths = find_images([tmp_path])
    assert [path.name for path in paths] == ["b.png", "broken.png", "a.png"]
    found = dict(predict(load_checkpoint(trial.path), paths))
    assert isinstance(found[tmp_path / "broken.png"], str)
    assert found[tmp_path / "b.png"] == found[tmp_path / "deep" / "a.png"]


def test_without_images_there_is_nothing_to_predict(tmp_path):
    with pytest.raises(CheckpointError, match="name images, or folders of them"):
        find_images([tmp_path])


def test_a_folder_that_is_not_a_trial_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="is not a trial folder"):
        load_checkpoint(tmp_path)


def test_a_state_of_another_model_is_refused(trial, tmp_path):
    other = TrialFolder(tmp_path / "other")
    other.begin(trial.record())
    other.state.write_bytes(b"not a state")
    with pytest.raises(CheckpointError, match=r"state\.pt: is not a state of this trial"):
        load_checkpoint(other.path)


def test_a_record_with_impossible_settings_is_refused(trial, tmp_path):
    other = TrialFolder(tmp_path / "other")
    other.path.mkdir()
    record = trial.record().as_json()
    record["config"]["training"]["epochs"] = "many"
    write_json(other.path / "trial.json", record)
    other.state.touch()
    with pytest.raises(CheckpointError, match=r"trial\.json: "):
        load_checkpoint(other.path)


def test_an_encoder_cannot_be_exported_into_a_folder_that_does_not_exist(trial, tmp_path):
    with pytest.raises(CheckpointError, match="nowhere does not exist"):
        export(load_checkpoint(trial.path), tmp_path / "nowhere" / "encoder.pt")
