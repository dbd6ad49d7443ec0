"""Adversarial training of encoder, decoder and discriminator: one epoch, one step, the updates, the whole state."""

import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from fer_tune.data.labels import first_categorical
from fer_tune.data.noisy import NoisyData
from fer_tune.models.backbones import Backbone
from fer_tune.models.decoder import Decoder
from fer_tune.models.discriminator import Discriminator
from fer_tune.models.encoder import Encoder, build_encoder
from fer_tune.models.layers import normalised
from fer_tune.models.spec import ModelSpec
from fer_tune.models.weights import load_pretrained
from fer_tune.system.randomness import stream_seed
from fer_tune.training.averaging import AveragedEncoder
from fer_tune.training.batches import Batches, class_weights
from fer_tune.training.devices import autocast, usual_device
from fer_tune.training.diagnostics import label_readings, prediction_changes, susceptibility
from fer_tune.training.evaluation import discriminator_accuracy, predict
from fer_tune.training.losses import (
    ClassLoss,
    cross_entropy,
    discriminator_joint_loss,
    generator_joint_loss,
    task_losses,
)
from fer_tune.training.pairs import Pairs, play
from fer_tune.training.schedule import is_constant, learning_rate
from fer_tune.training.scores import MISSING, score_predictions
from fer_tune.training.spec import TrainingSpec

STATE_VERSION = 1
CHECK_EVERY = 32  # steps between checks that the losses are finite
DRAWS = ("batches", "augmentation", "dropout", "encoder_noise", "decoder_noise")
OPTIMISERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
Network = TypeVar("Network", bound=nn.Module)


class Diverged(RuntimeError):
    """The run cannot be continued: a loss is not finite, or every score is saturated."""

    def __init__(self, quantity: str, epoch: int, why: str = "is not finite") -> None:
        super().__init__(f"{quantity} {why} in epoch {epoch}")
        self.quantity, self.epoch, self.why = quantity, epoch, why

    def __reduce__(self) -> tuple[type, tuple[str, int, str]]:
        return Diverged, (self.quantity, self.epoch, self.why)


class Trainer:
    """One training run; its numbers depend on data, model, training and seed alone.

    With lambda = 0 decoder and discriminator do not exist: the run is the multi-task VGGNet baseline, and its joint
    losses are NaN. Initial weights, batches, augmentation, dropout and noise vectors come from separate generators,
    so runs that differ only in lambda start from the same encoder and see the same batches.

    Args:
        device: default: the GPU if there is one.
        class_loss: the loss of each categorical set.
        backbone: builds a module that maps images (N, 3, S, S) in [-1, 1] to features (N, D). It takes the place of
            the encoder's convolutions and of `model.encoder`.

    >>> from fer_tune import ModelSpec, Trainer, TrainingSpec, load_data
    >>> data = load_data({"kind": "synthetic", "train": 140, "validation": 70, "test": 70}, {"ratio": 0.4})
    >>> trainer = Trainer(data, ModelSpec(width=0.125, encoder_norm="batch"), TrainingSpec(lam=0.3, lr=1e-3))
    >>> sorted(trainer.run_epoch())[:3]
    ['ccc_loss', 'cross_entropy', 'discriminator_accuracy_affect']

    Raises ValueError for a score weight that names no score, data without a categorical label set, or joint training
    on data in which no sample of a split has every label.
    """

    memory_format = torch.channels_last

    def __init__(
        self,
        data: NoisyData,
        model: ModelSpec | None = None,
        training: TrainingSpec | None = None,
        seed: int = 0,
        device: str | torch.device | None = None,
        class_loss: ClassLoss = cross_entropy,
        backbone: Backbone | None = None,
    ) -> None:
        self.data = data
        self.model = model or ModelSpec()
        self.training = training or TrainingSpec()
        self.seed = seed
        self.device = torch.device(device) if device else usual_device()
        self.class_loss = class_loss
        self.backbone = backbone
        self.epoch = 0
        self.label_sets = data.label_sets
        self.first = first_categorical(self.label_sets)
        self.score_names = ("image", "noise", *(s.name for s in self.label_sets), "joint")
        self.score_weights = self._score_weights()
        self.class_weights = self._class_weights()
        self.generators = {
            name: torch.Generator("cpu" if name == "batches" else self.device).manual_seed(stream_seed(seed, name))
            for name in DRAWS
        }
        self.batches = Batches(data, self.training, self.joint, self.device, self.memory_format, self.generators)
        self.train_classes: Tensor | None = None  # predicted for the training images after the last epoch
        self.networks: dict[str, nn.Module] = {}
        self.optimisers: dict[str, torch.optim.Optimizer] = {}
        self.build()
        self.averaged = AveragedEncoder(self.encoder, self.training.average) if self.training.average else None

    @property
    def joint(self) -> bool:
        """Whether this run trains with the joint loss."""
        return self.training.lam > 0

    @property
    def done(self) -> bool:
        """Whether every epoch has run."""
        return self.epoch >= self.training.epochs

    @property
    def evaluated(self) -> Encoder:
        """The encoder that is evaluated: the average of the trained one's weights, if the run averages."""
        return self.encoder if self.averaged is None else self.averaged.encoder

    def _score_weights(self) -> Tensor:
        unknown = set(self.training.score_weights) - set(self.score_names)
        if unknown:
            raise ValueError(
                f"score_weights: {sorted(unknown)} are not scores. Use names from {list(self.score_names)}"
            )
        weights = [self.training.score_weights.get(name, 1.0) for name in self.score_names]
        return torch.tensor(weights, device=self.device)

    def _class_weights(self) -> dict[str, Tensor]:
        """Weights (K,) by categorical label set; none unless the loss balances the classes."""
        if self.training.balance != "loss":
            return {}
        sets = [s for s in self.label_sets if s.kind == "categorical"]
        return {s.name: class_weights(self.data, s).to(self.device) for s in sets}

    # Networks and optimisers

    def build(self) -> None:
        """Create the run's networks and optimisers."""
        size, width = self.model.game_size or self.data.dataset.image_size, self.model.width
        sizes = [s.size for s in self.label_sets]
        self.encoder = self.build_encoder("encoder")
        generator_parameters = list(self.encoder.parameters())
        if self.joint:
            self.decoder = self.build_network("decoder", Decoder, size, sum(sizes), width)
            self.discriminator = self.build_network("discriminator", Discriminator, size, sizes, width)
            generator_parameters += self.decoder.parameters()
            self.optimisers["discriminator"] = self.build_optimiser(self.discriminator.parameters())
        self.optimisers["generator"] = self.build_optimiser(generator_parameters, self.training.weight_decay)

    def build_encoder(self, name: str) -> Encoder:
        """An encoder with initial weights of its own name, its convolutions pretrained if the model says so."""
        outputs, model = sum(s.size for s in self.label_sets), self.model
        build = partial(build_encoder, backbone=self.backbone)
        encoder = self.build_network(name, build, self.data.dataset.image_size, outputs, model)
        if model.encoder_weights:
            load_pretrained(encoder, model.encoder, Path(model.encoder_weights))
        return encoder

    def build_network(self, name: str, build: Callable[..., Network], *settings: Any) -> Network:
        """A network whose initial weights depend on the seed and its name alone; it is kept under that name."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(stream_seed(self.seed, "weights", name))
            network = build(*settings).to(self.device).to(memory_format=self.memory_format)
        self.networks[name] = network
        return network

    def build_optimiser(self, parameters: Iterable[nn.Parameter], decay: float = 0.0) -> torch.optim.Adam:
        """The run's optimiser over these parameters."""
        optimiser = OPTIMISERS[self.training.optimiser]
        return optimiser(parameters, lr=self.training.lr, weight_decay=decay, fused=True)

    # One epoch

    def run_epoch(self) -> dict[str, float]:
        """Train one epoch and evaluate once; return the epoch's metrics, missing ones as NaN.

        Raises Diverged, within 32 steps, if a loss is not finite, and at the epoch's end if the discriminator's hinge
        loss is 0: every score is then saturated and the joint loss has no gradient.
        """
        start = time.perf_counter()
        self.epoch += 1
        playing = self.joint and self.epoch > self.training.warmup_epochs
        for network in self.networks.values():
            network.train()
        sums: dict[str, Tensor] = {}
        steps = images = 0
        for indices in self.batches.epoch():
            self._set_learning_rate(steps)
            for name, value in self.train_step(indices, playing).items():
                sums[name] = sums[name] + value if name in sums else value
            steps += 1
            if steps % CHECK_EVERY == 0:
                self._check_finite(sums)
            images += len(indices)
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        trained = time.perf_counter()
        metrics = self._training_metrics({name: total / steps for name, total in sums.items()}, playing)
        metrics |= self._evaluate(playing)
        metrics["images_per_second"] = images / (trained - start)
        metrics["seconds"] = time.perf_counter() - start
        return metrics

    def _set_learning_rate(self, step: int) -> None:
        if is_constant(self.training):
            return
        rate = learning_rate(self.training, self.epoch, step, self.batches.steps)
        for optimiser in self.optimisers.values():
            for group in optimiser.param_groups:
                group["lr"] = rate

    def _check_finite(self, sums: Mapping[str, Tensor]) -> None:
        for quantity, value in sums.items():
            if value.ndim == 0 and not torch.isfinite(value):
                raise Diverged(quantity, self.epoch)

    def _training_metrics(self, means: Mapping[str, Tensor], playing: bool) -> dict[str, float]:
        self._check_finite(means)
        metrics = {name: float(value) for name, value in means.items() if value.ndim == 0}
        if metrics.get("discriminator_joint_loss") == 0:
            raise Diverged("discriminator_joint_loss", self.epoch, "is 0: every score is saturated")
        if not any(s.kind == "continuous" for s in self.label_sets):
            metrics["ccc_loss"] = MISSING
        for name in ("generator_joint_loss", "discriminator_joint_loss"):
            metrics.setdefault(name, MISSING)
        for side in ("score_real", "score_generated"):
            values = means[side].tolist() if playing else [MISSING] * len(self.score_names)
            metrics |= {f"{side}_{name}": value for name, value in zip(self.score_names, values, strict=True)}
        return metrics

    def _evaluate(self, playing: bool) -> dict[str, float]:
        for network in self.networks.values():
            network.eval()
        metrics: dict[str, float] = {}
        for split, prefix in (("validation", "val"), ("test", "test")):
            indices = self.data.dataset.splits[split]
            truths = {name: torch.from_numpy(values[indices]) for name, values in self.data.labels.items()}
            predictions = self.predict(indices)
            metrics |= score_predictions(self.label_sets, predictions, truths, prefix)
            if split == "validation":
                metrics |= label_readings(self.label_sets, predictions, truths)
        before = self.train_classes
        self.train_classes = self.predict(self.data.dataset.splits["train"])[self.first.name].argmax(1)
        metrics["prediction_changes"] = prediction_changes(self.train_classes, before)
        metrics["susceptibility"] = susceptibility(self.encoder, self.optimisers["generator"], self.batches, self.seed)
        accuracies = self._discriminator_accuracy() if playing else [MISSING] * len(self.score_names)
        metrics |= {f"discriminator_accuracy_{n}": a for n, a in zip(self.score_names, accuracies, strict=True)}
        return metrics

    def _discriminator_accuracy(self) -> list[float]:
        draw = torch.Generator(self.device).manual_seed(stream_seed(self.seed, "evaluation", self.epoch))
        return discriminator_accuracy(self.encoder, self.decoder, self.discriminator, self.batches, draw)

    def predict(self, indices: np.ndarray) -> dict[str, Tensor]:
        """The evaluated encoder's probabilities (N, K) or values (N, d) of images (N,), by label set, on the CPU."""
        return predict(self.evaluated, self.batches, indices)

    # One step

    def train_step(self, indices: Tensor, playing: bool) -> dict[str, Tensor]:
        """One iteration on samples (N,): a generator and two discriminator updates, or the task update alone.

        All three updates see the same pairs, which are computed once. With `discriminator_first` (the authors' code)
        the generator's gradient flows back through these pairs and the discriminator that has just been updated; with
        `generator_first` (the paper's text) the discriminator learns from pairs of the encoder and decoder before
        their update.

        Returns what is averaged over the epoch: losses () and mean scores (T + 3,).
        """
        images, targets = self.batches.training_images(indices), self.batches.targets(indices)
        if not playing:
            return self.task_update(images, targets)
        labels = targets if self.data.complete else self.batches.game_labels(indices)
        pairs = self.make_pairs(images, labels)
        fixed = pairs.detach()
        if self.training.order == "generator_first":
            report = self.generator_update(pairs, targets)
            del pairs  # and with it the graph
            self.discriminator_update(fixed)
            return report | self.discriminator_update(fixed)
        self.discriminator_update(fixed)
        judged = self.discriminator_update(fixed)
        return self.generator_update(pairs, targets) | judged

    def task_update(self, images: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """One Adam step of the encoder on the task loss alone: the baseline, and the warm-up."""
        with self.autocast():
            outputs = self.encoder(images, self.generators["dropout"]).labels
        loss, report = self.task_loss(outputs, targets)
        self.descend("generator", loss)
        return report

    def make_pairs(self, images: Tensor, labels: Tensor) -> Pairs:
        """One forward pass of encoder and decoder on images and the discriminator's labels (N, sum of sizes)."""
        with self.autocast():
            return play(self.encoder, self.decoder, images, labels, self.generators)

    def generator_update(self, pairs: Pairs, targets: Tensor) -> dict[str, Tensor]:
        """One Adam step of encoder and decoder on task loss + lambda * L_G, through the graph of their pairs.

        Args:
            targets: (N, sum of sizes), of the task loss. They differ from the pairs' labels where labels are missing.
        """
        self.discriminator.requires_grad_(False)
        with normalised(self.discriminator), self.autocast():
            with torch.no_grad():
                real_features = self.discriminator.image_features(pairs.real_images)
            generated_features = self.discriminator.image_features(pairs.generated_images)
            scores = self.discriminator.score(*pairs.stacked(torch.cat([real_features, generated_features])))
        joint_loss = generator_joint_loss(*self._weighted(scores))
        loss, report = self.task_loss(pairs.real_labels, targets)
        self.descend("generator", loss + self.training.lam * joint_loss)
        self.discriminator.requires_grad_(True)
        return report | {"generator_joint_loss": joint_loss.detach()}

    def discriminator_update(self, pairs: Pairs) -> dict[str, Tensor]:
        """One Adam step of the discriminator on L_D over detached pairs."""
        with normalised(self.discriminator):
            with self.autocast():
                scores = self.discriminator(*pairs.stacked())
            real, generated = self._weighted(scores)
            loss = discriminator_joint_loss(real, generated)
            self.descend("discriminator", loss)
        return {
            "discriminator_joint_loss": loss.detach(),
            "score_real": scores[: len(real)].detach().float().mean(0),
            "score_generated": scores[len(real) :].detach().float().mean(0),
        }

    def _weighted(self, scores: Tensor) -> tuple[Tensor, Tensor]:
        """Weighted scores (N, T + 3) of the real and of the generated pairs, from those of both (2N, T + 3)."""
        real, generated = (scores.float() * self.score_weights).chunk(2)
        return real, generated

    def task_loss(self, outputs: Tensor, targets: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Class loss + gamma * (1 - CCC) of raw outputs (N, sum of sizes); also returns each part, detached."""
        class_loss, ccc_loss = task_losses(
            outputs.float(), targets, self.label_sets, self.class_loss, self.class_weights, not self.data.complete
        )
        loss = class_loss + self.training.gamma * ccc_loss
        report = {"cross_entropy": class_loss, "ccc_loss": ccc_loss, "task_loss": loss}
        return loss, {name: value.detach() for name, value in report.items()}

    def descend(self, optimiser: str, loss: Tensor) -> None:
        """One step of an optimiser down the gradient of a loss; the encoder's average follows the generator's."""
        self.optimisers[optimiser].zero_grad()
        loss.backward()
        self.optimisers[optimiser].step()
        if self.averaged is not None and optimiser == "generator":
            self.averaged.follow()

    def autocast(self) -> torch.autocast:
        """The run's precision, as a context."""
        return autocast(self.device, self.training.precision)

    # State

    def state_dict(self) -> dict[str, Any]:
        """Everything that is needed to continue the run elsewhere, of types that weights-only loading accepts."""
        averaged = {} if self.averaged is None else {"averaged": self.averaged.state_dict()}
        return averaged | {
            "version": STATE_VERSION,
            "epoch": self.epoch,
            "networks": {name: network.state_dict() for name, network in self.networks.items()},
            "optimisers": {name: optimiser.state_dict() for name, optimiser in self.optimisers.items()},
            "generators": {name: generator.get_state() for name, generator in self.generators.items()},
            "train_classes": self.train_classes,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a state of the same data, model, training and seed.

        Raises ValueError for a state of another format version.
        """
        if state["version"] != STATE_VERSION:
            raise ValueError(f"cannot read a state of version {state['version']}: this is version {STATE_VERSION}")
        self.epoch = state["epoch"]
        for name, network in self.networks.items():
            network.load_state_dict(state["networks"][name])
        for name, optimiser in self.optimisers.items():
            optimiser.load_state_dict(state["optimisers"][name])
        for name, generator in self.generators.items():
            generator.set_state(state["generators"][name].cpu())
        if self.averaged is not None:
            self.averaged.load_state_dict(state["averaged"])
        classes = state["train_classes"]
        self.train_classes = None if classes is None else classes.cpu()

    def fork(self, state: Mapping[str, Any]) -> None:
        """Continue from a warm-up that the same run at lambda = 0 has computed.

        Until joint training starts, lambda has no effect and only the encoder is trained, so the result is bit for bit
        that of a run of its own. Raises ValueError as `load_state_dict` does.
        """
        own = self.state_dict()
        adam = {**own["optimisers"]["generator"], "state": state["optimisers"]["generator"]["state"]}
        own["networks"]["encoder"] = state["networks"]["encoder"]
        own["optimisers"]["generator"] = adam  # the encoder's parameters come first in every generator optimiser
        self.load_state_dict({**state, "networks": own["networks"], "optimisers": own["optimisers"]})
