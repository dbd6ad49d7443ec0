"""The annotate command: from one drawn domain to a shifted one, with files that read back."""

import numpy as np
import pytest
import yaml

from fer_tune.analysis.recommendation import findings
from fer_tune.analysis.tables import load
from fer_tune.analysis.trained import trained_network
from fer_tune.annotate import main
from fer_tune.data.loading import load_data, read_dataset
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
    """The folder in which the command has trained an annotator and labelled a target."""
    folder = tmp_path_factory.mktemp("annotator")
    write_studies(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.cpu_count", lambda: 1)  # torch threads beyond the first wait for each other on a busy machine
        assert main([str(folder / "source.yaml"), str(folder / "target.yaml"), "--results", str(folder / "out")]) == 0
    return folder / "out"


def write_studies(folder):
    (folder / "source.yaml").write_text(yaml.safe_dump(SOURCE))
    (folder / "target.yaml").write_text(yaml.safe_dump({"name": "street", "dataset": STREET, "training": TARGET}))


def test_a_shifted_domain_is_labelled_and_reads_back(annotator):
    files = {"machine_labels": str(annotator / "annotations" / "street" / "by_studio.csv")}
    own = read_dataset(folders.spec_of(STREET))
    noisy = read_dataset(folders.spec_of(STREET, **files))
    train, test = own.splits["train"], own.splits["test"]
    assert (noisy.labels["emotion"] != own.labels["emotion"])[train].mean() > 0.2
    assert (noisy.labels["emotion"] == own.labels["emotion"])[test].all()
    assert noisy.digest != own.digest
    assert np.abs(noisy.labels["affect"]).max() <= 1
    assert np.array_equal(noisy.known["emotion"], own.labels["emotion"])


def test_a_trained_annotator_is_used_again_as_a_checkpoint(annotator, tmp_path, capsys):
    settings = folders.write_raf(tmp_path / "raf")
    assert main([str(annotator / "annotators" / "studio"), settings["folder"], "--results", str(tmp_path / "out")]) == 0
    out = capsys.readouterr().out
    assert "emotion: differs from the target's own on" in out
    section = yaml.safe_load(out.split("target's study file:\n")[1])
    assert set(section) == {"machine_labels", "machine_affect"}
    data = load_data({**settings, **section, "image_size": 32})
    assert [s.name for s in data.label_sets] == ["emotion", "affect"]


def test_a_results_folder_gives_the_network_that_the_study_recommends(small, tmp_path, capsys):
    results = load(small.results)
    network = trained_network(results, findings(results))
    (tmp_path / "target.yaml").write_text(yaml.safe_dump({"name": "street", "dataset": STREET, "training": TARGET}))
    assert main([str(small.results), str(tmp_path / "target.yaml"), "--results", str(tmp_path / "out")]) == 0
    assert f"Using {network.folder}: the best of" in capsys.readouterr().err
    by = f"by_{small.results.name},{network.folder.name}.csv"
    assert (tmp_path / "out" / "annotations" / "street" / by).exists()


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        ("nowhere", "target.yaml", "is not a trial folder"),
        ("missing.yaml", "target.yaml", "missing.yaml: cannot be read"),
        ("source.yaml", "missing.yaml", "missing.yaml: cannot be read"),
    ],
)
def test_a_mistake_is_one_message_and_exit_code_2(tmp_path, capsys, source, target, message):
    """A mistake in the target costs no training of the annotator."""
    write_studies(tmp_path)
    assert main([str(tmp_path / source), str(tmp_path / target), "--results", str(tmp_path / "out")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out" / "annotators").exists()
