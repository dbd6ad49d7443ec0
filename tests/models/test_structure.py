"""Layers and networks against a second implementation, from the paper, on the same weights."""

import pytest
import torch
import torch.nn.functional as F

from fer_tune.models.decoder import Decoder
from fer_tune.models.discriminator import Discriminator, ResidualBlock
from fer_tune.models.encoder import Encoder


def convolved(layer, x):
    return F.conv2d(x, layer.normalised_weight(), layer.bias, padding=layer.kernel_size[0] // 2)


def residual(block, x, leading_relu, pool):
    h = convolved(block.second, convolved(block.first, x.relu() if leading_relu else x).relu())
    shortcut = x if block.shortcut is None else convolved(block.shortcut, x)
    return F.avg_pool2d(h, 2) + F.avg_pool2d(shortcut, 2) if pool else h + shortcut


@pytest.mark.parametrize("leading_relu", [True, False])
@pytest.mark.parametrize(("inputs", "outputs", "pool"), [(3, 6, True), (6, 6, True), (6, 6, False), (3, 6, False)])
def test_residual_block(inputs, outputs, pool, leading_relu):
    torch.manual_seed(0)
    block = ResidualBlock(inputs, outputs, leading_relu, pool).eval()
    x = torch.randn(2, inputs, 16, 16)
    assert (block.shortcut is None) == (not pool and inputs == outputs)
    torch.testing.assert_close(block(x), residual(block, x, leading_relu, pool), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("size", [32, 64])
def test_image_stream_and_scores_of_the_discriminator(size):
    torch.manual_seed(0)
    network = Discriminator(size, [7, 2], width=0.125).eval()
    images, noise, labels = torch.randn(2, 3, size, size), torch.randn(2, 100), torch.randn(2, 9)
    first, attention, *others = network.image_stream
    x = F.avg_pool2d(images, 2) if size > 32 else images
    x = attention(residual(first, x, leading_relu=False, pool=True))
    for i, block in enumerate(others):
        x = residual(block, x, leading_relu=True, pool=i < 4)
    assert len(others) == 5
    assert x.shape[2:] == (1, 1)
    image_features = x.relu().sum((2, 3))
    torch.testing.assert_close(network.image_features(images), image_features, atol=1e-4, rtol=1e-3)
    streams = [s(part) for s, part in zip(network.streams, (noise, labels[:, :7], labels[:, 7:]), strict=True)]
    joint = network.joint_stream(torch.cat([image_features, *streams], 1))
    expected = [unit(f) for unit, f in zip(network.scores, [image_features, *streams, joint], strict=True)]
    torch.testing.assert_close(network(images, noise, labels), torch.cat(expected, 1), atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("size", [32, 64])
def test_decoder(size):
    torch.manual_seed(0)
    network = Decoder(size, 9, width=0.125)
    noise, labels = torch.randn(4, 100), torch.randn(4, 9)
    network.eval()
    x = F.linear(torch.cat([noise, labels], 1), network.entry.normalised_weight(), network.entry.bias).relu()
    x = x[:, :, None, None]
    layers = list(network.steps)
    for deconvolution, norm in zip(layers[:-2:3], layers[1:-2:3], strict=True):
        x = F.conv_transpose2d(x, deconvolution.normalised_weight(), deconvolution.bias, stride=2, padding=1)
        x = F.batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias).relu()
    x = F.conv_transpose2d(x, layers[-2].normalised_weight(), layers[-2].bias, stride=2, padding=1).tanh()
    assert x.shape == (4, 3, size, size)
    torch.testing.assert_close(network(noise, labels), x)


@pytest.mark.parametrize("norm", ["none", "batch"])
def test_encoder(norm):
    torch.manual_seed(0)
    network = Encoder(64, 9, width=0.125, norm=norm).eval()
    x = images = torch.randn(2, 3, 64, 64)
    convolutions = [m for m in network.modules() if isinstance(m, torch.nn.Conv2d)]
    norms = [m for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    place = 0
    for count in (2, 2, 3, 3, 3):
        for _ in range(count):
            x = convolutions[place](x)
            x = (norms[place](x) if norms else x).relu()
            place += 1
        x = F.max_pool2d(x, 2, ceil_mode=True)
    h = network.hidden2(network.hidden1(x.flatten(1)).relu()).relu()
    encoding = network(images)
    torch.testing.assert_close(encoding.labels, network.labels(h))
    torch.testing.assert_close(encoding.mean, network.mean(h))
    torch.testing.assert_close(encoding.log_variance, network.log_variance(h))
