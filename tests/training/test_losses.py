"""Losses against their formulas, written out another way."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from fer_tune.data.labels import FACE_LABELS, LabelSet
from fer_tune.training.losses import (
    concordance,
    cross_entropy,
    discriminator_joint_loss,
    generalised_cross_entropy,
    generator_joint_loss,
    task_losses,
)


def test_concordance_known_values():
    x = torch.tensor([[1.0], [2.0], [3.0]])
    assert concordance(x, x).item() == pytest.approx(1, abs=1e-6)
    assert concordance(-x, x).item() == pytest.approx(2 * (-2 / 3) / (4 / 3 + 16), abs=1e-6)
    assert concordance(x + 1, x).item() == pytest.approx(2 * (2 / 3) / (4 / 3 + 1), abs=1e-6)


def test_concordance_is_lins_formula_of_correlation_deviations_and_means():
    torch.manual_seed(0)
    truth = torch.randn(5000, 2, dtype=torch.double)
    guess = 0.6 * truth + 0.5 * torch.randn(5000, 2, dtype=torch.double) + 0.1
    for found, x, y in zip(concordance(guess, truth).tolist(), guess.T.numpy(), truth.T.numpy(), strict=True):
        expected = 2 * np.corrcoef(x, y)[0, 1] * x.std() * y.std() / (x.var() + y.var() + (x.mean() - y.mean()) ** 2)
        assert found == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("target", [torch.zeros(4, 1), torch.ones(4, 1), torch.rand(4, 1)])
def test_concordance_of_a_constant_is_finite_with_finite_gradient(target):
    constant = torch.zeros(4, 1, requires_grad=True)
    value = concordance(constant, target).sum()
    value.backward()
    assert math.isfinite(value.item())
    assert constant.grad.isfinite().all()


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


def test_a_missing_label_has_no_gradient():
    outputs = torch.randn(6, 9, requires_grad=True)
    labels = torch.cat([torch.eye(7)[:6], torch.rand(6, 2)], 1)
    labels[1, :7], labels[4, 7:] = math.nan, math.nan
    class_loss, ccc_loss = task_losses(outputs, labels, FACE_LABELS, missing=True)
    (class_loss + ccc_loss).backward()
    assert torch.isfinite(outputs.grad).all()
    assert not outputs.grad[1, :7].any()
    assert outputs.grad[1, 7:].any()
    assert not outputs.grad[4, 7:].any()
    assert outputs.grad[4, :7].any()


def test_generalised_cross_entropy_lies_between_cross_entropy_and_absolute_error():
    outputs, classes = torch.randn(50, 7), torch.randint(0, 7, (50,))
    p = outputs.softmax(1)[torch.arange(50), classes]
    for q in (0.3, 0.7, 1.0):
        expected = float(((1 - p**q) / q).mean())
        assert generalised_cross_entropy(outputs, classes, q=q) == pytest.approx(expected, rel=1e-5)
    limit = float(cross_entropy(outputs, classes))
    assert generalised_cross_entropy(outputs, classes, q=1e-3) == pytest.approx(limit, rel=1e-2)


def test_generalised_cross_entropy_weights_samples_by_their_class():
    outputs, classes = torch.randn(50, 7), torch.randint(0, 7, (50,))
    p = outputs.softmax(1)[torch.arange(50), classes]
    weight = torch.arange(1.0, 8.0)
    expected = (((1 - p**0.7) / 0.7) * weight[classes]).sum() / weight[classes].sum()
    assert generalised_cross_entropy(outputs, classes, weight) == pytest.approx(float(expected), rel=1e-5)


def test_joint_losses_average_over_all_scores():
    real = torch.tensor([[2.0, 0.0, -1.0]])
    generated = torch.tensor([[-3.0, 0.5, 1.0]])
    assert generator_joint_loss(real, generated).item() == pytest.approx(1 / 3 - (-1.5 / 3))
    assert discriminator_joint_loss(real, generated).item() == pytest.approx((0 + 1 + 2) / 3 + (0 + 1.5 + 2) / 3)
