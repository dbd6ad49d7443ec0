"""The encoder's weights averaged over training steps: they are evaluated, and training never sees them."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn.modules.utils import consume_prefix_in_state_dict_if_present
from torch.optim.swa_utils import PARAM_LIST, AveragedModel

from fer_tune.models.encoder import Encoder


class AveragedEncoder(AveragedModel):
    """An exponential moving average of an encoder's weights and batch-norm statistics (Polyak & Juditsky 1992).

    `update_parameters(encoder)` after each of its steps: the first one copies the encoder; step t after that (from 1)
    keeps `ramped(decay, t)` of the average and takes the rest from the encoder. Counters are copied.

    Args:
        encoder: the one that is trained; the average starts as a copy of it and stays in evaluation mode.
        decay: share of the average that a late step keeps, above 0 and below 1.
    """

    module: Encoder

    def __init__(self, encoder: Encoder, decay: float) -> None:
        super().__init__(encoder, multi_avg_fn=self._move, use_buffers=True)
        self.decay = decay
        self.requires_grad_(False).eval()

    def _move(self, averages: PARAM_LIST, current: PARAM_LIST, _: Tensor | int) -> None:
        if averages[0].is_floating_point():
            torch._foreach_lerp_(averages, current, 1 - ramped(self.decay, int(self.n_averaged)))
        else:
            torch._foreach_copy_(averages, current)


def ramped(decay: float, step: int) -> float:
    """The share of the average that step `step` (from 0) keeps: at most (1 + step) / (10 + step).

    Without the ramp the first, hardly trained weights would remain in the average for 1 / (1 - decay) steps.
    """
    return min(decay, (1 + step) / (10 + step))


def evaluated_encoder(state: Mapping[str, Any]) -> dict[str, Tensor]:
    """The weights of the encoder that a trainer with this state evaluates: the average, where it keeps one."""
    if "averaged" not in state:
        return dict(state["networks"]["encoder"])
    weights = {name: value for name, value in state["averaged"].items() if name != "n_averaged"}
    consume_prefix_in_state_dict_if_present(weights, "module.")
    return weights
