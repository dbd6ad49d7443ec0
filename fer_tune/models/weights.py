"""Loads pretrained weights into the encoder: VGG-16 convolutions, as in the paper's AffectNet-base case, or others."""

import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fer_tune.errors import UserError
from fer_tune.models.backbones import last_layer
from fer_tune.models.encoder import BLOCKS, Encoder
from fer_tune.models.sizes import PAPER
from fer_tune.system.safe_loading import why_not_loaded

SHOWN_PROBLEMS = 6  # in one message
# The thirteen convolutions, in order: their names in VGG-Face, their numbers in `features` of torchvision's VGG-16.
VGG_FACE_NAMES = tuple(f"conv{b}_{layer}" for b, (_, count) in enumerate(BLOCKS, 1) for layer in range(1, count + 1))
TORCHVISION_NUMBERS = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
CLASSIFIER = re.compile(r"^(fc|classifier|conv_?fc|features\.(norm|pool))")  # what follows the convolutions


class WeightsError(UserError):
    """A weight file does not fit the encoder; the message lists missing, unknown and misshapen tensors."""


def load_convolutions(encoder: Encoder, path: Path) -> list[str]:
    """Copy a VGG-16's thirteen convolutions into the encoder; return the names of unused tensors.

    Accepts VGG-Face's names (`conv1_1.weight`) and torchvision's (`features.0.weight`), also inside `state_dict` or
    after `module.`. Loads weights only: no code in the file is run. Raises WeightsError unless every convolution is
    there in its shape and every other tensor belongs to the classifier that follows them.
    """
    found = _read(path)
    layers = [layer for layer in encoder.convolutions.modules() if isinstance(layer, nn.Conv2d)]
    problems, used = [], set()
    for name, feature, layer in zip(VGG_FACE_NAMES, TORCHVISION_NUMBERS, layers, strict=True):
        for part, own in (("weight", layer.weight), ("bias", layer.bias)):
            key = next((k for k in (f"{name}.{part}", f"features.{feature}.{part}") if k in found), None)
            assert own is not None
            if key is None:
                problems.append(f"{name}.{part} (or features.{feature}.{part}) is missing")
                continue
            used.add(key)
            if found[key].shape != own.shape:
                problems.append(f"{key} is {tuple(found[key].shape)}, the encoder needs {tuple(own.shape)}")
            else:
                with torch.no_grad():
                    own.copy_(found[key])
    left = sorted(set(found) - used)
    problems += [f"{key} is not part of a VGG-16" for key in left if not CLASSIFIER.match(key)]
    _raise_any(path, problems)
    return left


def load_pretrained(encoder: Encoder, name: str, path: Path) -> list[str]:
    """Copy pretrained weights into the encoder that a study calls `name`; return the names of unused tensors.

    Loads weights only: no code in the file is run. Raises WeightsError unless every tensor of the encoder is there in
    its shape and every other one in the file belongs to the classifier that follows.
    """
    if name == PAPER:
        return load_convolutions(encoder, path)
    found, own = _read(path), encoder.convolutions.state_dict()
    counters = {key for key in own if key.endswith("num_batches_tracked")}  # old files lack them
    left = sorted(set(found) - set(own))
    problems = [f"{key} is missing" for key in own if key not in found and key not in counters]
    problems += [
        f"{key} is {tuple(found[key].shape)}, the encoder needs {tuple(own[key].shape)}"
        for key in own
        if key in found and found[key].shape != own[key].shape
    ]
    problems += [f"{key} is not part of {name}" for key in left if key.rpartition(".")[0] != last_layer(name)]
    _raise_any(path, problems)
    encoder.convolutions.load_state_dict({**own, **{key: found[key] for key in own if key in found}})
    return left


def _raise_any(path: Path, problems: list[str]) -> None:
    if problems:
        more = f"; and {len(problems) - SHOWN_PROBLEMS} more" if len(problems) > SHOWN_PROBLEMS else ""
        raise WeightsError(f"{path}: does not fit the encoder: {'; '.join(problems[:SHOWN_PROBLEMS])}{more}")


def _read(path: Path) -> dict[str, Tensor]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's, of files that it did not write
            content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read: {error.strerror}") from None
    except Exception as error:
        raise WeightsError(f"{path}: cannot be loaded as weights only: {why_not_loaded(error)}") from None
    content = content.get("state_dict", content) if isinstance(content, Mapping) else content
    if not isinstance(content, Mapping) or not all(isinstance(v, Tensor) for v in content.values()):
        raise WeightsError(f"{path}: is not a state dict, which maps names to tensors")
    return {str(name).removeprefix("module."): tensor for name, tensor in content.items()}
