# SPDX-License-Identifier: Apache-2.0
"""Energy, delay, area and accuracy of attention reuse: ``python -m spikeloom.gen.trex``."""

import sys
from dataclasses import replace
from pathlib import Path

import cyclopts
import msgspec
from rich.console import Console
from rich.table import Table

from ...models.golden.errors import NetworkError
from ...models.nn.vit_recipe import Measurement, similarity
from ...models.zoo.trex import COMMITTED, TASKS, UnknownNetworkError, get
from ...rtl.config import CrossbarConfig
from .choice import TargetError, choose, fewest_reuses
from .costs import DEFAULT_COSTS, Cost, CostError, Costs, evaluate, load_costs
from .published import PUBLISHED, Published

__all__ = ["app"]

_MACRO = CrossbarConfig()
_TARGETS = (1.0, 0.95, 0.9, 0.85)
_SAID = "published: " + "; ".join(
    f"{one.name} EDAP {one.edap} x lower, TOPS/mm2 {one.tops} x higher" for one in PUBLISHED)
_COLUMNS = ("MACs", "energy", "delay", "area", "EDAP", "x lower", "TOPS/mm2", "x higher", "done")

app = cyclopts.App(name="python -m spikeloom.gen.trex", help=__doc__)


def _row(cost: Cost, base: Cost) -> list[str]:
    dense = cost.tops_per_mm2(base.macs)
    return [f"{cost.macs / 1e6:,.2f} M", f"{cost.energy / 1e6:,.3f} uJ",
            f"{cost.delay / 1e3:,.1f} us", f"{cost.area / 1e6:,.3f} mm2", f"{cost.edap:.2e}",
            f"{base.edap / cost.edap:.2f}", f"{dense:.4f}",
            f"{dense / base.tops_per_mm2():.2f}", f"{cost.tops_per_mm2():.4f}"]


def _table(title: str, *columns: str, caption: str | None = None) -> Table:
    table = Table(title=title, caption=caption)
    for column in (*columns, *_COLUMNS):
        table.add_column(column, justify="right" if column in _COLUMNS else "left")
    return table


def _arrays(shared: bool) -> str:
    return "one dynamic array" if shared else "a dynamic array each"


def _accuracies(path: Path | None, task: str) -> dict[str, float]:
    """Return the accuracy of each pattern: from a file of measurements, mean over the seeds."""
    if path is None:
        data = TASKS[task].load_test()
        names = [name for name in COMMITTED if name.startswith(f"trex_{task}_")]
        return {get(name).shape.pattern: float(
            (get(name).load().predict(data.tokens) == data.labels).double().mean())
            for name in names}
    results = msgspec.json.decode(path.read_bytes(), type=list[Measurement])
    found: dict[str, list[float]] = {}
    for result in results:
        if result.task == task:
            found.setdefault(result.pattern, []).append(result.accuracy)
    return {pattern: sum(values) / len(values) for pattern, values in found.items()}


@app.command(name="patterns")
def patterns_command(task: str = "recall", *, targets: tuple[float, ...] = _TARGETS,
                     measured: Path | None = None, shared: bool = False,
                     costs: Path = DEFAULT_COSTS) -> None:
    """Print what the patterns of a task cost, and which meet delay targets.

    Parameters
    ----------
    task
        One of the zoo's.
    targets
        Delays as shares of that without reuse.
    measured
        File that ``spikeloom.models.zoo.trex measure --json`` wrote; without it the committed
        networks are measured.
    shared
        One dynamic array for all encoders, not one each.
    costs
        TOML file of costs.
    """
    try:
        shape = TASKS[task].shape
        table = load_costs(costs).replaced(shared_attention=float(shared))
        base = evaluate(shape, _MACRO, table)
        accuracy = _accuracies(measured, task)
        similar = similarity(TASKS[task].load(), TASKS[task].load_test().tokens[:200]).tolist()
        shown = _table(f"{task}: patterns, {_arrays(shared)}", "pattern", "accuracy")
        for pattern in sorted(accuracy, key=lambda one: (one.count("R"), one)):
            cost = evaluate(replace(shape, pattern=pattern), _MACRO, table)
            shown.add_row(pattern, f"{100 * accuracy[pattern]:.1f} %", *_row(cost, base))
        chosen = _table(f"{task}: fewest reuses that meet a delay", "target", "pattern",
                        "accuracy", caption=f"here, small and on this table of costs; {_SAID}")
        for target in targets:
            choice = choose(shape, _MACRO, table, target * base.delay, accuracy, similar)
            known = accuracy.get(choice.pattern)
            chosen.add_row(f"{target:.2f}", choice.pattern,
                           "-" if known is None else f"{100 * known:.1f} %",
                           *_row(choice.cost, base))
    except (CostError, KeyError, NetworkError, TargetError, UnknownNetworkError) as error:
        raise SystemExit(str(error)) from error
    Console(width=170).print(shown, chosen)


def _published(network: Published, table: Costs, targets: tuple[float, ...],
               shared: bool) -> list[Table]:
    base = evaluate(network.shape, _MACRO, table)
    encoders = len(network.shape.pattern)
    caption = (f"here, on this table of costs; published: EDAP {network.edap} x lower, "
               f"TOPS/mm2 {network.tops} x higher")

    def cost(reuses: int) -> list[str]:
        pattern = "A" * (encoders - reuses) + "R" * reuses  # their places cost nothing
        return _row(evaluate(replace(network.shape, pattern=pattern), _MACRO, table), base)

    ours = _table(f"{network.name}, {_arrays(shared)}", "encoders that reuse", caption=caption)
    for reuses in range(encoders):
        ours.add_row(f"{reuses} of {encoders}", *cost(reuses))
    chosen = _table(f"{network.name}, {_arrays(shared)}: fewest reuses that meet a delay", "target",
                    "encoders that reuse", caption=caption)
    for target in targets:
        reuses = fewest_reuses(network.shape, _MACRO, table, target * base.delay)
        chosen.add_row(f"{target:.2f}", f"{reuses} of {encoders}", *cost(reuses))
    return [ours, chosen]


@app.command(name="published")
def published_command(*, targets: tuple[float, ...] = (*_TARGETS, 0.8, 0.75),
                      costs: Path = DEFAULT_COSTS) -> None:
    """Print what reuse saves in the networks of the paper, beside what it says.

    Parameters
    ----------
    targets
        Delays as shares of that without reuse.
    costs
        TOML file of costs.
    """
    try:
        table = load_costs(costs)
        tables = [shown for network in PUBLISHED for shared in (False, True)
                  for shown in _published(network, table.replaced(shared_attention=float(shared)),
                                          targets, shared)]
    except (CostError, TargetError) as error:
        raise SystemExit(str(error)) from error
    Console(width=170).print(*tables)


if __name__ == "__main__":
    sys.exit(app())
