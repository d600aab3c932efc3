# SPDX-License-Identifier: Apache-2.0
"""Output lanes behind an array that gathers its results in several streams."""

from typing import Any

from amaranth import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import connect, flipped

from ..shared_module import instantiate

__all__ = ["add_output_lanes"]


def add_output_lanes(m: Module, unit: Any, results: list[Any],
                     lane: wiring.Component) -> Signal:
    """Instantiate a lane behind each stream of results; return which of them are busy.

    Parameters
    ----------
    m : Module
        Of the unit.
    unit : wiring.Component
        Its ports ``i_channel``, ``o_psums`` and ``o`` are arrays, those of the lanes. Whoever
        emits it writes the module ``output_lane`` once, see `shared_module.instantiate`.
    results : list of streams
    lane : wiring.Component
        `OutputLane`, what the module is made of.
    """
    busy = Signal(len(results), name="lanes_busy")
    for index, source in enumerate(results):
        ports: Any
        m.submodules[f"lane_{index}"], ports = instantiate("output_lane", lane)
        connect(m, source, ports.i)
        for name in ("i_channel", "o_psums", "o"):
            connect(m, flipped(getattr(unit, name)[index]), getattr(ports, name))
        m.d.comb += busy[index].eq(ports.busy)
    return busy
