"""What the labels of all other images say about each image: scores by a classifier that was not trained on its label.

The classifier is a ridge regression of the labels on `patch_features`. For it, leaving one image out has a closed form,
so every image gets its own classifier without any training.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fer_tune.data.labels import MISSING_CLASS, first_categorical
from fer_tune.data.noisy import NoisyData
from fer_tune.data.votes import voting_sets
from fer_tune.system.randomness import numpy_stream
from fer_tune.training.patch_features import FEATURES, PatchFeatures

VERSION = 1  # of the scores: another one where the same data get other scores
MOST_FITTED = 20_000  # images that the regression is fitted to; further ones are only predicted
PENALTIES = (300.0, 1e3, 3e3, 1e4, 3e4)  # that which predicts held-out labels best is taken
SECONDS_PER_IMAGE, SECONDS_OF_SOLVING = 0.0006, 1.0  # of one CPU core (`fer-tune bench suspects`)
Progress = Callable[[int, int], None]  # told how many of how many images are done


@dataclass(frozen=True)
class HeldOut:
    """Scores of labelled training and validation images.

    Attributes:
        samples: int64 (n,) indices into the data set, rising.
        scores: float32 (n, K), one for each class of the first categorical set: the share of labels of that class
            that the regression expects. They are not clipped to [0, 1] and their order is what counts.
    """

    samples: np.ndarray
    scores: np.ndarray


def core_seconds(images: int) -> float:
    """About how many seconds of one CPU core `held_out_scores` takes for so many images."""
    return images * SECONDS_PER_IMAGE + SECONDS_OF_SOLVING


def images_within(seconds: float) -> int:
    """For how many images `held_out_scores` takes at most so many seconds of one CPU core; 0 if for none."""
    return max(0, int((seconds - SECONDS_OF_SOLVING) / SECONDS_PER_IMAGE))


def labelled_samples(data: NoisyData) -> np.ndarray:
    """Indices (n,), rising, of the training and validation samples with a label of a voting set."""
    used = np.sort(np.concatenate([data.dataset.splits["train"], data.dataset.splits["validation"]]))
    answers = np.stack([data.labels[s.name][used] for s in voting_sets(data.label_sets)])
    return used[(answers != MISSING_CLASS).any(axis=0)]


def labels_key(data: NoisyData) -> str:
    """A name (32 hex digits) of what the scores depend on: equal ones mean equal images, splits and labels."""
    digest = hashlib.blake2b(f"{VERSION} {data.dataset.digest}".encode(), digest_size=16)
    samples = labelled_samples(data)
    digest.update(samples.tobytes())
    for label_set in voting_sets(data.label_sets):
        digest.update(np.ascontiguousarray(data.labels[label_set.name][samples]).tobytes())
    return digest.hexdigest()


def held_out_scores(
    data: NoisyData, most: int | None = None, seed: int = 0, progress: Progress = lambda done, of: None
) -> HeldOut:
    """Scores of every labelled training and validation image, or of a random sample of `most` images.

    Where several annotators labelled an image, the share of their answers takes the place of one label. At most
    MOST_FITTED images are fitted, drawn at random; the others are predicted by what those say.
    """
    samples = labelled_samples(data)
    rng = numpy_stream(seed, "held-out scores")
    if most is not None and most < len(samples):
        samples = np.sort(rng.choice(samples, most, replace=False))
    targets = torch.from_numpy(_shares(data, samples))
    order = rng.permutation(len(samples))
    fitted, others = np.sort(order[:MOST_FITTED]), np.sort(order[MOST_FITTED:])
    images = data.dataset.images
    maker = PatchFeatures(images[samples[fitted[:: _step(len(fitted))]]], seed)
    features = torch.empty(len(fitted), FEATURES)
    for part, block in maker.blocks(images, samples[fitted]):
        features[part] = block
        progress(part.stop, len(samples))
    centre = features.mean(dim=0)
    features -= centre
    spread = features.square().mean(dim=0).sqrt()
    spread += 1e-3 * spread.square().mean().sqrt() + 1e-12
    features /= spread
    scores = torch.empty(len(samples), targets.shape[1])
    scores[fitted], weights, bias = leave_one_out(features, targets[fitted])
    for part, block in maker.blocks(images, samples[others]):
        scores[others[part]] = (block - centre) / spread @ weights + bias
        progress(len(fitted) + part.stop, len(samples))
    return HeldOut(samples, scores.numpy())


def leave_one_out(features: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Ridge regression of targets (n, K) on features (n, D) of mean 0.

    Returns each row's prediction (n, K) by a regression without this row, and weights (D, K) and bias (K,) of that
    with all rows. The penalty is the one of PENALTIES with the smallest squared error of the former.
    """
    bias = targets.mean(dim=0)
    centred = targets - bias
    squares, products = features.T @ features, features.T @ centred
    best: tuple[float, Tensor, Tensor] | None = None
    for penalty in PENALTIES:
        factor = torch.linalg.cholesky(squares + penalty * torch.eye(len(squares)))
        weights = torch.cholesky_solve(products, factor)
        leverage = torch.cat([_leverage(factor, rows) for rows in features.split(1000)])
        own = (features @ weights - centred) / (1 - leverage).clamp_min(1e-6)[:, None]  # of the row left out
        error = float(own.square().mean())
        if best is None or error < best[0]:
            best = error, own + targets, weights
    assert best is not None
    return best[1], best[2], bias


def _leverage(factor: Tensor, rows: Tensor) -> Tensor:
    """By how much the fit of each row (n, D) follows its own target: x' A^-1 x, from A's Cholesky factor."""
    return torch.linalg.solve_triangular(factor, rows.T, upper=False).square().sum(dim=0)


def _step(count: int) -> int:
    """Every how many of the fitted images give patches: at most about 2,000 images do."""
    return max(1, count // 2000)


def _shares(data: NoisyData, samples: np.ndarray) -> np.ndarray:
    """The share of annotators (n, K) who gave each class to samples (n,)."""
    classes = np.arange(first_categorical(data.label_sets).size)
    votes = sum(data.labels[s.name][samples][:, None] == classes for s in voting_sets(data.label_sets))
    counts = np.asarray(votes, dtype=np.float32)
    shares: np.ndarray = counts / counts.sum(axis=1, keepdims=True)
    return shares
