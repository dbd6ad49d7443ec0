"""Settings of one training run. Imports no torch."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class TrainingSpec(BaseModel):
    """How one run trains; the defaults are the paper's."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, populate_by_name=True)

    method: Literal["joint", "multitask", "coteaching", "gce"] = Field(
        "joint",
        description="joint: the paper's joint game; multitask: its VGGNet alone; coteaching: two VGGNets on the first "
        "set of classes (Han et al. 2018); gce: generalised cross-entropy (Zhang & Sabuncu 2018)",
    )
    lam: float = Field(
        0.4, alias="lambda", ge=0, description="weight of the joint loss; 0: no joint game, as in every other method"
    )
    lr: float = Field(1e-4, gt=0, lt=1, description="learning rate of both Adam optimisers")
    epochs: int = Field(16, ge=1, description="passes over the training set")
    batch_size: int = Field(128, ge=2, description="images per iteration")
    warmup_epochs: int = Field(0, ge=0, description="epochs on the task loss alone before the joint game starts")
    gamma: float = Field(
        1.0, ge=0, description="weight of the loss of continuous values, 1 - CCC; that of cross-entropy is 1"
    )
    score_weights: dict[str, float] = Field(
        default_factory=dict,
        description="weights of the discriminator's scores (image, noise, a label set's name, joint); others weigh 1",
    )
    augment: bool = Field(True, description="mirror, rotate, shift and zoom training images")
    balance: Literal["none", "sampling", "loss"] = Field(
        "none",
        description="balance uneven classes: sampling: draw the first categorical set's classes equally often; "
        "loss: weight the classes of every set",
    )
    majority: bool = Field(False, description="train on the annotators' majority vote instead of on each annotator")
    gce_q: float = Field(
        0.7, gt=0, le=1, description="gce: q of the loss; 1 is the mean absolute error, near 0 it is cross-entropy"
    )
    forget_rate: float | None = Field(
        None, ge=0, lt=1, description="coteaching: share of each batch that is left out; default: the noise ratio"
    )
    precision: Literal["fp32", "bf16"] = Field(
        "fp32", description="bf16: autocast to bfloat16, for GPUs and CPUs that support it"
    )

    @model_validator(mode="before")
    @classmethod
    def _without_lambda(cls, raw: Any) -> Any:
        """Set lambda to 0 for methods without a joint game; refuse another value."""
        if not isinstance(raw, dict) or raw.get("method", "joint") == "joint":
            return raw
        given = [name for name in ("lambda", "lam") if raw.get(name)]
        if given:
            raise ValueError(f"method {raw['method']} plays no joint game: remove lambda, or set it to 0")
        return {**raw, "lambda": 0.0}
