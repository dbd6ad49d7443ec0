"""What the networks say of held-out images: the encoder's predictions, and what the discriminator tells apart."""

import numpy as np
import torch
from torch import Tensor

from fer_tune.models.decoder import Decoder
from fer_tune.models.discriminator import Discriminator
from fer_tune.models.encoder import Encoder
from fer_tune.models.layers import normalised
from fer_tune.training.batches import Batches
from fer_tune.training.devices import autocast
from fer_tune.training.pairs import play

EVALUATION_BATCH = 500  # images


@torch.no_grad()
def predict(encoder: Encoder, batches: Batches, indices: np.ndarray) -> dict[str, Tensor]:
    """The encoder's class probabilities (N, K) or values (N, d) of images (N,), by label set, on the CPU.

    Puts the encoder into evaluation mode.
    """
    encoder.eval()
    label_sets = batches.data.label_sets
    outputs = []
    with autocast(batches.device, batches.training.precision):
        for start in range(0, len(indices), EVALUATION_BATCH):
            outputs.append(encoder(batches.images(indices[start : start + EVALUATION_BATCH])).labels)
    parts = torch.cat(outputs).float().cpu().split([s.size for s in label_sets], dim=1)
    return {
        s.name: part.softmax(1) if s.kind == "categorical" else part for s, part in zip(label_sets, parts, strict=True)
    }


@torch.no_grad()
def discriminator_accuracy(
    encoder: Encoder, decoder: Decoder, discriminator: Discriminator, batches: Batches, draw: torch.Generator
) -> list[float]:
    """For each score, the share of validation samples, real and generated, on whose side of 0 the score lies.

    Args:
        encoder, decoder, discriminator: in evaluation mode.
        draw: draws the noise vectors.
    """
    indices = batches.data.dataset.splits["validation"]
    draws = dict.fromkeys(("dropout", "decoder_noise", "encoder_noise"), draw)
    right = torch.zeros(len(discriminator.scores), device=batches.device)
    with normalised(decoder, discriminator), autocast(batches.device, batches.training.precision):
        for start in range(0, len(indices), EVALUATION_BATCH):
            chunk = torch.from_numpy(indices[start : start + EVALUATION_BATCH])
            pairs = play(encoder, decoder, batches.images(chunk), batches.game_labels(chunk), draws)
            real, generated = discriminator(*pairs.stacked()).float().chunk(2)
            right += (real > 0).sum(0) + (generated < 0).sum(0)
    accuracies: list[float] = (right / (2 * len(indices))).tolist()
    return accuracies
