"""Machine annotation: from one drawn domain to a shifted one, files that read back, the measured disagreement."""

import numpy as np
import pytest
import yaml
from pydantic import TypeAdapter

from fer_tune.data.errors import DataError
from fer_tune.data.kinds import DatasetSpec
from fer_tune.data.labels import EMOTIONS, FACE_LABELS, LabelSet
from fer_tune.data.loading import load_data, read_dataset
from fer_tune.search.annotator import disagreement, in_terms_of, main
from tests.support import folders

SOURCE = {
    "name": "studio", "dataset": {"kind": "synthetic", "train": 280, "validation": 28, "test": 140},
    "model": {"width": 0.125, "encoder_norm": "batch"},
    "training": {"epochs": 2, "batch_size": 32, "lr": 0.002, "lambda": 0.0, "augment": False},
}  # fmt: skip
TARGET = {"batch_size": 32}
STREET = {"kind": "synthetic", "domain": "street", "train": 70, "validation": 28, "test": 28}


@pytest.fixture(scope="module")
def annotator(tmp_path_factory):
    """The folder in which an annotator was trained, through the command line's own function, on the way to a target."""
    folder = tmp_path_factory.mktemp("annotator")
    (folder / "source.yaml").write_text(yaml.safe_dump(SOURCE))
    (folder / "target.yaml").write_text(yaml.safe_dump({"name": "street", "dataset": STREET, "training": TARGET}))
    assert main([str(folder / "source.yaml"), str(folder / "target.yaml"), "--results", str(folder / "out")]) == 0
    return folder / "out"


def test_a_shifted_domain_is_labelled_and_reads_back(annotator):
    files = {"machine_labels": str(annotator / "annotations" / "street" / "by_studio.csv")}
    own = read_dataset(TypeAdapter(DatasetSpec).validate_python(STREET))
    noisy = read_dataset(TypeAdapter(DatasetSpec).validate_python({**STREET, **files}))
    train, test = own.splits["train"], own.splits["test"]
    assert (noisy.labels["emotion"] != own.labels["emotion"])[train].mean() > 0.2
    assert (noisy.labels["emotion"] == own.labels["emotion"])[test].all() and noisy.digest != own.digest
    assert np.abs(noisy.labels["affect"]).max() <= 1
    assert np.array_equal(noisy.known["emotion"], own.labels["emotion"])


def test_a_trained_annotator_is_used_again_as_a_checkpoint(annotator, tmp_path, capsys):
    settings = folders.write_raf(tmp_path / "raf")
    assert main([str(annotator / "annotators" / "studio"), settings["folder"], "--results", str(tmp_path / "out")]) == 0
    out = capsys.readouterr().out
    assert "emotion: differs from the target's own on" in out
    section = yaml.safe_load(out.split("dataset section:\n")[1])
    assert set(section) == {"machine_labels", "machine_affect"}
    data = load_data({**settings, **section, "image_size": 32})
    assert [s.name for s in data.label_sets] == ["emotion", "affect"]


def test_classes_are_matched_by_name():
    other = LabelSet("mood", "categorical", (*reversed(EMOTIONS), "contempt"))
    found = {"emotion": np.arange(7), "affect": np.zeros((7, 2), dtype=np.float32)}
    labels = in_terms_of(FACE_LABELS, [other], found)
    assert labels["mood"].tolist() == [6, 5, 4, 3, 2, 1, 0] and "affect" in labels
    with pytest.raises(DataError, match="are not among the target's"):
        in_terms_of(FACE_LABELS, [LabelSet("mood", "categorical", ("calm", "glad"))], found)


def test_disagreement_is_counted_over_training_and_validation():
    data = load_data({"kind": "synthetic", "train": 70, "validation": 14, "test": 14}).dataset
    labels = {name: values.copy() for name, values in data.labels.items()}
    labels["emotion"][:21] = (labels["emotion"][:21] + 1) % 7
    labels["affect"][:, 0] += 0.1
    first, second = disagreement(labels, data)
    assert "differs from the target's own on 25.0%" in first and "valence 0.100, arousal 0.000" in second


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [("nowhere", "x.yaml", "is no trial folder"), ("x.yaml", "y.yaml", "x.yaml: cannot be read")],
)
def test_a_mistake_is_one_message_and_exit_code_2(tmp_path, capsys, source, target, message):
    assert main([str(tmp_path / source), str(tmp_path / target), "--results", str(tmp_path / "out")]) == 2
    assert message in capsys.readouterr().err
