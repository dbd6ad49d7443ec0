"""Layers that several networks share: spectral normalisation and the paper's MLP block."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SPECTRAL_EPS = 1e-12
WARM_START_ITERATIONS = 15
FUSED_POOL_SMALLEST_MAP = 8  # pixels


class SpectralNorm(nn.Module):
    """Mixin that divides a layer's weight by its largest singular value (Miyato et al. 2018).

    Power iteration on the weight as an (outputs x rest) matrix tracks that value: one iteration each time the
    normalised weight is computed in training, none in evaluation. Within `normalised(...)` the weight is computed
    once and shared by all forward passes.
    """

    weight: Tensor
    u: Tensor
    v: Tensor
    output_dim = 0

    def _start_power_iteration(self) -> None:
        matrix = self._matrix()
        self.register_buffer("u", F.normalize(torch.randn(matrix.shape[0]), dim=0, eps=SPECTRAL_EPS))
        self.register_buffer("v", F.normalize(torch.randn(matrix.shape[1]), dim=0, eps=SPECTRAL_EPS))
        self._shared: Tensor | None = None
        for _ in range(WARM_START_ITERATIONS):
            self._iterate(matrix.detach())

    def _matrix(self) -> Tensor:
        return self.weight.transpose(0, self.output_dim).flatten(1)

    @torch.no_grad()
    def _iterate(self, matrix: Tensor) -> None:
        self.v = F.normalize(torch.mv(matrix.t(), self.u), dim=0, eps=SPECTRAL_EPS)
        self.u = F.normalize(torch.mv(matrix, self.v), dim=0, eps=SPECTRAL_EPS)

    def _compute_normalised_weight(self) -> Tensor:
        with torch.autocast(self.weight.device.type, enabled=False):
            matrix = self._matrix()
            if self.training:
                self._iterate(matrix.detach())
            return self.weight / torch.dot(self.u, torch.mv(matrix, self.v))

    def normalised_weight(self) -> Tensor:
        """The weight divided by its spectral norm, in the weight's own shape."""
        return self._compute_normalised_weight() if self._shared is None else self._shared

    @contextmanager
    def _share_weight(self) -> Iterator[None]:
        self._shared = self._compute_normalised_weight()
        try:
            yield
        finally:
            self._shared = None


@contextmanager
def normalised(*networks: nn.Module) -> Iterator[None]:
    """Within this block each spectrally normalised weight of `networks` is computed only once."""
    with ExitStack() as stack:
        for network in networks:
            for layer in network.modules():
                if isinstance(layer, SpectralNorm):
                    stack.enter_context(layer._share_weight())
        yield


class SNLinear(SpectralNorm, nn.Linear):
    """Linear layer with spectral norm: (N, inputs) -> (N, outputs)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs)
        self._start_power_iteration()

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.normalised_weight(), self.bias)


class SNConv(SpectralNorm, nn.Conv2d):
    """Convolution of stride 1 with spectral norm; `kernel` is 1 or 3, padding keeps the map's size."""

    def __init__(self, inputs: int, outputs: int, kernel: int, bias: bool = True) -> None:
        super().__init__(inputs, outputs, kernel, padding=kernel // 2, bias=bias)
        self._start_power_iteration()

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.normalised_weight(), self.bias, padding=self.padding)

    def forward_pooled(self, x: Tensor) -> Tensor:
        """The 2x2 average pool of `forward(x)`, computed in the faster of two equal ways.

        A 1x1 convolution commutes with the pool. A 3x3 convolution followed by the pool equals a 4x4 convolution of
        stride 2 whose kernel is the mean of the four shifted kernels. That is at least twice as fast on large maps
        with few channels, and slower on small maps with many.
        """
        weight = self.normalised_weight()
        if self.kernel_size == (1, 1):
            return F.conv2d(F.avg_pool2d(x, 2), weight, self.bias)
        if x.shape[-1] < FUSED_POOL_SMALLEST_MAP:
            return F.avg_pool2d(F.conv2d(x, weight, self.bias, padding=1), 2)
        averaged = F.avg_pool2d(F.pad(weight, (1, 1, 1, 1)), 2, stride=1)
        return F.conv2d(x, averaged, self.bias, stride=2, padding=1)


class SNConvTranspose(SpectralNorm, nn.ConvTranspose2d):
    """Transposed convolution (kernel 4, stride 2, padding 1) with spectral norm; it doubles the map's size."""

    output_dim = 1

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 4, stride=2, padding=1)
        self._start_power_iteration()

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        return F.conv_transpose2d(x, self.normalised_weight(), self.bias, stride=2, padding=1)


class MLPBlock(nn.Module):
    """(N, inputs) -> (N, features): h = Linear(x), plus four two-layer sub-blocks of h (Fig. 2c)."""

    def __init__(self, inputs: int, features: int) -> None:
        super().__init__()
        self.entry = SNLinear(inputs, features)
        self.branches = nn.ModuleList(
            nn.Sequential(SNLinear(features, features), nn.ReLU(), SNLinear(features, features)) for _ in range(4)
        )

    def forward(self, x: Tensor) -> Tensor:
        h = self.entry(x)
        active = F.relu(h)
        out = h
        for branch in self.branches:
            out = out + branch(active)
        return out


def scaled(size: int, width: float) -> int:
    """A hidden layer's channel or feature count at this width (1.0 is the paper's).

    Raises ValueError if the layer would have none.
    """
    scaled_size = int(size * width)
    if scaled_size < 1:
        raise ValueError(
            f"width {width:g} is too small for a layer of {size} channels or features: use at least {1 / size:g}"
        )
    return scaled_size
