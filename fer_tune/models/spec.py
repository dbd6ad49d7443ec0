"""Sizes of the three networks. Imports no torch."""

import difflib
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from fer_tune.models.sizes import PAPER, SIZES

GAME_SIZES = (32, 64, 128, 256)  # sides in pixels of images that the decoder can make
SMALLEST_WIDTH = 1 / 8  # the attention has 64 / 8 channels at width 1: any narrower and none remains


class ModelSpec(BaseModel):
    """Sizes of the three networks. The defaults are the paper's."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    width: float = Field(
        1.0,
        ge=SMALLEST_WIDTH,
        le=4,
        description="factor on the number of channels and features of every hidden layer; 1 is the paper's. Of an "
        "encoder from torchvision it is a factor on the layers that follow",
    )
    encoder: str = Field(
        PAPER,
        description="what makes features of an image: vgg16 (the paper's convolutions), or the name of a classifier of "
        "torchvision, which is used without its last layer: resnet18, convnext_tiny, vit_b_16, ...",
    )
    game_size: Literal[32, 64, 128, 256] | None = Field(
        None,
        description="side in pixels of the images that the decoder makes and the discriminator judges, at most "
        "dataset.image_size, which is what the encoder sees. Default: the same",
    )
    features: int = Field(500, ge=8, description="size F of the encoder's hidden layers at width 1 (CIFAR-10: 512)")
    encoder_norm: Literal["none", "batch"] = Field(
        "none", description="normalisation of vgg16; narrow encoders need batch (batch normalisation)"
    )
    encoder_weights: str | None = Field(
        None,
        description="file of pretrained weights for the encoder. vgg16: VGG-Face's or torchvision's, for the "
        "convolutions; needs width 1. Others: torchvision's, all but the last layer's",
    )
    encoder_input: Literal["unit", "vgg_face", "imagenet"] = Field(
        "unit",
        description="how images enter the encoder. unit: RGB in [-1, 1]; vgg_face: BGR, 0 to 255, minus the mean face "
        "colour; imagenet: RGB, normalised as torchvision's weights expect. Must match encoder_weights",
    )

    @model_validator(mode="after")
    def _check_weights(self) -> Self:
        if self.encoder_weights and self.encoder_input == "unit":
            raise ValueError(
                "encoder_weights needs encoder_input: vgg_face or imagenet, whichever the weights were trained with"
            )
        if self.encoder == PAPER and self.encoder_weights and (self.width != 1 or self.encoder_norm != "none"):
            raise ValueError("encoder_weights needs width 1 and encoder_norm none")
        return self

    @model_validator(mode="after")
    def _check_encoder(self) -> Self:
        if self.encoder not in SIZES:
            close = difflib.get_close_matches(self.encoder, SIZES, 1)
            meant = f": did you mean {close[0]!r}?" if close else ""
            raise ValueError(f"encoder {self.encoder!r} is neither vgg16 nor a classifier of torchvision{meant}")
        if self.encoder != PAPER and self.encoder_norm != "none":
            raise ValueError(f"encoder_norm is a setting of vgg16: {self.encoder} has its own, so remove it")
        return self
