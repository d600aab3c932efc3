# SPDX-License-Identifier: Apache-2.0
"""The element that looks weights up, in Verilator, against the golden op."""

import json

import pytest
from amaranth.back.verilog import convert

from spikeloom.rtl.config import ArrayConfig
from spikeloom.rtl.pe.element import Element
from spikeloom.verif.build import Design
from spikeloom.verif.runner import Run, run_bench

_SMALL = {"tppes": 1, "output_lanes": 1, "laggy_adders": 8}
CONFIGS = {
    "usual": ArrayConfig(max_fan_in=256),
    "one_row": ArrayConfig(timesteps=1, chunk=8, beat_values=1, max_fan_in=40, rows_per_pe=1,
                           probes=1, hit_fifo_depth=4, **_SMALL),
    "two_rows": ArrayConfig(timesteps=5, chunk=24, beat_values=4, max_fan_in=100, weight_bits=3,
                            rows_per_pe=2, probes=2, hit_fifo_depth=5, **_SMALL),
    "one_beat": ArrayConfig(timesteps=4, chunk=8, beat_values=8, max_fan_in=60, weight_bits=2,
                            rows_per_pe=4, probes=1, hit_fifo_depth=8, **_SMALL),
    "one_chunk": ArrayConfig(timesteps=4, chunk=8, beat_values=2, max_fan_in=8, weight_bits=5,
                             rows_per_pe=2, probes=4, hit_fifo_depth=4, **_SMALL),
}


class ElementRun(Run):
    """A run whose configuration is no accelerator's."""

    def command(self):
        return json.dumps(["element", self.bench, self.seed, self.config.as_dict()])


@pytest.mark.parametrize("bench", ["tb_element", "tb_element_errors"])
@pytest.mark.parametrize("pe", ["scan", "bcast"])
@pytest.mark.parametrize("name", CONFIGS)
def test_bench(name, pe, bench):
    fields = CONFIGS[name].as_dict() | {"pe": pe}
    config = ArrayConfig(**fields)
    verilog = convert(Element(config), name="element", emit_src=False, strip_internal_attrs=True)
    run_bench(ElementRun(unit="element", config=config, bench=bench,
                         design=Design(top="element", verilog=verilog)))
