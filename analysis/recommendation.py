"""Which lambda, by which rule, at what price, and for which budget.

python -m analysis.recommendation results/NAME
"""

from analysis import methods
from analysis.statistics import Recommendation, paired_difference, pooled_interval, recommend
from analysis.tables import Results, maximises_gain, script


def recommendations(results: Results) -> list[Recommendation]:
    """One recommendation for each panel (condition), in the study's order."""
    return [
        recommend(
            results.trials,
            results.epochs,
            str(panel),
            results.objective,
            max(0.05, float(rows["accuracy_shrinkage"].mean())),
            int(rows["validation_samples"].iloc[0]),
        )
        for panel, rows in results.trials.groupby("panel", sort=False)
    ]


def cost(results: Results) -> str:
    """What the study cost, in words."""
    compute = results.trials["seconds"].sum() + results.broken["seconds"].sum() + results.aside["seconds"].sum()
    wall = sum(run["wall_seconds"] for run in results.runs)
    count = len(results.trials) + len(results.broken) + len(results.aside)
    peak = max(run["peak_memory_bytes"] for run in results.runs) / 2**30 if results.runs else 0.0
    memory = f", {peak:.1f} GiB of memory at the most" if peak else ""
    return f"{count} trials, {compute / 60:.1f} minutes of training, {wall / 60:.1f} minutes by the clock{memory}"


def headline(results: Results) -> list[str]:
    """What the report opens with: a paragraph for each condition, then one on cost, budget and what is missing."""
    lams = results.trials.groupby("panel")["lambda"].nunique()
    systems = methods.compared(results)
    answers = methods.sentences(results) if systems else []
    answers += [_sentence(results, r) for r in recommendations(results) if lams[r.panel] > 1 or not systems]
    budgets = results.trials["epochs"]
    epochs = f"{budgets.min()} to {budgets.max()}" if budgets.nunique() > 1 else str(budgets.max())
    seeds = results.trials["seed"].nunique()
    closing = (
        f"The study cost {cost(results)}. It holds for a budget of {epochs} epochs "
        f"({seeds} seed{'s' if seeds > 1 else ''}), noise and data as studied."
    )
    if not results.complete:
        closing += " The study is unfinished: this is what has ended so far."
    if len(results.broken):
        closing += f" {len(results.broken)} trials diverged or failed and are listed below."
    return [*answers, closing]


def _sentence(results: Results, found: Recommendation) -> str:
    where = "" if found.panel == "all" else f"At {found.panel}: "
    own, *others = found.picks
    by_others = ", ".join(f"{p.lam:.3g} by {p.rule}" for p in others if p.rule != "oracle")
    oracle = next(p for p in found.picks if p.rule == "oracle")
    gain = ", gain over λ = 0" if maximises_gain(results.study) else ""
    rule = f"{own.rule} ({results.objective}{gain})"
    if found.rising:
        rising = ", ".join(f"{lam:.3g}" for lam in found.rising)
        text = (
            f"{where}Budget-limited: no winner can be named, because λ = {rising} still "
            f"{'rises' if len(found.rising) == 1 else 'rise'} at the end and could win; train about "
            f"{found.more_epochs} more epochs. So far {rule} would take λ = {own.lam:.3g}"
        )
    else:
        text = f"{where}Recommended λ = {own.lam:.3g}, by {rule}"
    text += f"; it would be {by_others}, and {oracle.lam:.3g} by the oracle on clean test labels." if by_others else "."
    rivals = [lam for lam in found.close if lam != own.lam]
    if rivals:
        text += f" The data do not tell it from λ = {', '.join(f'{lam:.3g}' for lam in rivals)}."
    if found.best_rises and not found.rising:
        text += f" It still rises, out of the others' reach: about {found.more_epochs} more epochs would pay."
    if found.edge:
        text += " It lies at the edge of the λs tried: try beyond it." if own.lam > 0 else " No joint game did better."
    return text


def against_baseline(results: Results) -> list[dict[str, str]]:
    """Paired difference of each lambda's test accuracy from lambda = 0, over the same seeds, as table rows."""
    from analysis.curves import of_best

    rows = []
    for panel, trials in of_best(results).trials.groupby("panel", sort=False):
        table = pooled_interval(trials, "test_accuracy", "lambda")
        base = trials[trials["lambda"] == 0].set_index("seed")["test_accuracy"]
        for lam, line in table.iterrows():
            own = trials[trials["lambda"] == lam].set_index("seed")["test_accuracy"]
            seeds = base.index.intersection(own.index)
            row = {
                "condition": str(panel),
                "λ": f"{lam:.3g}",
                "test accuracy": _with_interval(line["mean"], line["low"], line["high"]),
                "seeds": str(int(line["n"])),
                "difference from λ = 0": "",
            }
            if len(seeds) and lam != 0:
                row["difference from λ = 0"] = _with_interval(
                    *paired_difference(own[seeds].to_numpy(), base[seeds].to_numpy()), sign="+"
                )
            rows.append(row)
    return rows


def _with_interval(mean: float, low: float, high: float, sign: str = "") -> str:
    return f"{mean:{sign}.3f}" + (f" ({low:{sign}.3f} to {high:{sign}.3f})" if low == low else "")


def show(results: Results) -> str:
    """The headline, every rule's pick and the differences from the baseline, as text."""
    lines = [*headline(results), ""]
    for found in recommendations(results):
        for pick in found.picks:
            lines.append(
                f"{found.panel}: {pick.rule:28} λ = {pick.lam:<6.3g} test accuracy {pick.test_accuracy:.3f} "
                f"regret {pick.regret:.3f}"
            )
    lines += ["", *("  ".join(f"{k} {v}" for k, v in row.items() if v) for row in against_baseline(results))]
    return "\n".join(lines)


if __name__ == "__main__":
    script(__doc__, show)
