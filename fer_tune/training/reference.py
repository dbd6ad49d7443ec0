"""The step as the paper writes it: benchmarks measure the fast step against it, and tests compare both.

fp32, every layer computed as written (convolution, then average pool), one forward pass of the discriminator for real
and one for generated pairs, spectral norm recomputed in every forward pass, everything tracked by autograd, PyTorch's
plain Adam, default memory format.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fer_tune.models.layers import SNConv
from fer_tune.training.losses import discriminator_joint_loss, generator_joint_loss
from fer_tune.training.pairs import Pairs
from fer_tune.training.trainer import OPTIMISERS, Network, Trainer


class PlainTrainer(Trainer):
    """A `Trainer` whose updates are the plain ones."""

    memory_format = torch.contiguous_format

    def build_network(self, name: str, build: Callable[..., Network], *settings: Any) -> Network:
        network = super().build_network(name, build, *settings)
        for layer in network.modules():
            if isinstance(layer, SNConv):
                layer.forward_pooled = _convolve_then_pool(layer)  # type: ignore[method-assign]
        return network

    def build_optimiser(self, parameters: Iterable[nn.Parameter], decay: float = 0.0) -> torch.optim.Adam:
        return OPTIMISERS[self.training.optimiser](parameters, lr=self.training.lr, weight_decay=decay, foreach=False)

    def generator_update(self, pairs: Pairs, targets: Tensor) -> dict[str, Tensor]:
        """One Adam step of encoder and decoder on task loss + lambda * L_G, through the graph of their pairs."""
        real, generated = self._scores(pairs)
        joint_loss = generator_joint_loss(real, generated)
        loss, report = self.task_loss(pairs.real_labels, targets)
        self.descend("generator", loss + self.training.lam * joint_loss)
        return report | {"generator_joint_loss": joint_loss.detach()}

    def discriminator_update(self, pairs: Pairs) -> dict[str, Tensor]:
        """One Adam step of the discriminator on L_D over detached pairs."""
        real, generated = self._scores(pairs)
        loss = discriminator_joint_loss(real, generated)
        self.descend("discriminator", loss)
        return {
            "discriminator_joint_loss": loss.detach(),
            "score_real": (real / self.score_weights).detach().mean(0),
            "score_generated": (generated / self.score_weights).detach().mean(0),
        }

    def _scores(self, pairs: Pairs) -> tuple[Tensor, Tensor]:
        real = self.discriminator(pairs.real_images, pairs.real_noise, pairs.real_labels)
        generated = self.discriminator(pairs.generated_images, pairs.generated_noise, pairs.generated_labels)
        return real * self.score_weights, generated * self.score_weights


def _convolve_then_pool(layer: SNConv) -> Any:
    return lambda x: F.avg_pool2d(layer(x), 2)
