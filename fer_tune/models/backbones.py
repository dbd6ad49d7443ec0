"""Encoders other than the paper's: torchvision's classifiers without their last layer, or a module of your own."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

RATES = ("p", "dropout", "attention_dropout")  # of dropout, stochastic depth, attention
Backbone = Callable[[], nn.Module]  # builds a module that maps images (N, 3, S, S) to features (N, D)


def torchvision_backbone(name: str, image_size: int) -> nn.Module:
    """A torchvision classifier with random weights, whose last linear layer passes its input (N, D) on.

    Raises ValueError for an image size that the classifier cannot take.
    """
    from torchvision.models import get_model  # takes a second, and the paper's encoder needs none of it

    fixed = {"image_size": image_size} if name.startswith("vit_") else {}
    try:
        module = get_model(name, weights=None, **fixed)
        module.set_submodule(last_linear(module), nn.Identity())
        count_features(module, image_size)
    except (RuntimeError, ValueError, AssertionError):
        raise ValueError(f"{name} cannot take images of {image_size} x {image_size} pixels") from None
    return module


def last_layer(name: str) -> str:
    """The name of the last linear layer of a torchvision classifier, which its encoder lacks."""
    from torchvision.models import get_model

    with torch.random.fork_rng(devices=[]):
        return last_linear(get_model(name, weights=None))


def last_linear(module: nn.Module) -> str:
    """The name of a classifier's last linear layer. Raises ValueError where there is none."""
    names = [name for name, layer in module.named_modules() if isinstance(layer, nn.Linear)]
    if not names:
        raise ValueError(f"{type(module).__name__} has no linear layer")
    return names[-1]


@torch.no_grad()
def count_features(module: nn.Module, image_size: int) -> int:
    """D: how many features (N, D) the module gives for images (N, 3, S, S); nothing in it changes.

    Raises ValueError where it gives something else.
    """
    was_training = module.training
    with torch.random.fork_rng(devices=[]):
        features = module.eval()(torch.zeros(2, 3, image_size, image_size))
    module.train(was_training)
    if not isinstance(features, Tensor) or features.ndim != 2 or len(features) != 2:
        given = f"a tensor {tuple(features.shape)}" if isinstance(features, Tensor) else type(features).__name__
        raise ValueError(f"an encoder must map images (N, 3, S, S) to features (N, D): it gives {given}")
    return features.shape[1]


def draws(module: nn.Module) -> bool:
    """Whether a module draws random numbers in training, as far as the rates of its layers tell."""
    rates = (getattr(layer, name, 0.0) for layer in module.modules() for name in RATES)
    return any(isinstance(rate, float) and rate > 0 for rate in rates)


@contextmanager
def seeded(generator: torch.Generator) -> Iterator[None]:
    """Let what draws from torch's global generator draw from this one; the global one stays as it was."""
    seed = int(torch.randint(2**62, (), generator=generator, device=generator.device))
    devices = [generator.device] if generator.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield
