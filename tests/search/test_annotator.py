"""Machine labels: matched by name, counted against the target's own."""

import numpy as np
import pytest

from fer_tune.data.errors import DataError
from fer_tune.data.labels import EMOTIONS, FACE_LABELS, LabelSet
from fer_tune.data.loading import load_data
from fer_tune.names import NEWER_SETTINGS
from fer_tune.results.files import read_json, write_json
from fer_tune.results.folder import TrialFolder
from fer_tune.search.annotator import disagreement, in_terms_of, train_annotator
from fer_tune.study.loading import load_plan


@pytest.fixture(autouse=True)
def one_core(monkeypatch):
    """Torch threads beyond the first wait for each other on a busy machine."""
    monkeypatch.setattr("os.cpu_count", lambda: 1)


def test_an_annotator_of_an_older_version_is_used_again(study_file, tmp_path):
    training = {"epochs": 1, "batch_size": 32}
    plan = load_plan(study_file(training={**training, **NEWER_SETTINGS["training"]}))
    folder, accuracy = train_annotator(plan, tmp_path / "out")
    record = read_json(folder / "trial.json")
    for key in NEWER_SETTINGS["training"]:
        del record["config"]["training"][key]
    write_json(folder / "trial.json", record)
    assert train_annotator(load_plan(study_file(training=training)), tmp_path / "out") == (folder, accuracy)
    named = load_plan(study_file(training={**training, "average": 0.9}))
    with pytest.raises(DataError, match="holds an annotator of another version of this study"):
        train_annotator(named, tmp_path / "out")


def test_classes_are_matched_by_name():
    other = LabelSet("mood", "categorical", (*reversed(EMOTIONS), "contempt"))
    found = {"emotion": np.arange(7), "affect": np.zeros((7, 2), dtype=np.float32)}
    labels = in_terms_of(FACE_LABELS, [other], found)
    assert labels["mood"].tolist() == [6, 5, 4, 3, 2, 1, 0]
    assert "affect" in labels
    with pytest.raises(DataError, match="are not among the target's"):
        in_terms_of(FACE_LABELS, [LabelSet("mood", "categorical", ("calm", "glad"))], found)


def test_disagreement_is_counted_over_training_and_validation():
    data = load_data({"kind": "synthetic", "train": 70, "validation": 14, "test": 14}).dataset
    labels = {name: values.copy() for name, values in data.labels.items()}
    labels["emotion"][:21] = (labels["emotion"][:21] + 1) % 7
    labels["affect"][:, 0] += 0.1
    first, second = disagreement(labels, data)
    assert "differs from the target's own on 25.0%" in first
    assert "valence 0.100, arousal 0.000" in second


def test_an_annotator_is_trained_once_with_lambda_zero(study_file, tmp_path):
    plan = load_plan(study_file(training={"epochs": 1, "batch_size": 32}))
    folder, accuracy = train_annotator(plan, tmp_path / "out")
    assert folder == tmp_path / "out" / "annotators" / "small"
    assert TrialFolder(folder).record().config["training"]["lambda"] == 0.0
    before = TrialFolder(folder).state.stat().st_mtime_ns
    assert train_annotator(plan, tmp_path / "out") == (folder, accuracy)
    assert TrialFolder(folder).state.stat().st_mtime_ns == before
    changed = load_plan(study_file(training={"epochs": 2, "batch_size": 32}))
    with pytest.raises(DataError, match="holds an annotator of another version of this study"):
        train_annotator(changed, tmp_path / "out")


def test_an_annotator_with_a_searched_learning_rate_takes_the_geometric_middle(study_file, tmp_path):
    search = {"lambda": {"grid": [0.0]}, "lr": {"log_uniform": [1e-4, 1e-2]}}
    plan = load_plan(study_file(search=search, training={"epochs": 1, "batch_size": 32}))
    folder, _ = train_annotator(plan, tmp_path / "out")
    assert TrialFolder(folder).record().config["training"]["lr"] == pytest.approx(1e-3)


def test_an_annotator_that_an_earlier_version_began_at_another_learning_rate_is_used_again(study_file, tmp_path):
    search = {"lr": {"log_uniform": [1e-4, 1e-2]}}
    plan = load_plan(study_file(training={"epochs": 1, "batch_size": 32}, search=search))
    folder, _ = train_annotator(plan, tmp_path / "out")
    record = read_json(folder / "trial.json")
    record["config"]["training"]["lr"] = 1e-4
    write_json(folder / "trial.json", record)
    seconds = TrialFolder(folder).history()[0]["seconds"]
    train_annotator(plan, tmp_path / "out")
    assert TrialFolder(folder).history()[0]["seconds"] == seconds, "it was trained again"
    (folder / "trial.json").write_text("{")
    with pytest.raises(DataError, match="is damaged: delete"):
        train_annotator(plan, tmp_path / "out")
