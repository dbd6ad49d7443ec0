"""Size of the three networks."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

SMALLEST_WIDTH = 1 / 8  # narrower, nothing is left of the attention's 64 / 8 channels


class ModelSpec(BaseModel):
    """Size of the three networks; the defaults are the paper's."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    width: float = Field(
        1.0, ge=SMALLEST_WIDTH, le=4, description="multiplies every hidden channel and feature count; 1 is the paper's"
    )
    features: int = Field(500, ge=8, description="size F of the encoder's hidden layers at width 1 (CIFAR-10: 512)")
    encoder_norm: Literal["none", "batch"] = Field(
        "none", description="batch: batch normalisation, for narrow encoders"
    )
    encoder_weights: str | None = Field(
        None, description="file of VGG-16 weights (VGG-Face, torchvision) that the convolutions start from; width 1"
    )
    encoder_input: Literal["unit", "vgg_face", "imagenet"] = Field(
        "unit",
        description="what the encoder is fed: unit: RGB in [-1, 1]; vgg_face: BGR, 0 to 255 less the mean face "
        "colour; imagenet: RGB, normalised as torchvision's weights expect. Name it beside encoder_weights",
    )

    @model_validator(mode="after")
    def _check_weights(self) -> Self:
        if self.encoder_weights and self.encoder_input == "unit":
            raise ValueError("encoder_weights needs encoder_input: vgg_face or imagenet, which such weights expect")
        if self.encoder_weights and (self.width != 1 or self.encoder_norm != "none"):
            raise ValueError("encoder_weights fit width 1 and encoder_norm none alone")
        return self
