"""The real and generated pairs that the discriminator tells apart."""

from collections.abc import Mapping
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from fer_tune.models.decoder import Decoder
from fer_tune.models.encoder import Encoder, sample_noise


class Pairs(NamedTuple):
    """N real and N generated samples, each of an image, a noise vector and labels."""

    real_images: Tensor  # (N, 3, S, S)
    real_noise: Tensor  # (N, 100), the encoder's
    real_labels: Tensor  # (N, sum of sizes), the encoder's raw outputs
    generated_images: Tensor  # (N, 3, S, S), the decoder's
    generated_noise: Tensor  # (N, 100), standard normal
    generated_labels: Tensor  # (N, sum of sizes), the noisy labels

    def detach(self) -> "Pairs":
        """The same pairs, cut off from the autograd graph."""
        return Pairs(*(t.detach() for t in self))

    def stacked(self, images: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Real above generated, (2N, ...): images (or the given features of them), noise, labels."""
        return (
            torch.cat([self.real_images, self.generated_images]) if images is None else images,
            torch.cat([self.real_noise, self.generated_noise]),
            torch.cat([self.real_labels, self.generated_labels]),
        )


def play(
    encoder: Encoder, decoder: Decoder, images: Tensor, labels: Tensor, draws: Mapping[str, torch.Generator]
) -> Pairs:
    """Encode images (N, 3, S, S) and decode labels (N, sum of sizes) into pairs of the decoder's image size.

    Args:
        draws: the generators "dropout", "decoder_noise" and "encoder_noise", drawn from in this order.
    """
    encoding = encoder(images, draws["dropout"])
    noise = torch.randn(encoding.mean.shape, generator=draws["decoder_noise"], device=images.device)
    generated = decoder(noise, labels)
    real = resized(images, generated.shape[-1])
    return Pairs(
        real, sample_noise(encoding, draws["encoder_noise"]), encoding.labels.float(), generated, noise, labels
    )


def resized(images: Tensor, size: int) -> Tensor:
    """Images (N, 3, size, size) of images (N, 3, S, S), the same ones where the sizes are equal."""
    if images.shape[-1] == size:
        return images
    return F.interpolate(images, (size, size), mode="bilinear", antialias=True)
