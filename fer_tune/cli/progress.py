"""Shows a user how a study proceeds: a live table on a terminal, plain lines elsewhere."""

import math
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.live import Live
from rich.table import Table

from fer_tune.results.records import Status
from fer_tune.study.cost import duration

if TYPE_CHECKING:  # its module imports Ray
    from fer_tune.search.callback import EndedTrial, Progress, RunningTrial

COLUMNS = ("trial", "λ", "learning rate", "epoch", "L_G", "L_D", "validation accuracy")
METRICS = ("generator_joint_loss", "discriminator_joint_loss", "val_accuracy")
LINE_SECONDS = 10.0  # between plain lines, at least


class TerminalDisplay:
    """Shows a run on a console; a live table where that is a terminal and the display is entered."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.live = Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None
        self.last_line = -math.inf

    def __enter__(self) -> Self:
        if self.live:
            self.live.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self.live:
            self.live.stop()

    def update(self, progress: "Progress", running: "Sequence[RunningTrial]") -> None:
        """Refresh the table, or print a line if the last one is 10 s old."""
        if self.live:
            self.live.update(_table(progress, running), refresh=True)
        elif time.monotonic() - self.last_line > LINE_SECONDS:
            self.last_line = time.monotonic()
            self.console.print(_summary(progress), highlight=False, markup=False)

    def trial_ended(self, ended: "EndedTrial") -> None:
        """Print how a trial ended."""
        warm_up, status = ended.record.is_warm_up, str(ended.status)
        what = f"shared warm-up {status} (seed {ended.record.seed})" if warm_up else status
        text = f"{what}: {ended.key}  validation accuracy {_number(ended.val_accuracy)}"
        text += f"  {ended.reason}" if ended.reason else ""
        style = "red" if ended.status in (Status.FAILED, Status.DIVERGED) else None
        self.console.print(text, style=style, highlight=False, markup=False)
        self.last_line = -math.inf


def _summary(progress: "Progress") -> str:
    ended = progress.done + progress.failed
    more = progress.running > 0 and ended < progress.total  # the estimate knows nothing of trials that failed
    about, most = ("at most", "at most ") if progress.at_most else ("about", "")
    remaining = f", {about} {duration(progress.left)} left" if more and progress.left > 0 else ""
    failed = f", {progress.failed} failed" if progress.failed else ""
    return (
        f"{progress.running} running, {progress.done} of {most}{progress.total} done{failed}; "
        f"{duration(progress.elapsed)} elapsed{remaining}"
    )


def _table(progress: "Progress", running: "Sequence[RunningTrial]") -> Table:
    table = Table(*COLUMNS, title=_summary(progress), title_justify="left")
    for trial in running:
        training, row = trial.config.training, trial.row
        table.add_row(
            trial.key,
            _number(training.lam),
            f"{training.lr:.1e}",
            f"{row['epoch']:.0f} / {training.epochs}" if row else "starting",
            *(_number(row.get(name, math.nan)) for name in METRICS),
        )
    return table


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3g}"
