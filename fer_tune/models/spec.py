"""Sizes of the three networks. Imports no torch."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

SMALLEST_WIDTH = 1 / 8  # the attention has 64 / 8 channels at width 1: any narrower and none remains


class ModelSpec(BaseModel):
    """Sizes of the three networks. The defaults are the paper's."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    width: float = Field(
        1.0,
        ge=SMALLEST_WIDTH,
        le=4,
        description="factor on the number of channels and features of every hidden layer; 1 is the paper's",
    )
    features: int = Field(500, ge=8, description="size F of the encoder's hidden layers at width 1 (CIFAR-10: 512)")
    encoder_norm: Literal["none", "batch"] = Field(
        "none", description="normalisation of the encoder; narrow encoders need batch (batch normalisation)"
    )
    encoder_weights: str | None = Field(
        None,
        description="file of pretrained VGG-16 weights (VGG-Face, torchvision) for the encoder's convolutions; needs "
        "width 1",
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
        if self.encoder_weights and (self.width != 1 or self.encoder_norm != "none"):
            raise ValueError("encoder_weights needs width 1 and encoder_norm none")
        return self
