"""Both orders of a step's updates, against the schedule written out; generator_first, against the step of before."""

import pytest
import torch
import torch.nn.functional as F

from fer_tune import Trainer
from fer_tune.models.encoder import sample_noise
from fer_tune.models.layers import SpectralNorm, normalised
from fer_tune.training.losses import discriminator_joint_loss, generator_joint_loss
from fer_tune.training.pairs import play
from tests.support.training import MODEL, settings

INDICES = torch.arange(32)
ORDERS = ("discriminator_first", "generator_first")
RATE = 0.02  # large: what the discriminator learns in one step must show in the generator's loss


def ccc_loss(predicted, true):
    """1 - mean concordance over the columns of (N, d)."""
    means, variances = (predicted.mean(0), true.mean(0)), (predicted.var(0, correction=0), true.var(0, correction=0))
    covariance = ((predicted - means[0]) * (true - means[1])).mean(0)
    return (1 - 2 * covariance / (sum(variances) + (means[0] - means[1]) ** 2)).mean()


class WrittenOut:
    """One iteration as the specification says it: plain gradient descent, every gradient by torch.autograd.grad."""

    def __init__(self, trainer):
        self.trainer = trainer
        draws, batches = trainer.generators, trainer.batches
        images, self.labels = batches.images(INDICES), batches.game_labels(INDICES)
        encoding = trainer.encoder(images, draws["dropout"])
        noise = torch.randn(len(images), 100, generator=draws["decoder_noise"])
        generated = trainer.decoder(noise, self.labels)
        self.outputs = encoding.labels
        self.real = (images, sample_noise(encoding, draws["encoder_noise"]), encoding.labels)
        self.generated = (generated, noise, self.labels)
        self.losses = {}

    def step(self, order):
        updates = (self.judge, self.judge, self.generate)
        for update in updates if order == "discriminator_first" else reversed(updates):
            update()
        return self

    def judge(self):
        real = self.trainer.discriminator(*(part.detach() for part in self.real))
        generated = self.trainer.discriminator(*(part.detach() for part in self.generated))
        loss = F.relu(1 - real).mean() + F.relu(1 + generated).mean()
        self.losses["discriminator_joint_loss"] = loss.item()
        self.descend(loss, self.trainer.discriminator)

    def generate(self):
        joint = self.trainer.discriminator(*self.real).mean() - self.trainer.discriminator(*self.generated).mean()
        task = F.cross_entropy(self.outputs[:, :7], self.labels[:, :7].argmax(1))
        task = task + ccc_loss(self.outputs[:, 7:], self.labels[:, 7:])
        self.losses |= {"generator_joint_loss": joint.item(), "task_loss": task.item()}
        self.descend(task + self.trainer.training.lam * joint, self.trainer.encoder, self.trainer.decoder)

    def descend(self, loss, *networks):
        parameters = [p for network in networks for p in network.parameters()]
        gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
        with torch.no_grad():
            for parameter, gradient in zip(parameters, gradients, strict=True):
                if gradient is not None:
                    parameter -= RATE * gradient


def ready(data, order, **changes):
    """A trainer about to make its first step, without power iterations, of which the written-out step runs more."""
    trainer = Trainer(data, MODEL, settings(**{"lambda": 0.7, "order": order, **changes}), seed=2)
    for network in trainer.networks.values():
        network.train()
        for layer in network.modules():
            if isinstance(layer, SpectralNorm):
                layer.eval()
    for name, optimiser in trainer.optimisers.items():
        parameters = optimiser.param_groups[0]["params"]
        trainer.optimisers[name] = torch.optim.SGD(parameters, lr=RATE)
    return trainer


@pytest.mark.parametrize("order", ORDERS)
def test_a_step_equals_the_schedule_written_out(data, order):
    start = weights(ready(data, order))
    trainer, other = ready(data, order, augment=False), ready(data, order, augment=False)
    report, written = trainer.train_step(INDICES, True), WrittenOut(other).step(order)
    for name, value in written.losses.items():
        assert report[name].item() == pytest.approx(value, rel=1e-4, abs=1e-5), name
    found, expected = weights(trainer), weights(other)
    for name in found:
        moved = (expected[name] - start[name]).norm()
        assert moved > 0, name
        assert (found[name] - expected[name]).norm() < 1e-3 * moved, name


def weights(trainer):
    """Every network's parameters as one vector, by its name."""
    return {
        name: torch.cat([p.detach().flatten() for p in network.parameters()])
        for name, network in trainer.networks.items()
    }


def test_the_order_changes_what_the_generator_sees_and_not_the_pairs(data):
    first, second = (ready(data, order).train_step(INDICES, True) for order in ORDERS)
    assert torch.equal(first["task_loss"], second["task_loss"])
    assert first["generator_joint_loss"] > second["generator_joint_loss"] + 0.01, "the discriminator has just learnt"


class AsBefore(Trainer):
    """The step of the versions that had one order only."""

    def train_step(self, indices, playing):
        images, targets = self.batches.training_images(indices), self.batches.targets(indices)
        if not playing:
            return self.task_update(images, targets)
        labels = self.batches.game_labels(indices)
        self.discriminator.requires_grad_(False)
        with normalised(self.decoder, self.discriminator):
            pairs = play(self.encoder, self.decoder, images, labels, self.generators)
            with torch.no_grad():
                real_features = self.discriminator.image_features(pairs.real_images)
            generated_features = self.discriminator.image_features(pairs.generated_images)
            scores = self.discriminator.score(*pairs.stacked(torch.cat([real_features, generated_features])))
            joint_loss = generator_joint_loss(*scores.chunk(2))
            loss, report = self.task_loss(pairs.real_labels, targets)
            self.descend("generator", loss + self.training.lam * joint_loss)
        self.discriminator.requires_grad_(True)
        for _ in range(2):
            with normalised(self.discriminator):
                real, generated = self.discriminator(*pairs.detach().stacked()).chunk(2)
                judged = discriminator_joint_loss(real, generated)
                self.descend("discriminator", judged)
        sides = {"score_real": real.detach().mean(0), "score_generated": generated.detach().mean(0)}
        joint = {"generator_joint_loss": joint_loss.detach(), "discriminator_joint_loss": judged.detach()}
        return report | joint | sides


def test_generator_first_without_an_average_is_bit_for_bit_what_it_was(data):
    before = settings(**{"lambda": 0.7, "order": "generator_first", "average": 0, "warmup_epochs": 1})
    found, expected = Trainer(data, MODEL, before, seed=2), AsBefore(data, MODEL, before, seed=2)
    for _ in range(2):
        rows = found.run_epoch(), expected.run_epoch()
    for name in ("task_loss", "generator_joint_loss", "discriminator_joint_loss", "score_real_joint", "test_accuracy"):
        assert rows[0][name] == rows[1][name], name
    assert found.state_dict().keys() == expected.state_dict().keys()
    assert "averaged" not in found.state_dict()
    for name, network in found.networks.items():
        for key, value in network.state_dict().items():
            assert torch.equal(value, expected.networks[name].state_dict()[key]), (name, key)
