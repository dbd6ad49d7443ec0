"""The encoders that a study can name, and what each costs. Imports no torch.

All but the paper's are torchvision's classifiers without their last layer. Left out: vgg16 (its convolutions are the
paper's encoder), squeezenet (no linear layer), googlenet and inception_v3 (more than one output), vit_h_14 and
regnet_y_128gf (above 600 million parameters).
"""

from collections.abc import Mapping
from typing import NamedTuple

PAPER = "vgg16"


class Size(NamedTuple):
    """Cost of a network at 224 pixels, counted by torch's FlopCounterMode."""

    gflop: float  # one forward pass of one image, two operations per multiply-add
    parameters: float  # millions


SIZES: Mapping[str, Size] = {
    "alexnet": Size(1.43, 61.1),
    "convnext_base": Size(30.7, 88.6),
    "convnext_large": Size(68.7, 198),
    "convnext_small": Size(17.4, 50.2),
    "convnext_tiny": Size(8.91, 28.6),
    "densenet121": Size(5.67, 7.98),
    "densenet161": Size(15.5, 28.7),
    "densenet169": Size(6.72, 14.1),
    "densenet201": Size(8.58, 20),
    "efficientnet_b0": Size(0.772, 5.29),
    "efficientnet_b1": Size(1.14, 7.79),
    "efficientnet_b2": Size(1.32, 9.11),
    "efficientnet_b3": Size(1.93, 12.2),
    "efficientnet_b4": Size(3.01, 19.3),
    "efficientnet_b5": Size(4.71, 30.4),
    "efficientnet_b6": Size(6.72, 43),
    "efficientnet_b7": Size(10.3, 66.3),
    "efficientnet_v2_l": Size(24.5, 119),
    "efficientnet_v2_m": Size(10.7, 54.1),
    "efficientnet_v2_s": Size(5.7, 21.5),
    "maxvit_t": Size(11.1, 30.9),
    "mnasnet0_5": Size(0.209, 2.22),
    "mnasnet0_75": Size(0.431, 3.17),
    "mnasnet1_0": Size(0.629, 4.38),
    "mnasnet1_3": Size(1.05, 6.28),
    "mobilenet_v2": Size(0.602, 3.5),
    "mobilenet_v3_large": Size(0.433, 5.48),
    "mobilenet_v3_small": Size(0.113, 2.54),
    "regnet_x_16gf": Size(31.9, 54.3),
    "regnet_x_1_6gf": Size(3.21, 9.19),
    "regnet_x_32gf": Size(63.5, 108),
    "regnet_x_3_2gf": Size(6.35, 15.3),
    "regnet_x_400mf": Size(0.828, 5.5),
    "regnet_x_800mf": Size(1.6, 7.26),
    "regnet_x_8gf": Size(16, 39.6),
    "regnet_y_16gf": Size(31.8, 83.6),
    "regnet_y_1_6gf": Size(3.22, 11.2),
    "regnet_y_32gf": Size(64.6, 145),
    "regnet_y_3_2gf": Size(6.35, 19.4),
    "regnet_y_400mf": Size(0.804, 4.34),
    "regnet_y_800mf": Size(1.67, 6.43),
    "regnet_y_8gf": Size(16.9, 39.4),
    "resnet101": Size(15.6, 44.5),
    "resnet152": Size(23, 60.2),
    "resnet18": Size(3.63, 11.7),
    "resnet34": Size(7.33, 21.8),
    "resnet50": Size(8.18, 25.6),
    "resnext101_32x8d": Size(32.8, 88.8),
    "resnext101_64x4d": Size(30.9, 83.5),
    "resnext50_32x4d": Size(8.46, 25),
    "shufflenet_v2_x0_5": Size(0.081, 1.37),
    "shufflenet_v2_x1_0": Size(0.29, 2.28),
    "shufflenet_v2_x1_5": Size(0.592, 3.5),
    "shufflenet_v2_x2_0": Size(1.17, 7.39),
    "swin_b": Size(30.9, 87.8),
    "swin_s": Size(17.5, 49.6),
    "swin_t": Size(8.98, 28.3),
    "swin_v2_b": Size(34.1, 87.9),
    "swin_v2_s": Size(19.4, 49.7),
    "swin_v2_t": Size(9.88, 28.4),
    "vgg11": Size(15.2, 133),
    "vgg11_bn": Size(15.2, 133),
    "vgg13": Size(22.6, 133),
    "vgg13_bn": Size(22.6, 133),
    "vgg16_bn": Size(30.9, 138),
    "vgg19": Size(39.3, 144),
    "vgg19_bn": Size(39.3, 144),
    "vit_b_16": Size(35.1, 86.6),
    "vit_b_32": Size(8.82, 88.2),
    "vit_l_16": Size(123, 304),
    "vit_l_32": Size(30.8, 307),
    "wide_resnet101_2": Size(45.5, 127),
    "wide_resnet50_2": Size(22.8, 68.9),
    PAPER: Size(30.7, 14.7),
}
