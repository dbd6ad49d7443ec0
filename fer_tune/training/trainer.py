"""The alternating game of encoder, decoder and discriminator: one epoch, its metrics, its whole state."""

import copy
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from fer_tune.data.augmentation import AUGMENTATIONS
from fer_tune.data.labels import MISSING_CLASS, first_categorical
from fer_tune.data.noisy import NoisyData
from fer_tune.models.decoder import Decoder
from fer_tune.models.discriminator import Discriminator
from fer_tune.models.encoder import Encoder, sample_noise
from fer_tune.models.layers import normalised
from fer_tune.models.spec import ModelSpec
from fer_tune.models.weights import load_convolutions
from fer_tune.system.randomness import stream_seed
from fer_tune.training.losses import (
    ClassLoss,
    cross_entropy,
    discriminator_joint_loss,
    generator_joint_loss,
    task_losses,
)
from fer_tune.training.scores import MISSING, label_readings, score_predictions
from fer_tune.training.spec import TrainingSpec

STATE_VERSION = 1
EVALUATION_BATCH = 500
PROBED = 128  # validation images given random labels
CHECK_EVERY = 32  # steps between looks at whether the losses are finite
DRAWS = ("batches", "augmentation", "dropout", "encoder_noise", "decoder_noise")
Network = TypeVar("Network", bound=nn.Module)


class Diverged(RuntimeError):
    """This run can no longer be read: a loss is not finite, or every score is saturated."""

    def __init__(self, quantity: str, epoch: int, why: str = "is not finite") -> None:
        super().__init__(f"{quantity} {why} in epoch {epoch}")
        self.quantity, self.epoch, self.why = quantity, epoch, why

    def __reduce__(self) -> tuple[type, tuple[str, int, str]]:
        return Diverged, (self.quantity, self.epoch, self.why)


class Pairs(NamedTuple):
    """What the discriminator tells apart, N samples each: images, noise vectors, labels."""

    real_images: Tensor  # (N, 3, S, S)
    real_noise: Tensor  # (N, 100), the encoder's
    real_labels: Tensor  # (N, sum of sizes), the encoder's raw outputs
    generated_images: Tensor  # (N, 3, S, S), the decoder's
    generated_noise: Tensor  # (N, 100), standard normal
    generated_labels: Tensor  # (N, sum of sizes), the noisy labels

    def detach(self) -> "Pairs":
        return Pairs(*(t.detach() for t in self))

    def stacked(self, images: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Real above generated, (2N, ...): images (or the given features of them), noise, labels."""
        return (
            torch.cat([self.real_images, self.generated_images]) if images is None else images,
            torch.cat([self.real_noise, self.generated_noise]),
            torch.cat([self.real_labels, self.generated_labels]),
        )


def usual_device() -> torch.device:
    """The GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def computes_bf16(device: torch.device) -> bool:
    """Whether a device has bf16 arithmetic worth the name; on a CPU without it bf16 takes some 50 times fp32's time."""
    if device.type != "cpu":
        return True
    return torch.backends.mkldnn.is_available() and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


class Trainer:
    """One training run, a function of (data, model, training, seed).

    With lambda = 0 the decoder and the discriminator do not exist: the run is the multi-task VGGNet
    baseline, and its joint losses are missing values. Initial weights, batches, augmentation,
    dropout and noise vectors come from separate generators, so runs that differ only in lambda start
    from the same encoder and see the same batches.

    >>> from fer_tune import ModelSpec, Trainer, TrainingSpec, load_data
    >>> data = load_data({"kind": "synthetic", "train": 140, "validation": 70, "test": 70}, {"ratio": 0.4})
    >>> trainer = Trainer(data, ModelSpec(width=0.125, encoder_norm="batch"), TrainingSpec(lam=0.3, lr=1e-3))
    >>> sorted(trainer.run_epoch())[:3]
    ['ccc_loss', 'cross_entropy', 'discriminator_accuracy_affect']

    Raises ValueError for a score weight whose name is no score, or a data set without classes.
    """

    memory_format = torch.channels_last

    def __init__(
        self,
        data: NoisyData,
        model: ModelSpec | None = None,
        training: TrainingSpec | None = None,
        seed: int = 0,
        device: str | torch.device | None = None,
    ) -> None:
        self.data = data
        self.model = model or ModelSpec()
        self.training = training or TrainingSpec()
        self.seed = seed
        self.device = torch.device(device) if device else usual_device()
        self.epoch = 0
        self.label_sets = data.label_sets
        self.first = first_categorical(self.label_sets)
        self.score_names = ("image", "noise", *(s.name for s in self.label_sets), "joint")
        self.score_weights = self._score_weights()
        self.targets = torch.from_numpy(data.targets)
        self.inputs = torch.from_numpy(data.game_inputs) if self.joint else self.targets
        self.truths = {name: torch.from_numpy(values) for name, values in data.labels.items()}
        self.class_loss: ClassLoss = cross_entropy
        self.class_weights = self._balance_weights()
        self.generators = {
            name: torch.Generator("cpu" if name == "batches" else self.device).manual_seed(stream_seed(seed, name))
            for name in DRAWS
        }
        self.train_classes: Tensor | None = None
        self._build()

    @property
    def joint(self) -> bool:
        """Whether this run plays the joint game at all."""
        return self.training.lam > 0

    @property
    def done(self) -> bool:
        return self.epoch >= self.training.epochs

    def _score_weights(self) -> Tensor:
        unknown = set(self.training.score_weights) - set(self.score_names)
        if unknown:
            raise ValueError(f"score_weights: no score {sorted(unknown)}: the scores are {list(self.score_names)}")
        weights = [self.training.score_weights.get(name, 1.0) for name in self.score_names]
        return torch.tensor(weights, device=self.device)

    def _class_shares(self, name: str) -> tuple[Tensor, Tensor]:
        """Inverse shares (K,) of a set's noisy training classes, mean 1 over samples; and those classes (n,)."""
        classes = self.truths[name][torch.from_numpy(self.data.dataset.splits["train"])]
        present = classes[classes != MISSING_CLASS]
        size = next(s.size for s in self.label_sets if s.name == name)
        counts = torch.bincount(present, minlength=size).clamp_min(1).float()
        return len(present) / (counts.count_nonzero() * counts), classes

    def _balance_weights(self) -> dict[str, Tensor]:
        """Class weights of each categorical set, where the loss makes up for uneven classes."""
        if self.training.balance != "loss":
            return {}
        names = [s.name for s in self.label_sets if s.kind == "categorical"]
        return {name: self._class_shares(name)[0].to(self.device) for name in names}

    def _sample_weights(self, train: Tensor) -> Tensor:
        """How likely each training sample (n,) is drawn, so that classes come equally often."""
        weights, classes = self._class_shares(self.first.name)
        return torch.where(classes == MISSING_CLASS, 1.0, weights[classes.clamp_min(0)])

    def _build(self) -> None:
        size, width = self.data.dataset.image_size, self.model.width
        sizes = [s.size for s in self.label_sets]
        self.encoder = self._network("encoder", Encoder, size, sum(sizes), *self._encoder_settings())
        if self.model.encoder_weights:
            load_convolutions(self.encoder, Path(self.model.encoder_weights))
        generator_parameters = list(self.encoder.parameters())
        self.networks: dict[str, nn.Module] = {"encoder": self.encoder}
        self.optimisers: dict[str, torch.optim.Optimizer] = {}
        if self.joint:
            self.decoder = self._network("decoder", Decoder, size, sum(sizes), width)
            self.discriminator = self._network("discriminator", Discriminator, size, sizes, width)
            self.networks |= {"decoder": self.decoder, "discriminator": self.discriminator}
            generator_parameters += self.decoder.parameters()
            self.optimisers["discriminator"] = self._adam(self.discriminator.parameters())
        self.optimisers["generator"] = self._adam(generator_parameters)

    def _encoder_settings(self) -> tuple[Any, ...]:
        model = self.model
        return model.features, model.width, model.encoder_norm, model.encoder_input

    def _adam(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Adam:
        return torch.optim.Adam(parameters, lr=self.training.lr, fused=True)

    def _network(self, name: str, build: type[Network], *sizes: Any) -> Network:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(stream_seed(self.seed, "weights", name))
            return build(*sizes).to(self.device).to(memory_format=self.memory_format)

    def run_epoch(self) -> dict[str, float]:
        """Train one epoch and evaluate once; return the epoch's metrics, missing ones as NaN.

        Raises Diverged, within a few steps, when a loss is no longer finite, and at the epoch's end when
        the discriminator's hinge loss is 0: all scores are saturated and the game has no gradient left.
        """
        start = time.perf_counter()
        self.epoch += 1
        playing = self.joint and self.epoch > self.training.warmup_epochs
        for network in self.networks.values():
            network.train()
        sums: dict[str, Tensor] = {}
        steps = images = 0
        for indices in self._batches():
            for name, value in self._step(indices, playing).items():
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

    def _check_finite(self, sums: Mapping[str, Tensor]) -> None:
        for quantity, value in sums.items():
            if value.ndim == 0 and not torch.isfinite(value):
                raise Diverged(quantity, self.epoch)

    def _batches(self) -> Iterator[Tensor]:
        """Shuffled indices of one epoch; a last batch less than full is left out unless it is the only one."""
        train, draw = torch.from_numpy(self.data.dataset.splits["train"]), self.generators["batches"]
        if self.training.balance == "sampling":
            order = train[torch.multinomial(self._sample_weights(train), len(train), True, generator=draw)]
        else:
            order = train[torch.randperm(len(train), generator=draw)]
        size = min(self.training.batch_size, len(train))
        return iter(order[: len(order) // size * size].split(size))

    def _images(self, indices: Tensor | np.ndarray) -> Tensor:
        pixels = torch.from_numpy(self.data.dataset.images[np.asarray(indices)]).to(self.device)
        return (pixels.float() / 127.5 - 1).contiguous(memory_format=self.memory_format)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.training.precision == "bf16")

    def _step(self, indices: Tensor, playing: bool) -> dict[str, Tensor]:
        images = self._images(indices)
        if self.training.augment:
            images = AUGMENTATIONS[self.data.dataset.augmentation](images, self.generators["augmentation"])
        targets = self.targets[indices].to(self.device)
        if not playing:
            return self.task_update(images, targets)
        labels = targets if self.data.complete else self.inputs[indices].to(self.device)
        pairs, report = self.generator_update(images, labels, targets)
        self.discriminator_update(pairs)
        return report | self.discriminator_update(pairs)

    def task_update(self, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """One Adam step of the encoder on the task loss alone: the baseline, and the warm-up."""
        with self._autocast():
            outputs = self.encoder(images, self.generators["dropout"]).labels
        loss, report = self._task_loss(outputs, labels)
        self._descend("generator", loss)
        return report

    def generator_update(
        self, images: Tensor, labels: Tensor, targets: Tensor | None = None
    ) -> tuple[Pairs, dict[str, Tensor]]:
        """One Adam step of encoder and decoder on task loss + lambda * L_G; also the pairs, detached.

        `targets` are the labels (N, sum of sizes) of the task loss where they differ from the game's: with gaps.
        """
        self.discriminator.requires_grad_(False)
        with normalised(self.decoder, self.discriminator):
            with self._autocast():
                pairs = self._play(images, labels, self.generators)
                with torch.no_grad():
                    real_features = self.discriminator.image_features(pairs.real_images)
                generated_features = self.discriminator.image_features(pairs.generated_images)
                scores = self.discriminator.score(*pairs.stacked(torch.cat([real_features, generated_features])))
            joint_loss = generator_joint_loss(*self._weighted(scores))
            loss, report = self._task_loss(pairs.real_labels, labels if targets is None else targets)
            self._descend("generator", loss + self.training.lam * joint_loss)
        self.discriminator.requires_grad_(True)
        return pairs.detach(), report | {"generator_joint_loss": joint_loss.detach()}

    def discriminator_update(self, pairs: Pairs) -> dict[str, Tensor]:
        """One Adam step of the discriminator on L_D over detached pairs."""
        with normalised(self.discriminator):
            with self._autocast():
                scores = self.discriminator(*pairs.stacked())
            real, generated = self._weighted(scores)
            loss = discriminator_joint_loss(real, generated)
            self._descend("discriminator", loss)
        return {
            "discriminator_joint_loss": loss.detach(),
            "score_real": scores[: len(real)].detach().float().mean(0),
            "score_generated": scores[len(real) :].detach().float().mean(0),
        }

    def _play(self, images: Tensor, labels: Tensor, draws: Mapping[str, torch.Generator]) -> Pairs:
        encoding = self.encoder(images, draws["dropout"])
        noise = torch.randn(encoding.mean.shape, generator=draws["decoder_noise"], device=self.device)
        generated = self.decoder(noise, labels)
        return Pairs(
            images, sample_noise(encoding, draws["encoder_noise"]), encoding.labels.float(), generated, noise, labels
        )

    def _weighted(self, scores: Tensor) -> tuple[Tensor, Tensor]:
        real, generated = (scores.float() * self.score_weights).chunk(2)
        return real, generated

    def _task_loss(self, outputs: Tensor, labels: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        class_loss, ccc_loss = task_losses(
            outputs.float(), labels, self.label_sets, self.class_loss, self.class_weights, not self.data.complete
        )
        loss = class_loss + self.training.gamma * ccc_loss
        report = {"cross_entropy": class_loss, "ccc_loss": ccc_loss, "task_loss": loss}
        return loss, {name: value.detach() for name, value in report.items()}

    def _descend(self, optimiser: str, loss: Tensor) -> None:
        self.optimisers[optimiser].zero_grad()
        loss.backward()
        self.optimisers[optimiser].step()

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
            truths = {name: values[torch.from_numpy(indices)] for name, values in self.truths.items()}
            predictions = self.predict(indices)
            metrics |= score_predictions(self.label_sets, predictions, truths, prefix)
            if split == "validation":
                metrics |= label_readings(self.label_sets, predictions, truths)
        metrics["prediction_changes"] = self._prediction_changes()
        metrics["susceptibility"] = self._susceptibility()
        accuracies = self._discriminator_accuracy() if playing else [MISSING] * len(self.score_names)
        metrics |= {f"discriminator_accuracy_{n}": a for n, a in zip(self.score_names, accuracies, strict=True)}
        return metrics

    def _prediction_changes(self) -> float:
        """Share of training images whose predicted class (first categorical set) changed since the last epoch."""
        classes = self.predict(self.data.dataset.splits["train"])[self.first.name].argmax(1)
        before, self.train_classes = self.train_classes, classes
        return MISSING if before is None else float((classes != before).float().mean())

    def _susceptibility(self) -> float:
        """Accuracy gained on random labels by one step on them (Forouzesh et al., ICLR 2023), of a copy of the encoder.

        The same validation images and the same random classes in every epoch. The step is that of the run's
        optimiser without its momentum: each weight as far as its own past gradients let it go. A network that
        memorises easily gains much.
        """
        indices = self.data.dataset.splits["validation"][:PROBED]
        draw = torch.Generator().manual_seed(stream_seed(self.seed, "susceptibility"))
        classes = torch.randint(self.first.size, (len(indices),), generator=draw).to(self.device)
        encoder, images = copy.deepcopy(self.encoder).eval(), self._images(indices)

        def outputs() -> Tensor:
            with self._autocast():
                labels = encoder(images).labels
            parts = labels.float().split([s.size for s in self.label_sets], dim=1)
            return parts[self.label_sets.index(self.first)]

        before = outputs()
        cross_entropy(before, classes).backward()
        adam = self.optimisers["generator"].param_groups[0]
        with torch.no_grad():
            for own, copied in zip(self.encoder.parameters(), encoder.parameters(), strict=True):
                state = self.optimisers["generator"].state.get(own)
                if state and copied.grad is not None:
                    scale = (state["exp_avg_sq"] / (1 - adam["betas"][1] ** state["step"])).sqrt() + adam["eps"]
                    copied.sub_(self.training.lr * copied.grad / scale)
            after = outputs()
        right = [(scores.argmax(1) == classes).float().mean() for scores in (before, after)]
        return float(right[1] - right[0])

    @torch.no_grad()
    def predict(self, indices: np.ndarray) -> dict[str, Tensor]:
        """What the encoder says of images: class probabilities (N, K) or values (N, d), by label set."""
        self.encoder.eval()
        outputs = []
        with self._autocast():
            for start in range(0, len(indices), EVALUATION_BATCH):
                outputs.append(self.encoder(self._images(indices[start : start + EVALUATION_BATCH])).labels)
        parts = torch.cat(outputs).float().cpu().split([s.size for s in self.label_sets], dim=1)
        return {
            s.name: part.softmax(1) if s.kind == "categorical" else part
            for s, part in zip(self.label_sets, parts, strict=True)
        }

    @torch.no_grad()
    def _discriminator_accuracy(self) -> list[float]:
        """Share of held-out (validation) real and generated pairs that each score tells apart."""
        generator = torch.Generator(self.device).manual_seed(stream_seed(self.seed, "evaluation", self.epoch))
        indices = self.data.dataset.splits["validation"]
        right = torch.zeros(len(self.score_names), device=self.device)
        with normalised(self.decoder, self.discriminator), self._autocast():
            for start in range(0, len(indices), EVALUATION_BATCH):
                chunk = indices[start : start + EVALUATION_BATCH]
                images, labels = self._images(chunk), self.inputs[torch.from_numpy(chunk)].to(self.device)
                pairs = self._play(images, labels, dict.fromkeys(DRAWS, generator))
                real, generated = self.discriminator(*pairs.stacked()).float().chunk(2)
                right += (real > 0).sum(0) + (generated < 0).sum(0)
        accuracies: list[float] = (right / (2 * len(indices))).tolist()
        return accuracies

    def state_dict(self) -> dict[str, Any]:
        """Everything that a run continued elsewhere needs, of types that weights-only loading accepts."""
        return {
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
            raise ValueError(f"a state of version {state['version']} cannot be read: this is version {STATE_VERSION}")
        self.epoch = state["epoch"]
        for name, network in self.networks.items():
            network.load_state_dict(state["networks"][name])
        for name, optimiser in self.optimisers.items():
            optimiser.load_state_dict(state["optimisers"][name])
        for name, generator in self.generators.items():
            generator.set_state(state["generators"][name].cpu())
        classes = state["train_classes"]
        self.train_classes = None if classes is None else classes.cpu()

    def fork(self, state: Mapping[str, Any]) -> None:
        """Continue a warm-up: the state of the same run at lambda = 0, as if this run had computed it.

        Before the joint game starts lambda has no effect and only the encoder is trained, so what follows
        equals bit for bit what a run of its own would give. Raises ValueError as `load_state_dict` does.
        """
        own = self.state_dict()
        adam = {**own["optimisers"]["generator"], "state": state["optimisers"]["generator"]["state"]}
        own["networks"]["encoder"] = state["networks"]["encoder"]
        own["optimisers"]["generator"] = adam  # the encoder's parameters come first in every generator optimiser
        self.load_state_dict({**state, "networks": own["networks"], "optimisers": own["optimisers"]})
