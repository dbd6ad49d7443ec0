"""Which given classes are wrong, by a mixture: a true class from the image, then a given class from the true one.

The true class has probabilities softmax(B s + b) of an image's held-out scores s. The true class k is then given as l
with probability T[k, l]. The noise shows as a ceiling: even of the clearest images a share is labelled otherwise. The
classifier's own mistakes are not counted as wrong labels, since they lie below that ceiling.

Two mixtures are fitted: wrong labels are spread evenly over the classes, or unevenly. The better one by Akaike's
criterion is taken.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

MOST_FITTED = 10_000  # samples: with more, the criterion sees every small misfit of the even mixture
UNEVEN_FOUND = 0.8  # of wrong labels that depend on the image the mixture finds so many (docs/reading_the_report.md)
PRIOR = 3.0  # how strongly B and the spread of wrong labels are held back, in units of log likelihood
STARTS = (0.1, 0.5)  # shares of wrong labels at which a fit begins
ITERATIONS = 200


@dataclass(frozen=True)
class LabelErrors:
    """A fitted mixture.

    Attributes:
        even: whether wrong labels are spread evenly over the other classes.
        ratio: estimated share of wrong labels in [0, 1]. Where they are uneven it is larger than the mixture's own
            share: that misses wrong labels of images which look like another class.
        found: the mixture's own share.
        classes: probabilities (n, K) of each sample's true class, its given one being known.
        seen: the same from the image alone.
    """

    even: bool
    ratio: float
    found: float
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


def find_label_errors(scores: np.ndarray, given: np.ndarray, rng: np.random.Generator) -> LabelErrors:
    """Fit the mixtures to held-out scores (n, K) and given classes (n,), or to a random MOST_FITTED of them."""
    values = torch.from_numpy(scores).double()
    values = (values - values.mean(dim=0)) / values.std(dim=0).clamp_min(1e-4)  # of a class that nobody gave it is 0
    labels = torch.from_numpy(given).long()
    fitted = torch.from_numpy(np.sort(rng.permutation(len(given))[:MOST_FITTED]))
    some = values[fitted], labels[fitted]
    classes = scores.shape[1]
    few, many = (_start(classes, share) for share in STARTS)
    even = max((_fit(*some, start) for start in (few, many)), key=lambda m: m.likelihood)
    fits = (_fit(*some, start, uneven=True) for start in (_counted(*some), few))
    uneven = max((fit for fit in fits if fit.named_rightly), key=lambda m: m.likelihood, default=even)
    more = classes * (classes - 1) - 1  # free parameters
    chosen = uneven if uneven.likelihood - even.likelihood > more else even
    own = chosen.true_classes(values)
    found = float((own * (1 - chosen.transition.diagonal())).sum(dim=1).mean())
    joint = own * chosen.transition.T[labels]
    ratio = found if chosen is even else min(found / UNEVEN_FOUND, 1 - 1 / classes)
    return LabelErrors(chosen is even, ratio, found, (joint / joint.sum(dim=1, keepdim=True)).numpy(), own.numpy())


def _start(classes: int, wrong: float) -> _Mixture:
    """Where a fit may begin: scores decide, and so many labels are wrong."""
    other = wrong / (classes - 1)
    transition = torch.full((classes, classes), other).double().fill_diagonal_(1 - wrong)
    return _Mixture(-np.inf, 2 * torch.eye(classes).double(), torch.zeros(classes).double(), transition)


def _counted(scores: Tensor, given: Tensor) -> _Mixture:
    """Where the fit may begin: the class of the largest score is the true one."""
    classes = scores.shape[1]
    counts = torch.ones(classes, classes).double()
    counts.index_put_((scores.argmax(dim=1), given), torch.ones(len(given)).double(), accumulate=True)
    return replace(_start(classes, 0.5), transition=counts / counts.sum(dim=1, keepdim=True))


def _fit(scores: Tensor, given: Tensor, begin: _Mixture, uneven: bool = False) -> _Mixture:
    """The mixture of most likelihood near `begin`, in which wrong labels are spread evenly, or as they may be."""
    classes = scores.shape[1]
    weights, bias = begin.weights.clone(), begin.bias.clone()
    wrong = (1 - begin.transition.diagonal()).clamp(1e-3, 1 - 1e-3).logit()[: classes if uneven else 1].clone()
    spread = (begin.transition / (1 - begin.transition.diagonal())[:, None]).clamp_min(1e-4).log().fill_diagonal_(0)
    spread = (spread - spread.sum(dim=1, keepdim=True) / (classes - 1)).fill_diagonal_(0) * uneven
    trained = [weights, bias, wrong, *([spread] if uneven else [])]
    for tensor in trained:
        tensor.requires_grad_()
    optimiser = torch.optim.LBFGS(trained, max_iter=ITERATIONS, line_search_fn="strong_wolfe")
    no_own = torch.zeros(classes, classes).double().fill_diagonal_(-torch.inf)

    def transition() -> Tensor:
        share = wrong.sigmoid().expand(classes)
        return torch.diag(1 - share) + share[:, None] * (spread + no_own).softmax(dim=1)

    def likelihood() -> Tensor:
        own = (scores @ weights + bias).softmax(dim=1) @ transition()
        return own.gather(1, given[:, None]).clamp_min(1e-12).log().sum()

    def step() -> Tensor:
        optimiser.zero_grad()
        loss = (PRIOR * (weights.square().mean() + spread.square().mean()) - likelihood()) / len(given)
        loss.backward()
        return loss

    optimiser.step(step)
    with torch.no_grad():
        return _Mixture(float(likelihood()), weights.detach(), bias.detach(), transition())
