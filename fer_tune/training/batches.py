"""Which images and labels each iteration sees: order, class balance, augmentation."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from fer_tune.data.augmentation import AUGMENTATIONS
from fer_tune.data.labels import MISSING_CLASS, LabelSet, first_categorical
from fer_tune.data.noisy import NoisyData
from fer_tune.training.spec import TrainingSpec


class Batches:
    """Images and noisy labels of a data set as tensors on a device.

    Args:
        training: its `batch_size`, `balance`, `augment` and `crop_padding` are used.
        joint: whether labels for joint training are needed (`game_labels`).
        memory_format: of the image tensors.
        draws: the generators "batches" (on the CPU) and "augmentation" (on `device`).

    Raises ValueError for joint training on data in which no sample of a split has every label.
    """

    def __init__(
        self,
        data: NoisyData,
        training: TrainingSpec,
        joint: bool,
        device: torch.device,
        memory_format: torch.memory_format,
        draws: Mapping[str, torch.Generator],
    ) -> None:
        self.data, self.training, self.device = data, training, device
        self._memory_format, self._draws = memory_format, draws
        self._targets = torch.from_numpy(data.targets)
        self._game_labels = torch.from_numpy(data.game_inputs) if joint else self._targets
        self._train = torch.from_numpy(data.dataset.splits["train"])
        self._sampling = sampling_weights(data) if training.balance == "sampling" else None

    @property
    def steps(self) -> int:
        """How many batches an epoch has."""
        return max(1, len(self._train) // self.training.batch_size)

    def epoch(self) -> Iterator[Tensor]:
        """Indices (batch_size,) of one epoch's batches, in random order.

        An incomplete last batch is dropped unless it is the only one.
        """
        count = len(self._train)
        if self._sampling is None:
            chosen = torch.randperm(count, generator=self._draws["batches"])
        else:
            chosen = torch.multinomial(self._sampling, count, True, generator=self._draws["batches"])
        size = min(self.training.batch_size, count)
        return iter(self._train[chosen][: count // size * size].split(size))

    def images(self, indices: Tensor | Sequence[int] | np.ndarray) -> Tensor:
        """Images (N, 3, S, S) in [-1, 1]."""
        pixels = torch.from_numpy(self.data.dataset.images[np.asarray(indices)]).to(self.device)
        return (pixels.float() / 127.5 - 1).contiguous(memory_format=self._memory_format)

    def training_images(self, indices: Tensor) -> Tensor:
        """Images (N, 3, S, S) in [-1, 1], augmented if the run augments."""
        images = self.images(indices)
        if self.training.augment:
            images = AUGMENTATIONS[self._augmentation](images, self._draws["augmentation"])
        return images

    @property
    def _augmentation(self) -> str:
        name = self.data.dataset.augmentation
        return "crop_grey" if name == "crop" and self.training.crop_padding == "grey" else name

    def targets(self, indices: Tensor) -> Tensor:
        """Labels (N, sum of sizes) of the task loss: classes one-hot, missing labels NaN."""
        return self._targets[indices].to(self.device)

    def game_labels(self, indices: Tensor) -> Tensor:
        """Labels (N, sum of sizes) of joint training: as `targets`, with gaps filled from other samples."""
        return self._game_labels[indices].to(self.device)


def class_weights(data: NoisyData, label_set: LabelSet) -> Tensor:
    """A weight (K,) for each class of a categorical set, inverse to its share of the noisy training labels.

    If every class occurs, the weights' mean over labelled training samples is 1.
    """
    classes = _training_classes(data, label_set)
    present = classes[classes != MISSING_CLASS]
    counts = torch.bincount(present, minlength=label_set.size).clamp_min(1).float()
    return len(present) / (counts.count_nonzero() * counts)


def sampling_weights(data: NoisyData) -> Tensor:
    """How likely each training sample (n,) is drawn so that the first set's classes come equally often.

    A sample without a label weighs 1.
    """
    first = first_categorical(data.label_sets)
    classes = _training_classes(data, first)
    return torch.where(classes == MISSING_CLASS, 1.0, class_weights(data, first)[classes.clamp_min(0)])


def _training_classes(data: NoisyData, label_set: LabelSet) -> Tensor:
    return torch.from_numpy(data.labels[label_set.name][data.dataset.splits["train"]])
