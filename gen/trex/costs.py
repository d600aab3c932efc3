# SPDX-License-Identifier: Apache-2.0
"""From counted events to energy, delay and area."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

import msgspec

from ...models.golden.vit_shape import VitShape
from ...rtl.config import AnalogTiming, CrossbarConfig
from .events import Stage, Workload, workload

__all__ = ["DEFAULT_COSTS", "Cost", "CostError", "Costs", "evaluate", "load_costs", "stage_ns"]

DEFAULT_COSTS = Path(__file__).with_name("costs.toml")


class CostError(ValueError):
    """A table of costs that cannot be used; names the file and the entry."""


class Entry(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A number and where it comes from."""

    value: float
    source: str


class Costs(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What events, parts and steps cost."""

    picojoules: dict[str, Entry]
    square_micrometres: dict[str, Entry]
    nanoseconds: dict[str, Entry]
    count: dict[str, Entry]

    def replaced(self, **counts: float) -> "Costs":
        """Return the same costs with other counts."""
        entries = {name: Entry(value, "replaced") for name, value in counts.items()}
        return msgspec.structs.replace(self, count=self.count | entries)


def load_costs(path: Path = DEFAULT_COSTS) -> Costs:
    """Return the costs of a TOML file.

    Raises
    ------
    CostError
        The file cannot be read, is malformed, or lacks an entry of the package's own file.
    """
    try:
        costs = msgspec.convert(tomllib.loads(path.read_text()), Costs)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError,
            msgspec.ValidationError) as error:
        raise CostError(f"{path}: {error}") from None
    wanted = tomllib.loads(DEFAULT_COSTS.read_text())
    for kind, entries in wanted.items():
        found = getattr(costs, kind)
        for name in entries.keys() ^ found.keys():
            state = "missing" if name in entries else "unknown"
            raise CostError(f"{path}: {kind}.{name} is {state}")
        for name, entry in found.items():
            if entry.value < 0:
                raise CostError(f"{path}: {kind}.{name} must be 0 or more, not {entry.value}")
    return costs


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What one input costs on hardware of its own.

    Parameters
    ----------
    energy_pj : dict of str to float
        Of each kind of event.
    delay_ns : dict of str to float
        Of each kind of work.
    area_um2 : dict of str to float
        Of each kind of part.
    macs : int
        That are done.
    """

    energy_pj: dict[str, float]
    delay_ns: dict[str, float]
    area_um2: dict[str, float]
    macs: int

    @property
    def energy(self) -> float:
        """Picojoules."""
        return sum(self.energy_pj.values())

    @property
    def delay(self) -> float:
        """Nanoseconds."""
        return sum(self.delay_ns.values())

    @property
    def area(self) -> float:
        """Square micrometres."""
        return sum(self.area_um2.values())

    @property
    def edap(self) -> float:
        """Energy x delay x area in pJ * ns * um2."""
        return self.energy * self.delay * self.area

    def tops_per_mm2(self, macs: int | None = None) -> float:
        """Return 10**12 operations in a second and square millimetre, two for each MAC.

        Parameters
        ----------
        macs : int, optional
            Of the network whose work is done, that without reuse; those that are really done if
            not given.
        """
        # 2 MACs / ns / um2 is 10**9 / 10**-6 operations in a second and square millimetre
        return 2 * (macs or self.macs) / self.delay / self.area * 1e3


def stage_ns(stage: Stage, macro: CrossbarConfig, costs: Costs) -> dict[str, float]:
    """Return the nanoseconds of a stage by the kind of work."""
    steps = {name: entry.value for name, entry in costs.nanoseconds.items()}
    count = {name: entry.value for name, entry in costs.count.items()}
    timing = AnalogTiming(settle_ns=steps["settle"], adc_bit_ns=steps["adc_bit"])
    cycle = steps["cycle"]
    return {
        "static products": stage.reads * timing.read_ns(macro),
        "dynamic products": stage.dynamic_macs / count["macs"] * cycle,
        "writes of K and V": stage.written_bytes / count["written_bytes"] * cycle,
        "softmax": stage.softmax / count["softmax_lanes"] * cycle,
        "norm and GELU": stage.vector / count["vector_lanes"] * cycle,
    }


def evaluate(shape: VitShape, macro: CrossbarConfig, costs: Costs) -> Cost:
    """Return what a network costs."""
    work = workload(shape, macro)
    return Cost(energy_pj=_energy(work, costs), delay_ns=_delay(work, macro, costs),
                area_um2=_area(work, macro, costs), macs=work.macs)


def _energy(work: Workload, costs: Costs) -> dict[str, float]:
    events: dict[str, float] = dict(work.events)
    events["crossbar_transfer"] = events["crossbar_read"]
    events["column_mux"] = events["shift_add"] = events["adc_conversion"]
    operands = 2 * events.get("dynamic_mac", 0)
    events["dynamic_read_byte"] = operands / costs.count["reuse_of_operands"].value
    return {name: count * costs.picojoules[name].value for name, count in events.items()}


def _delay(work: Workload, macro: CrossbarConfig, costs: Costs) -> dict[str, float]:
    total: dict[str, float] = {}
    for stage in work.stages:
        for name, value in stage_ns(stage, macro, costs).items():
            total[name] = total.get(name, 0.0) + value
    return total


def _area(work: Workload, macro: CrossbarConfig, costs: Costs) -> dict[str, float]:
    part = {name: entry.value for name, entry in costs.square_micrometres.items()}
    count = {name: entry.value for name, entry in costs.count.items()}
    adc = macro.adcs * (part["adc"] + part["column_mux"] + part["shift_add"])
    arrays = work.attention_encoders
    if count["shared_attention"]:
        arrays = min(arrays, 1)
    dynamic = (count["macs"] * part["mac"] + count["softmax_lanes"] * part["softmax_lane"]
               + work.kv_bytes * part["memory_byte"])
    return {
        "cells": work.macros * part["crossbar"],
        "ADCs": work.macros * adc,
        "interconnect": work.macros * part["crossbar_transfer"],
        "dynamic arrays": arrays * dynamic,
        "buffers": work.buffer_bytes * part["memory_byte"],
        "vector units": count["vector_lanes"] * part["vector_lane"],
    }
