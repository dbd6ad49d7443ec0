"""CIFAR-10 and CIFAR-10N: annotators, published digests, and pickles that run nothing."""

import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from fer_tune import load_data
from fer_tune.data import cifar10
from fer_tune.data.errors import DataError
from tests.support import folders
from tests.support.folders import index_of, spec_of


def test_each_annotator_is_as_noisy_as_asked_and_test_labels_stay_true(tmp_path):
    settings = folders.write_cifar10(tmp_path, each=400)
    data = load_data(settings, {"ratios": {"annotator_1": 0.2, "annotator_2": 0.3, "annotator_3": 0.4}}, seed=3)
    train, test = data.dataset.splits["train"], data.dataset.splits["test"]
    for name, ratio in (("annotator_1", 0.2), ("annotator_2", 0.3), ("annotator_3", 0.4)):
        wrong = data.labels[name] != data.dataset.labels[name]
        assert wrong[train].mean() == pytest.approx(ratio, abs=0.04)
        assert not wrong[test].any()
    assert data.dataset.images.shape == (2400, 3, 32, 32)
    assert data.dataset.augmentation == "crop"


def test_batches_are_compared_with_their_published_digests(tmp_path, monkeypatch):
    settings = {**folders.write_cifar10(tmp_path), "verify": True}
    with pytest.raises(DataError, match=r"data_batch_1: is not the published file"):
        index_of(settings)
    digests = {name: folders.md5(tmp_path / cifar10.BATCH_FOLDER / name) for name in cifar10.PUBLISHED_MD5}
    monkeypatch.setattr(cifar10, "PUBLISHED_MD5", digests)
    assert len(index_of(settings)) == 120


class Evil:
    def __reduce__(self):
        return Path.write_text, (Path(Evil.target), "was here")


def test_a_malicious_batch_runs_nothing(tmp_path):
    Evil.target = str(tmp_path / "pwned")
    settings = folders.write_cifar10(tmp_path, dump=lambda batch: pickle.dumps({**batch, b"extra": Evil()}))
    with pytest.raises(DataError, match=r"is not a CIFAR-10 batch: it refers to pathlib"):
        index_of(settings)
    torch.save({"clean_label": Evil()}, tmp_path / "human.pt")
    with pytest.raises(DataError, match=r"human\.pt: is not a CIFAR-10N label file"):
        index_of(folders.write_cifar10(tmp_path / "b"), human_labels=str(tmp_path / "human.pt"))
    assert not (tmp_path / "pwned").exists()


def as_numpy_1(content):
    """A pickle that names numpy's modules as numpy 1 does, instead of numpy 2; protocol 2 has no lengths of names."""
    assert b"numpy._core" in content
    return content.replace(b"cnumpy._core.", b"cnumpy.core.")


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
@pytest.mark.parametrize("scalars", [False, True])
def test_batches_pickled_in_any_way_are_read(tmp_path, protocol, scalars):
    def dump(batch):
        labels = [np.int64(label) for label in batch[b"labels"]] if scalars else batch[b"labels"]
        return pickle.dumps({**batch, b"labels": labels}, protocol)

    plain = index_of(folders.write_cifar10(tmp_path / "plain"))
    index = index_of(folders.write_cifar10(tmp_path / "other", dump=dump))
    assert np.array_equal(index.sources, plain.sources)
    assert np.array_equal(index.labels["annotator_1"], plain.labels["annotator_1"])
    if protocol == 2:
        index = index_of(folders.write_cifar10(tmp_path / "old", dump=lambda batch: as_numpy_1(dump(batch))))
        assert np.array_equal(index.sources, plain.sources)


def write_human(path, human, old=False):
    """A CIFAR-10N file; old: one that names numpy's modules as numpy 1 does, as the published one may."""
    torch.save(human, path)
    if old:
        with zipfile.ZipFile(path) as new:
            parts = {name: new.read(name) for name in new.namelist()}
        with zipfile.ZipFile(path, "w") as file:
            for name, content in parts.items():
                file.writestr(name, as_numpy_1(content) if name.endswith("data.pkl") else content)


@pytest.mark.parametrize("kind", ["int64", "int32", "uint8", "tensor"])
@pytest.mark.parametrize("old", [False, True])
def test_human_labels_of_numpy_1_and_2_are_read_alike(tmp_path, kind, old):
    settings = folders.write_cifar10(tmp_path)
    clean = np.tile(np.arange(20) % 10, 5)
    human = {f"random_label{i}": np.where(np.arange(100) < 10 * i, (clean + 1) % 10, clean) for i in (1, 2, 3)}
    human |= {"clean_label": clean, "worse_label": clean}
    if kind == "tensor":
        human = {name: torch.from_numpy(labels) for name, labels in human.items()} | {"worse_label": clean}
    else:
        human = {name: labels.astype(kind) for name, labels in human.items()}
    write_human(tmp_path / "human.pt", human, old)
    index = index_of(settings, human_labels=str(tmp_path / "human.pt"))
    notes = [f"annotator_{i} is wrong on {10 * i}.0% of the training images" for i in (1, 2, 3)]
    assert list(index.notes) == [*notes, f"{tmp_path / 'human.pt'}: label sets that are not used: worse_label"]


CLEAN = np.tile(np.arange(20) % 10, 5)
ALL = dict.fromkeys(("clean_label", "random_label1", "random_label2", "random_label3"), CLEAN)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it is empty, cut or damaged, or torch.save did not write it"),
        (b"PK\x03\x04 and so on", "it is empty, cut or damaged, or torch.save did not write it"),
        (pickle.dumps(Evil), "it is empty, cut or damaged|it refers to"),
        ({"clean_label": CLEAN}, "it has no random_label1, random_label2, random_label3"),
        ([1, 2], "it has no random_label1, random_label2, random_label3, clean_label"),
        (ALL | {"random_label2": CLEAN + 0.5}, "its labels are not whole numbers"),
        (ALL | {"random_label2": CLEAN[:50]}, "random_label2 must be 100 classes from 0 to 9"),
        (ALL | {"random_label2": Path("x")}, "it refers to pathlib.*, which is neither an array nor a tensor; no code"),
    ],
)
def test_a_file_of_human_labels_that_is_refused_is_said_in_our_words(tmp_path, content, message):
    settings = folders.write_cifar10(tmp_path)
    path = tmp_path / "human.pt"
    path.write_bytes(content) if isinstance(content, bytes) else torch.save(content, path)
    with pytest.raises(DataError, match=message) as caught:
        index_of(settings, human_labels=str(path))
    said = str(caught.value)
    assert "weights" not in said.lower()
    assert "trust" not in said
    assert "\x1b" not in said
    assert "\n" not in said


@pytest.mark.parametrize(
    "spoil", [Path.unlink, lambda path: (path.unlink(), path.mkdir()), lambda p: p.write_bytes(b"")]
)
def test_a_missing_empty_or_other_file_is_named(tmp_path, spoil):
    settings = folders.write_cifar10(tmp_path)
    torch.save(ALL, tmp_path / "human.pt")
    spoil(tmp_path / "human.pt")
    with pytest.raises(DataError, match=r"human\.pt: "):
        index_of(settings, human_labels=str(tmp_path / "human.pt"))
    spoil(tmp_path / cifar10.BATCH_FOLDER / "data_batch_3")
    with pytest.raises(DataError, match=r"data_batch_3: ") as caught:
        index_of(settings)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ({b"labels": [1]}, "it has no b'data'"),
        ({b"data": np.zeros((2, 3072), np.uint8), b"labels": [0.5, 1.5]}, "it is empty, cut or damaged"),
        ({b"data": np.zeros((0, 3072), np.uint8), b"labels": np.zeros(0, int)}, "is a CIFAR-10 batch without images"),
        ({b"data": np.zeros((2, 3072)), b"labels": [0, 1]}, "2 images of float64, 2 labels"),
        ({b"data": np.zeros((2, 3072), np.uint8), b"labels": [0, 10]}, "class must be from 0 to 9: it is 10"),
    ],
)
def test_a_batch_of_other_content_is_named(tmp_path, batch, message):
    settings = folders.write_cifar10(tmp_path)
    (tmp_path / cifar10.BATCH_FOLDER / "data_batch_2").write_bytes(pickle.dumps(batch))
    with pytest.raises(DataError, match=f"data_batch_2: .*{message}|data_batch_2.*\n.*{message}"):
        index_of(settings)


def test_human_labels_replace_the_training_labels(tmp_path):
    settings = folders.write_cifar10(tmp_path)
    clean = np.tile(np.arange(20) % 10, 5)
    human = {f"random_label{i}": np.where(np.arange(100) % (i + 2) == 0, (clean + 1) % 10, clean) for i in (1, 2, 3)}
    torch.save({"clean_label": clean, **human}, tmp_path / "human.pt")
    index = index_of(settings, human_labels=str(tmp_path / "human.pt"))
    assert (index.labels["annotator_2"][:100] == human["random_label2"]).all()
    assert (index.labels["annotator_2"][100:] == np.arange(20) % 10).all()
    assert (index.known["annotator_3"][:100] == clean).all()
    torch.save({"clean_label": (clean + 1) % 10, **human}, tmp_path / "human.pt")
    with pytest.raises(DataError, match="it labels other images"):
        index_of(settings, human_labels=str(tmp_path / "human.pt"))


def test_any_of_cifar10ns_label_sets_can_be_trained_on(tmp_path):
    settings = folders.write_cifar10(tmp_path)
    clean = index_of(settings).labels["annotator_1"][:100]
    wrong = {"random_label1": 10, "random_label2": 20, "random_label3": 30, "worse_label": 40, "aggre_label": 5}
    human = {name: np.where(np.arange(100) < count, (clean + 1) % 10, clean) for name, count in wrong.items()}
    write_human(tmp_path / "human.pt", human | {"clean_label": clean})
    sets = ["worse_label", "aggre_label", "random_label2"]
    index = index_of(settings, human_labels=str(tmp_path / "human.pt"), human_sets=sets)
    assert [s.name for s in index.label_sets] == ["worse", "majority", "annotator_2"]
    assert [float((index.labels[s.name][:100] != clean).mean()) for s in index.label_sets] == [0.4, 0.05, 0.2]
    assert index.notes[-1].endswith("label sets that are not used: random_label1, random_label3")


def test_the_settings_of_a_study_without_other_label_sets_are_what_they_were(tmp_path):
    spec = spec_of(folders.write_cifar10(tmp_path))
    assert "human_sets" not in spec.model_dump()
    with pytest.raises(ValueError, match="names a label set twice"):
        spec_of({**spec.model_dump(), "human_sets": ["worse_label", "worse_label"]})
