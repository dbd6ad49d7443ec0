"""Losses against their formulas, written out another way."""

import math

import pytest
import torch
import torch.nn.functional as F
from torchmetrics.functional import concordance_corrcoef

from fer_tune.data.labels import FACE_LABELS, LabelSet
from fer_tune.training.losses import concordance, discriminator_joint_loss, generator_joint_loss, task_losses


def test_concordance_known_values():
    x = torch.tensor([[1.0], [2.0], [3.0]])
    assert concordance(x, x).item() == pytest.approx(1, abs=1e-6)
    assert concordance(-x, x).item() == pytest.approx(2 * (-2 / 3) / (4 / 3 + 16), abs=1e-6)
    assert concordance(x + 1, x).item() == pytest.approx(2 * (2 / 3) / (4 / 3 + 1), abs=1e-6)


def test_concordance_agrees_with_torchmetrics_on_large_samples():
    torch.manual_seed(0)
    truth = torch.randn(5000, 2)
    guess = 0.6 * truth + 0.5 * torch.randn(5000, 2) + 0.1
    torch.testing.assert_close(concordance(guess, truth), concordance_corrcoef(guess, truth), atol=1e-3, rtol=0)


@pytest.mark.parametrize("target", [torch.zeros(4, 1), torch.ones(4, 1), torch.rand(4, 1)])
def test_concordance_of_a_constant_is_finite_with_finite_gradient(target):
    constant = torch.zeros(4, 1, requires_grad=True)
    value = concordance(constant, target).sum()
    value.backward()
    assert math.isfinite(value.item()) and constant.grad.isfinite().all()


def test_task_losses_sum_cross_entropies_and_average_all_ccc_values():
    torch.manual_seed(0)
    sets = (*FACE_LABELS, LabelSet("age", "continuous", ("age",)), LabelSet("pose", "categorical", ("l", "m", "r")))
    outputs = torch.randn(16, 13)
    classes, poses = torch.randint(7, (16,)), torch.randint(3, (16,))
    values = torch.rand(16, 3)
    labels = torch.cat([F.one_hot(classes, 7), values, F.one_hot(poses, 3)], 1).float()
    cross_entropy, ccc_loss = task_losses(outputs, labels, sets)
    expected = F.cross_entropy(outputs[:, :7], classes) + F.cross_entropy(outputs[:, 10:], poses)
    torch.testing.assert_close(cross_entropy, expected)
    torch.testing.assert_close(ccc_loss, 1 - concordance(outputs[:, 7:10], values).mean())


def test_without_a_continuous_set_the_ccc_loss_is_zero():
    labels = F.one_hot(torch.tensor([0, 1]), 2).float()
    assert task_losses(torch.randn(2, 2), labels, [LabelSet("a", "categorical", ("x", "y"))])[1].item() == 0


def test_joint_losses_average_over_all_scores():
    real = torch.tensor([[2.0, 0.0, -1.0]])
    generated = torch.tensor([[-3.0, 0.5, 1.0]])
    assert generator_joint_loss(real, generated).item() == pytest.approx(1 / 3 - (-1.5 / 3))
    assert discriminator_joint_loss(real, generated).item() == pytest.approx((0 + 1 + 2) / 3 + (0 + 1.5 + 2) / 3)
