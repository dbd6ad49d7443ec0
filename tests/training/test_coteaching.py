"""Co-teaching: how much each network keeps, and what it learns from."""

import numpy as np
import pytest
import torch

from fer_tune.training.coteaching import CoTeacher
from tests.support.training import MODEL, settings


def coteacher(data, **changes):
    return CoTeacher(data, MODEL, settings(method="coteaching", **changes))


@pytest.mark.parametrize(("epoch", "kept"), [(1, 0.96), (5, 0.8), (10, 0.6), (30, 0.6)])
def test_it_keeps_less_and_less_down_to_what_is_clean(data, epoch, kept):
    trainer = coteacher(data, forget_rate=0.4)
    trainer.epoch = epoch
    assert trainer.kept == pytest.approx(kept)


def test_it_trains_on_the_first_categorical_set_alone(data):
    assert [s.name for s in coteacher(data, forget_rate=0.4).label_sets] == ["emotion"]


def test_each_network_learns_from_what_the_other_finds_easy(data, monkeypatch):
    trainer = coteacher(data, forget_rate=0.5)
    trainer.epoch = 10
    images, targets = trainer.batches.images(np.arange(8)), trainer.batches.targets(torch.arange(8))
    easy = {"encoder": torch.tensor([0, 1, 2, 3]), "peer": torch.tensor([2, 3, 4, 5])}
    classes = targets.argmax(1)
    outputs = {}
    for name, network in (("encoder", trainer.encoder), ("peer", trainer.peer)):
        raw = torch.zeros(8, 7, requires_grad=True)
        with torch.no_grad():
            raw[easy[name], classes[easy[name]]] = 5.0
        outputs[name] = raw
        monkeypatch.setattr(network, "forward", lambda *_, raw=raw: type("Out", (), {"labels": raw})())
    trainer.task_update(images, targets)
    assert outputs["encoder"].grad.abs().sum(1).nonzero()[:, 0].tolist() == [2, 3, 4, 5]
    assert outputs["peer"].grad.abs().sum(1).nonzero()[:, 0].tolist() == [0, 1, 2, 3]


def test_it_is_refused_without_a_forget_rate(data):
    with pytest.raises(ValueError, match="needs training"):
        coteacher(data)
