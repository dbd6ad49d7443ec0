"""Which given classes are wrong, by a mixture: a true class from the image, then a given class from the true one.

The true class has probabilities softmax(B s + b) of an image's held-out scores s. The true class k is then given as l
with probability T[k, l]. The noise shows as a ceiling: even of the clearest images a share is labelled otherwise. The
classifier's own mistakes are not counted as wrong labels, since they lie below that ceiling.

Two mixtures are fitted: wrong labels are spread evenly over the classes, or unevenly. If labels are wrong at random,
both find as many. If wrong labels depend on the image, as people's mistakes do, the even mixture finds far fewer. The
uneven one then finds about four fifths of them: it misses those whose image looks like the class that was given.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

MOST_FITTED = 10_000  # samples: more would take longer and change the estimate by less than its error
UNEVEN_FOUND = (
    0.8  # of wrong labels that depend on the image, what the uneven mixture finds (`fer-tune bench suspects`)
)
GAP = (0.2, 0.4)  # between what both find, relative to the uneven: up to the first by chance, from the second not
PRIOR_WEIGHTS, PRIOR_SPREAD = 0.1, 3.0  # how strongly B and wrong labels are held back, in units of log likelihood
ITERATIONS = 200


@dataclass(frozen=True)
class LabelErrors:
    """What both mixtures say of n labels.

    Attributes:
        ratio: estimated share of wrong labels in [0, 1].
        found: what the uneven mixture finds; `ratio` may be larger.
        depends: how far wrong labels depend on the image, from 0 (they are random) to 1.
        classes: probabilities (n, K) of each sample's true class, its given one being known.
        seen: the same from the image alone.
    """

    ratio: float
    found: float
    depends: float
    classes: np.ndarray
    seen: np.ndarray


@dataclass(frozen=True)
class _Mixture:
    """log likelihood of the fitted samples; weights B (K, K), bias b (K,), transition T (K, K)."""

    likelihood: float
    weights: Tensor
    bias: Tensor
    transition: Tensor

    @property
    def named_rightly(self) -> bool:
        """Whether each class is given as itself more often than as any other one: else classes have changed places."""
        return bool((self.transition.argmax(dim=1) == torch.arange(len(self.transition))).all())

    def true_classes(self, scores: Tensor) -> Tensor:
        """Probabilities (n, K) of the true class from scores (n, K) alone."""
        return (scores @ self.weights + self.bias).softmax(dim=1)

    def share(self, scores: Tensor) -> float:
        """The share of wrong labels in [0, 1]."""
        return float((self.true_classes(scores) * (1 - self.transition.diagonal())).sum(dim=1).mean())


def find_label_errors(scores: np.ndarray, given: np.ndarray, rng: np.random.Generator) -> LabelErrors:
    """Fit both mixtures to held-out scores (n, K) and given classes (n,), or to a random MOST_FITTED of them."""
    values = torch.from_numpy(scores).double()
    values = (values - values.mean(dim=0)) / values.std(dim=0).clamp_min(1e-4)  # of a class that nobody gave it is 0
    labels = torch.from_numpy(given).long()
    fitted = torch.from_numpy(np.sort(rng.permutation(len(given))[:MOST_FITTED]))
    some, classes = (values[fitted], labels[fitted]), scores.shape[1]
    few, half = (_evenly(classes, share) for share in (0.1, 0.5))
    even = max((_fit(*some, start, False) for start in (few, half)), key=lambda m: m.likelihood)
    fits = (_fit(*some, start, True) for start in (_counted(*some), few))
    uneven = next((fit for fit in fits if fit.named_rightly), even)
    least, found = even.share(values), uneven.share(values)
    gap = (found - least) / max(found, 1e-9)
    depends = float(np.clip((gap - GAP[0]) / (GAP[1] - GAP[0]), 0, 1))
    ratio = (1 - depends) * (least + found) / 2 + depends * found / UNEVEN_FOUND
    chosen = uneven if depends > 0.5 else even
    own = chosen.true_classes(values)
    joint = own * chosen.transition.T[labels]
    own_given = (joint / joint.sum(dim=1, keepdim=True)).numpy()
    return LabelErrors(min(ratio, 1 - 1 / classes), found, depends, own_given, own.numpy())


def _evenly(classes: int, wrong: float) -> Tensor:
    """A transition (K, K) in which so many labels are wrong, spread evenly."""
    return torch.full((classes, classes), wrong / (classes - 1)).double().fill_diagonal_(1 - wrong)


def _counted(scores: Tensor, given: Tensor) -> Tensor:
    """The transition (K, K) if the class of the largest score is the true one."""
    classes = scores.shape[1]
    counts = torch.ones(classes, classes).double()
    counts.index_put_((scores.argmax(dim=1), given), torch.ones(len(given)).double(), accumulate=True)
    return counts / counts.sum(dim=1, keepdim=True)


def _fit(scores: Tensor, given: Tensor, start: Tensor, uneven: bool) -> _Mixture:
    """The most likely mixture near a transition (K, K) to start from, in which wrong labels are uneven or even."""
    classes = scores.shape[1]
    wrong = (1 - start.diagonal()).clamp(1e-3, 1 - 1e-3).logit()[: classes if uneven else 1].clone()
    spread = (start / (1 - start.diagonal()).clamp_min(1e-3)[:, None]).clamp_min(1e-4).log().fill_diagonal_(0)
    spread = (spread - spread.sum(dim=1, keepdim=True) / (classes - 1)).fill_diagonal_(0)
    sharpness, change = torch.tensor(2.0).double(), torch.zeros(classes, classes).double()
    bias = torch.zeros(classes).double()
    trained = [sharpness, change, bias, wrong, *([spread] if uneven else [])]
    for tensor in trained:
        tensor.requires_grad_()
    optimiser = torch.optim.LBFGS(trained, max_iter=ITERATIONS, line_search_fn="strong_wolfe")
    unit, no_own = torch.eye(classes).double(), torch.zeros(classes, classes).double().fill_diagonal_(-torch.inf)

    def mixture() -> tuple[Tensor, Tensor, Tensor]:
        """Log likelihood, B and T."""
        share = wrong.sigmoid().expand(classes)
        transition = torch.diag(1 - share) + share[:, None] * (spread + no_own).softmax(dim=1)
        weights = sharpness * unit + change
        expected = (scores @ weights + bias).softmax(dim=1) @ transition
        return expected.gather(1, given[:, None]).clamp_min(1e-12).log().sum(), weights, transition

    def step() -> Tensor:
        optimiser.zero_grad()
        prior = PRIOR_WEIGHTS * change.square().sum() + PRIOR_SPREAD * spread.square().mean()
        loss: Tensor = (prior - mixture()[0]) / len(given)
        loss.backward()
        return loss

    optimiser.step(step)
    with torch.no_grad():
        likelihood, weights, transition = mixture()
    return _Mixture(float(likelihood), weights, bias.detach(), transition)
