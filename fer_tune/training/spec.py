"""Settings of one training run. Imports no torch."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class TrainingSpec(BaseModel):
    """How one trial trains. The defaults are the paper's, except that the encoder's weights are averaged."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, populate_by_name=True)

    method: Literal["joint", "multitask", "coteaching", "gce"] = Field(
        "joint",
        description="joint: the paper's adversarial joint training; multitask: the same encoder without it; "
        "coteaching: two encoders on the first categorical label set (Han et al. 2018); gce: generalised cross-entropy "
        "(Zhang & Sabuncu 2018)",
    )
    lam: float = Field(
        0.4,
        alias="lambda",
        ge=0,
        description="weight of the joint loss; 0 is plain multi-task training, as in every other method",
    )
    lr: float = Field(1e-4, gt=0, lt=1, description="learning rate of the optimisers")
    optimiser: Literal["adam", "adamw"] = Field(
        "adam", description="adam: the paper's; adamw: with weight decay apart from the gradient"
    )
    weight_decay: float = Field(
        0.0, ge=0, lt=1, description="weight decay of encoder and decoder; the discriminator's weights are normalised"
    )
    schedule: Literal["constant", "cosine"] = Field(
        "constant",
        description="learning rate over the epochs. cosine: it falls to 0 at the last step, so that such a run cannot "
        "be trained for longer afterwards (--extend)",
    )
    lr_warmup_epochs: int = Field(
        0, ge=0, description="epochs in which the learning rate rises from near 0 to `lr`, step by step"
    )
    epochs: int = Field(16, ge=1, description="passes over the training set")
    batch_size: int = Field(128, ge=2, description="images in each training step")
    warmup_epochs: int = Field(0, ge=0, description="epochs with the task loss alone, before joint training starts")
    gamma: float = Field(
        1.0, ge=0, description="weight of the loss of continuous labels (1 - CCC), relative to cross-entropy"
    )
    score_weights: dict[str, float] = Field(
        default_factory=dict,
        description="weights of the discriminator's scores (image, noise, a label set's name, joint); 1 if not listed",
    )
    augment: bool = Field(True, description="mirror, rotate, shift and zoom training images")
    crop_padding: Literal["black", "grey"] = Field(
        "black",
        description="CIFAR-10: colour of the 4 pixels around an image before it is cropped. black: as in the authors' "
        "code; grey: as in earlier versions",
    )
    balance: Literal["none", "sampling", "loss"] = Field(
        "none",
        description="against imbalanced classes. sampling: sample the classes of the first categorical label set "
        "equally often; loss: use class weights in the loss of every categorical label set",
    )
    majority: bool = Field(False, description="train on the annotators' majority vote instead of on every annotator")
    gce_q: float = Field(
        0.7, gt=0, le=1, description="gce: q of the loss, from near 0 (cross-entropy) to 1 (mean absolute error)"
    )
    forget_rate: float | None = Field(
        None,
        ge=0,
        lt=1,
        description="coteaching: share of each batch that is left out as probably wrong; default: the noise ratio",
    )
    average: float = Field(
        0.998,
        ge=0,
        lt=1,
        description="decay a step of the moving average of the encoder's weights, which is evaluated and exported; "
        "training does not see it. 0: no average, as in the paper",
    )
    order: Literal["discriminator_first", "generator_first"] = Field(
        "discriminator_first",
        description="updates of one step, all on the same pairs. discriminator_first: two of the discriminator, then "
        "one of encoder and decoder, as in the authors' code; generator_first: the reverse, as in the paper's text",
    )
    precision: Literal["fp32", "bf16"] = Field(
        "fp32",
        description="bf16: mixed precision (autocast to bfloat16), for GPUs and for CPUs with native bf16 support",
    )

    @model_validator(mode="before")
    @classmethod
    def _without_lambda(cls, raw: Any) -> Any:
        """Set lambda to 0 for methods without a joint loss; refuse another value."""
        if not isinstance(raw, dict) or raw.get("method", "joint") == "joint":
            return raw
        given = [name for name in ("lambda", "lam") if raw.get(name)]
        if given:
            raise ValueError(f"method {raw['method']} has no joint loss: remove lambda, or set it to 0")
        return {**raw, "lambda": 0.0}
