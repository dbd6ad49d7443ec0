"""The three networks of the paper's joint game, one file each; `layers` holds what they share."""

from fer_tune.models.decoder import Decoder
from fer_tune.models.discriminator import Discriminator
from fer_tune.models.encoder import Encoder, Encoding, sample_noise
from fer_tune.models.layers import normalised
from fer_tune.models.weights import WeightsError, load_convolutions

__all__ = [
    "Decoder",
    "Discriminator",
    "Encoder",
    "Encoding",
    "WeightsError",
    "load_convolutions",
    "normalised",
    "sample_noise",
]
