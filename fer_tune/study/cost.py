"""What a plan costs, estimated from the model's arithmetic before anything runs."""

from fer_tune.data.loading import split_sizes
from fer_tune.models.sizes import PAPER, SIZES
from fer_tune.models.spec import SMALLEST_WIDTH, ModelSpec
from fer_tune.study.plan import Cell, Plan
from fer_tune.study.schema import TrialConfig, with_training

# Of one training iteration on one image at width 1, two operations per multiply-add: 16.0 GFLOP at 64
# pixels and 10.3 at 32, of which the encoder's forward and backward pass is 7.5 at 64.
ENCODER_GFLOP_AT_64 = 7.5
GAME_GFLOP = 8.4  # decoder and discriminator, which sees 32 pixels at any image size up to 64
# Of one busy core with AVX-512 in fp32, by `fer-tune bench steps`: narrow layers reach less.
NARROW_GFLOPS, FULL_GFLOPS = 38.0, 90.0  # at width 1/8 and at width 1
# Of a trial's state: parameters at width 1, each with its two moments of Adam; at one eighth 3.1 and 11.7 MB.
ENCODER_PARAMETERS, GAME_PARAMETERS = 16.1e6, 45.5e6
BYTES_PER_PARAMETER = 12
BYTES_PER_AVERAGED_PARAMETER = 4  # of the encoder's average, which Adam does not know
BYTES_PER_TEST_SAMPLE = 300  # of predictions.csv
START_SECONDS = 15.0  # start of Ray and of the workers, tables, report


def image_gflop(image_size: int, model: ModelSpec, playing: bool) -> tuple[float, float]:
    """GFLOP of training one image, with or without joint training, and of predicting one."""
    encoder = _encoder_gflop(image_size, model)
    game = GAME_GFLOP * max(1.0, ((model.game_size or image_size) / 64) ** 2) * model.width**2
    return encoder + (game if playing else 0.0), encoder / 3


def _encoder_gflop(image_size: int, model: ModelSpec) -> float:
    """GFLOP of the encoder's forward and backward pass on one image."""
    if model.encoder == PAPER:
        return ENCODER_GFLOP_AT_64 * (image_size / 64) ** 2 * model.width**2
    return 3 * SIZES[model.encoder].gflop * (image_size / 224) ** 2


def epoch_core_seconds(config: TrialConfig, epoch: int) -> float:
    """Estimated seconds of one epoch (counted from 1) on one CPU core like the one measured."""
    playing = config.training.lam > 0 and epoch > config.training.warmup_epochs
    train, predict = image_gflop(config.dataset.image_size, config.model, playing)
    sizes = split_sizes(config.dataset)
    work = sizes["train"] * train + sum(sizes.values()) * predict
    if config.training.method == "coteaching":
        work += sizes["train"] * train  # for its second network
    return work / _core_gflops(config.model.width)


def trial_core_seconds(config: TrialConfig) -> float:
    """Estimated seconds of one trial on one CPU core like the one measured."""
    return remaining_core_seconds(config, 0)


def remaining_core_seconds(config: TrialConfig, epoch: int) -> float:
    """Estimated seconds that a trial still needs after its first `epoch` epochs, on one CPU core like that measured."""
    training = config.training
    warm_up = max(0, min(training.warmup_epochs, training.epochs) - epoch)
    later = max(0, training.epochs - epoch) - warm_up
    return warm_up * epoch_core_seconds(config, 1) + later * epoch_core_seconds(config, training.epochs)


def _core_gflops(width: float) -> float:
    share = min(1.0, (width - SMALLEST_WIDTH) / (1 - SMALLEST_WIDTH))
    return NARROW_GFLOPS + share * (FULL_GFLOPS - NARROW_GFLOPS)


def plan_core_seconds(plan: Plan) -> float:
    """Estimated seconds of a whole study on one CPU core; a searched setting counts at the middle of its range."""
    return sum(cell_core_seconds(cell) for cell in plan.cells)


def cell_core_seconds(cell: Cell) -> float:
    """Estimated seconds of one cell's trials on one CPU core; a warm-up shared with other cells counts in each."""
    return sum(map(trial_core_seconds, _one_run(cell))) * cell.configurations * len(cell.study.seeds)


def _one_run(cell: Cell) -> list[TrialConfig]:
    """What one configuration of a cell trains for each seed."""
    config = cell.typical()
    return [config, with_training(config, lam=0.0)] if cell.study.maximises_gain else [config]


def plan_bytes(plan: Plan) -> float:
    """Estimated bytes of a study's results folder: data sets, and each trial's state and predictions."""
    total, data = 0.0, {}
    for cell in plan.cells:
        configs = _one_run(cell)
        dataset = configs[0].dataset
        sizes = split_sizes(dataset)
        data[dataset.model_dump_json()] = sum(sizes.values()) * 3 * dataset.image_size**2
        trials = sum(_state_bytes(config) + BYTES_PER_TEST_SAMPLE * sizes["test"] for config in configs)
        total += trials * cell.configurations * len(cell.study.seeds)
    return total + sum(data.values())


def _state_bytes(config: TrialConfig) -> float:
    model, squared = config.model, config.model.width**2
    own = model.encoder == PAPER
    encoder = ENCODER_PARAMETERS * squared if own else SIZES[model.encoder].parameters * 1e6
    parameters = encoder + (GAME_PARAMETERS * squared if config.training.lam > 0 else 0.0)
    if config.training.method == "coteaching":
        parameters *= 2
    averaged = BYTES_PER_AVERAGED_PARAMETER * encoder if config.training.average else 0.0
    return BYTES_PER_PARAMETER * parameters + averaged


def duration(seconds: float) -> str:
    """A duration in words: 45 s, 12 min, 3.5 h, 2.1 days."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    for unit, size in (("min", 60.0), ("h", 3600.0)):
        if seconds < 99.5 * size or (unit == "h" and seconds < 48 * size):
            return f"{seconds / size:.0f} {unit}" if seconds >= 10 * size else f"{seconds / size:.1f} {unit}"
    return f"{seconds / 86400:.1f} days"
