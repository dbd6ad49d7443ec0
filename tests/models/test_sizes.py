"""Parameter counts of the paper's networks, and shapes at every image size."""

import pytest
import torch
from torch import nn

from fer_tune.models.decoder import Decoder
from fer_tune.models.discriminator import Discriminator
from fer_tune.models.encoder import Encoder, sample_noise


def parameters(*networks: nn.Module) -> int:
    return sum(p.numel() for network in networks for p in network.parameters() if p.requires_grad)


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        (lambda: Encoder(64, 9, 500), 16_094_397),
        (lambda: Encoder(32, 30, 512), 15_357_990),
        (lambda: Decoder(64, 9), 11_204_931),
        (lambda: Decoder(32, 30), 11_087_491),
        (lambda: Decoder(128, 9), 15_400_771),
    ],
    ids=["encoder faces", "encoder cifar", "decoder 64", "decoder 32", "decoder 128"],
)
def test_full_width_parameter_counts(network, expected):
    assert parameters(network()) == expected


def test_discriminator_stream_parameter_counts():
    faces, cifar = Discriminator(64, [7, 2]), Discriminator(32, [10, 10, 10])
    streams = [parameters(s, u) for s, u in zip(faces.streams, faces.scores[1:-1], strict=True)]
    assert parameters(faces.image_stream, faces.scores[0]) == 14_566_082
    assert streams == [2_153_473, 2_105_857, 2_103_297]
    assert parameters(faces.joint_stream, faces.scores[-1]) == 10_496_001
    assert parameters(cifar.streams[1], cifar.scores[2]) == 2_107_393
    assert parameters(cifar.joint_stream, cifar.scores[-1]) == 11_020_289


@pytest.mark.parametrize("size", [32, 64, 128, 256])
@pytest.mark.parametrize("label_sizes", [[7, 2], [10, 10, 10], [3], [4, 1, 2, 5]])
def test_networks_fit_together(size, label_sizes):
    labels = sum(label_sizes)
    encoder = Encoder(size, labels, width=0.125).eval()
    encoding = encoder(torch.zeros(2, 3, size, size))
    images = Decoder(size, labels, width=0.125)(sample_noise(encoding), encoding.labels)
    scores = Discriminator(size, label_sizes, width=0.125)(images, sample_noise(encoding), encoding.labels)
    assert encoding.labels.shape == (2, labels)
    assert encoding.mean.shape == encoding.log_variance.shape == (2, 100)
    assert images.shape == (2, 3, size, size)
    assert images.abs().max() <= 1
    assert scores.shape == (2, len(label_sizes) + 3)


@pytest.mark.parametrize("network", [lambda w: Encoder(32, 9, width=w), lambda w: Discriminator(32, [7, 2], width=w)])
def test_too_small_a_width_is_refused(network):
    with pytest.raises(ValueError, match=r"width 0\.01 is too small for a layer"):
        network(0.01)


def test_unsupported_image_size_is_refused():
    with pytest.raises(ValueError, match="image size 48"):
        Decoder(48, 9)


@pytest.mark.parametrize("norm", ["none", "batch"])
def test_encoder_starts_as_the_paper_says(norm):
    torch.manual_seed(0)
    encoder = Encoder(32, 9, width=1.0, norm=norm)
    convolutions = [m for m in encoder.modules() if isinstance(m, nn.Conv2d)]
    norms = [m for m in encoder.modules() if isinstance(m, nn.BatchNorm2d)]
    assert len(convolutions) == 13
    assert len(norms) == (13 if norm == "batch" else 0)
    for convolution in convolutions:
        expected = (2 / (9 * convolution.out_channels)) ** 0.5
        assert convolution.weight.std().item() == pytest.approx(expected, rel=0.05)
        assert not convolution.bias.any()


def test_encoder_draws_dropout_from_its_generator_in_training_only():
    encoder = Encoder(32, 9, width=0.125)
    images = torch.randn(4, 3, 32, 32)

    def outputs(seed: int) -> torch.Tensor:
        return encoder(images, torch.Generator().manual_seed(seed)).labels

    assert torch.equal(outputs(1), outputs(1))
    assert not torch.equal(outputs(1), outputs(2))
    encoder.eval()
    assert torch.equal(outputs(1), outputs(2))


def test_noise_vector_has_the_encoded_mean_and_variance():
    encoder = Encoder(32, 9, width=0.125).eval()
    encoding = encoder(torch.zeros(1, 3, 32, 32))._replace(
        mean=torch.full((20_000, 1), 3.0), log_variance=torch.full((20_000, 1), 1.2)
    )
    noise = sample_noise(encoding, torch.Generator().manual_seed(0))
    assert noise.mean().item() == pytest.approx(3, abs=0.05)
    assert noise.std().item() == pytest.approx(torch.exp(torch.tensor(0.6)).item(), rel=0.02)
