"""CIFAR-10 and CIFAR-10N: annotators, published digests, and pickles that run nothing."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from fer_tune import load_data
from fer_tune.data import cifar10
from fer_tune.data.errors import DataError
from tests.support import folders
from tests.support.folders import index_of


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
