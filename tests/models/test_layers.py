"""Spectral norm, its sharing within an update, and the faster form of a pooled convolution."""

import pytest
import torch
import torch.nn.functional as F

from fer_tune.models.decoder import Decoder
from fer_tune.models.discriminator import Discriminator, SelfAttention
from fer_tune.models.layers import MLPBlock, SNConv, SNConvTranspose, SNLinear, SpectralNorm, normalised

LAYERS = [lambda: SNLinear(12, 7), lambda: SNConv(5, 6, 3), lambda: SNConvTranspose(4, 6)]


@pytest.mark.parametrize("layer", LAYERS)
def test_normalised_weight_has_spectral_norm_one(layer):
    torch.manual_seed(0)
    layer = layer()
    for _ in range(200):
        layer.normalised_weight()
    matrix = layer.normalised_weight().transpose(0, layer.output_dim).flatten(1)
    assert torch.linalg.matrix_norm(matrix, 2).item() == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("layer", LAYERS)
def test_power_iteration_runs_once_in_training_and_never_in_evaluation(layer):
    layer = layer()
    before = layer.u.clone()
    layer.eval()
    layer.normalised_weight()
    assert torch.equal(layer.u, before)
    layer.train()
    matrix = layer.weight.detach().transpose(0, layer.output_dim).flatten(1)
    expected = F.normalize(matrix @ F.normalize(matrix.T @ before, dim=0), dim=0)
    layer.normalised_weight()
    torch.testing.assert_close(layer.u, expected)


def test_weights_are_computed_once_within_normalised():
    network = Discriminator(32, [3], width=0.125)
    with normalised(network):
        vectors = [m.u for m in network.modules() if isinstance(m, SpectralNorm)]
        for _ in range(3):
            network(torch.randn(2, 3, 32, 32), torch.randn(2, 100), torch.randn(2, 3))
        assert all(m.u is u for m, u in zip(_layers(network), vectors, strict=True))
    network(torch.randn(2, 3, 32, 32), torch.randn(2, 100), torch.randn(2, 3))
    assert all(m.u is not u for m, u in zip(_layers(network), vectors, strict=True))


def _layers(network):
    return [m for m in network.modules() if isinstance(m, SpectralNorm)]


def test_every_layer_of_discriminator_and_every_linear_map_of_decoder_is_normalised():
    plain = (torch.nn.Linear, torch.nn.Conv2d, torch.nn.ConvTranspose2d)
    for network in (Discriminator(32, [7, 2], width=0.125), Decoder(32, 9, width=0.125)):
        assert all(isinstance(m, SpectralNorm) for m in network.modules() if isinstance(m, plain))


@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("size", [2, 4, 8, 16])
def test_pooled_convolution_equals_convolution_then_pool(kernel, size):
    torch.manual_seed(0)
    layer = SNConv(3, 4, kernel).double().eval()
    x = torch.randn(2, 3, size, size, dtype=torch.double, requires_grad=True)
    plain, fused = F.avg_pool2d(layer(x), 2), layer.forward_pooled(x)
    torch.testing.assert_close(fused, plain)
    weights = torch.randn_like(plain)
    gradients = [torch.autograd.grad((y * weights).sum(), [x, layer.weight, layer.bias]) for y in (plain, fused)]
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(a, b)


def test_self_attention_starts_as_identity_and_mixes_positions_after():
    attention = SelfAttention(8)
    x = torch.randn(2, 8, 8, 8)
    torch.testing.assert_close(attention(x), x)
    attention.gamma.data.fill_(1)
    attention.eval()
    moved = x.clone()
    moved[:, :, 0, 0] += 3
    assert (attention(moved) - attention(x))[:, :, 7, 7].abs().max() > 1e-5
    keys = F.max_pool2d(attention.phi(x), 2).flatten(2)
    weights = torch.softmax(attention.theta(x).flatten(2).transpose(1, 2) @ keys, dim=2)
    values = F.max_pool2d(attention.g(x), 2).flatten(2)
    expected = torch.einsum("nck,nqk->ncq", values, weights).unflatten(2, (8, 8))
    torch.testing.assert_close(attention(x), x + attention.out(expected))


def test_mlp_block_is_the_entry_plus_four_branches():
    block = MLPBlock(6, 5).eval()
    x = torch.randn(3, 6)
    h = block.entry(x)
    assert len(block.branches) == 4
    torch.testing.assert_close(block(x), h + sum(b[2](F.relu(b[0](F.relu(h)))) for b in block.branches))
