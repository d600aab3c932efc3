# SPDX-License-Identifier: Apache-2.0
"""Energy, latency and area of counted events, component by component."""

from collections.abc import Iterable

import msgspec

from ...rtl.config import CrossbarConfig
from .costs import Costs
from .events import LayerEvents

__all__ = ["COMPONENTS", "QUANTITIES", "Budget", "budget"]

COMPONENTS = ("cells", "adc", "column_mux", "shift_add", "sign_correction", "neurons", "buffers",
              "interconnect")
QUANTITIES = ("energy_pj", "latency_ns", "area_um2")


class Budget(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What a network costs on crossbars, by component.

    Parameters
    ----------
    energy_pj : dict
        Of an image.
    latency_ns : dict
        Of an image: layers one after the other, a component's times added up; those that hide
        behind conversions are 0.
    area_um2 : dict
        Of a chip that holds all weights.
    """

    energy_pj: dict[str, float]
    latency_ns: dict[str, float]
    area_um2: dict[str, float]

    def total(self, quantity: str) -> float:
        """Return the sum over all components."""
        return sum(getattr(self, quantity).values())

    def bottleneck(self, quantity: str) -> str:
        """Return the component with the greatest share."""
        parts = getattr(self, quantity)
        return max(parts, key=lambda name: parts[name])


def budget(layers: Iterable[LayerEvents], config: CrossbarConfig, costs: Costs) -> Budget:
    """Return what the events of all layers cost."""
    layers = list(layers)

    def total(field: str) -> float:
        return float(sum(getattr(layer, field) for layer in layers))

    return Budget(energy_pj=_energy(total, config, costs),
                  latency_ns=_latency(total, config, costs),
                  area_um2=_area(total, len(layers), config, costs))


def _energy(total, config: CrossbarConfig, costs: Costs) -> dict[str, float]:
    table = costs.energy
    return {
        "cells": total("cell_reads") * table.cell_read.picojoules,
        "adc": total("conversions") * costs.conversion(config.adc_bits),
        "column_mux": total("conversions") * table.column_mux.picojoules,
        "shift_add": total("conversions") * table.shift_add.picojoules,
        "sign_correction": (total("counts") * table.count.picojoules
                            + total("subtractions") * table.subtraction.picojoules),
        "neurons": total("neuron_updates") * table.neuron_update.picojoules,
        "buffers": total("buffer_bytes") * table.buffer_byte.picojoules,
        "interconnect": total("interconnect_bytes") * table.interconnect_byte.picojoules,
    }


def _latency(total, config: CrossbarConfig, costs: Costs) -> dict[str, float]:
    """Macros of a layer work side by side; the rest of a layer is shared by them."""
    table, word = costs.latency, costs.system.word_bytes.value
    conversions = config.columns_per_adc * (config.adc_bits + 1)
    return dict.fromkeys(COMPONENTS, 0.0) | {
        "cells": total("reads") * table.settle.ns,
        "adc": total("reads") * conversions * table.adc_bit.ns,
        "neurons": (total("neuron_updates") / costs.system.neuron_lanes.value
                    * table.neuron_update.ns),
        "buffers": total("buffer_bytes") / word * table.transfer.ns,
        "interconnect": total("interconnect_bytes") / word * table.transfer.ns,
    }


def _area(total, layers: int, config: CrossbarConfig, costs: Costs) -> dict[str, float]:
    table, macros = costs.area, total("macros")
    cells, adcs = config.rows * config.columns, config.adcs
    counters = {"differential": 0, "offset": 1, "sign": config.outputs}[config.encoding]
    membranes = total("neurons") * costs.system.membrane_bits.value * table.memory_bit.um2
    return {
        "cells": macros * cells * table.cell.um2,
        "adc": macros * adcs * costs.adc_area(config.adc_bits),
        "column_mux": macros * adcs * table.column_mux.um2,
        "shift_add": macros * adcs * table.shift_add.um2,
        "sign_correction": macros * counters * table.sign_counter.um2,
        "neurons": membranes + (
            layers * costs.system.neuron_lanes.value * table.neuron_lane.um2),
        "buffers": total("map_bits") * table.memory_bit.um2 + macros * table.macro_buffer.um2,
        "interconnect": macros * table.macro_interconnect.um2 * cells / 4096,
    }
