"""Settings of one training run, without Ray, YAML or torch: the model's and the game's."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class TrainingSpec(BaseModel):
    """The alternating game of one run; the defaults are the paper's."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, populate_by_name=True)

    method: Literal["joint", "multitask", "coteaching", "gce"] = Field(
        "joint",
        description="joint: the paper's; multitask: its VGGNet alone; coteaching: two VGGNets on the classes alone "
        "(Han et al. 2018); gce: generalised cross-entropy (Zhang & Sabuncu 2018)",
    )
    lam: float = Field(
        0.4, alias="lambda", ge=0, description="weight of the generator joint loss; 0 (as in any other method): none"
    )
    lr: float = Field(1e-4, gt=0, lt=1, description="Adam's learning rate, of both optimisers")
    epochs: int = Field(16, ge=1, description="passes over the training set")
    batch_size: int = Field(128, ge=2, description="images of an iteration")
    warmup_epochs: int = Field(0, ge=0, description="epochs of task loss alone before the joint game starts")
    gamma: float = Field(1.0, ge=0, description="weight of 1 - CCC against cross-entropy")
    score_weights: dict[str, float] = Field(
        default_factory=dict, description="weight of a score (image, noise, a label set's name, joint); 1 unless named"
    )
    augment: bool = Field(True, description="mirror, rotate, shift and zoom training images")
    balance: Literal["none", "sampling", "loss"] = Field(
        "none", description="make up for uneven classes (of the first categorical set) by drawing or by weighing"
    )
    majority: bool = Field(False, description="train on the majority vote of the annotators instead of on each")
    gce_q: float = Field(0.7, gt=0, le=1, description="gce: 1 is the mean absolute error, near 0 cross-entropy")
    forget_rate: float | None = Field(
        None, ge=0, lt=1, description="coteaching: share of each batch that is forgotten; the noise ratio if not given"
    )
    precision: Literal["fp32", "bf16"] = Field(
        "fp32", description="bf16: autocast to bfloat16, for GPUs and for CPUs that compute in it"
    )

    @model_validator(mode="before")
    @classmethod
    def _without_lambda(cls, raw: Any) -> Any:
        """Methods that play no joint game have lambda 0; naming another one is a mistake."""
        if not isinstance(raw, dict) or raw.get("method", "joint") == "joint":
            return raw
        given = [name for name in ("lambda", "lam") if raw.get(name)]
        if given:
            raise ValueError(f"method {raw['method']} plays no joint game: leave lambda out, or give 0")
        return {**raw, "lambda": 0.0}
