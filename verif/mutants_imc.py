# SPDX-License-Identifier: Apache-2.0
"""Broken designs of the units for in-memory computing."""

from typing import Any

from ..rtl.config import CrossbarConfig
from ..rtl.imc.layouts import reading_layout, target_layout
from .mutants import NET, ZERO, Mutant, bits
from .unit_configs import odd_config

__all__ = ["CONFIG", "MUTANTS"]

_ODD: Any = odd_config("imc_engine")
CONFIG = CrossbarConfig(  # of a macro that takes a moment to build
    rows=16, columns=16, cell_bits=2, fraction_bits=3, weight_bits=8, encoding="sign", adc_bits=5,
    adc_shift=2, columns_per_adc=8, pulse_bits=5, pulse_loss=2, max_pulses=2, tiles=1,
    timesteps=3, beat_values=8)
_ACCELERATOR: Any = odd_config("crossbar_array")
_PLANES = bits(reading_layout(CONFIG), "planes")
_ROW = bits(target_layout(CONFIG), "row")
_PLAIN = "matches_golden/gaps=0.0/stalls=0.0"

MUTANTS: dict[str, Mutant] = {
    "floor_for_rounding_of_an_adc": Mutant(
        unit="adc", module="", config=_ODD, count=_ODD.adcs,
        killed_by="walks_over_every_step",
        pattern=r"\+ \$signed\(\d+'h2\)", replacement=r"+ $signed(1'h0)"),
    "membrane_of_the_vector_before": Mutant(
        unit="membrane_lif", module="", config=_ODD, killed_by=_PLAIN,
        pattern=rf"= {NET} \? {ZERO} : (read__data;)", replacement=r"= \1"),
    "neuron_that_follows_itself": Mutant(
        unit="membrane_lif", module="", config=_ODD, killed_by="keeps_its_pace",
        pattern=r"_0_ <= after;", replacement=";"),
    "pulse_right_after_a_pulse": Mutant(
        unit="crossbar", module="cells", config=_ODD, killed_by="moves_by_pulses/stalls=0.0",
        pattern=r"(assign o_verify__payload =) changed \? former :", replacement=r"\1"),
    "top_plane_added": Mutant(
        unit="imc_engine", module="planes", config=CONFIG, killed_by=_PLAIN,
        pattern=r"= - (\$signed\()", replacement=r"= \1"),
    "one_pulse_too_few": Mutant(
        unit="imc_engine", module="programmer", config=CONFIG, killed_by="counts_programming",
        pattern=rf"(= pulses == \d+'h){CONFIG.max_pulses};",
        replacement=rf"\g<1>{CONFIG.max_pulses - 1};"),
    "sign_in_the_row_of_offsets": Mutant(
        unit="imc_engine", module="", config=CONFIG, count=CONFIG.outputs, killed_by=_PLAIN,
        pattern=rf"= i_program__payload{_ROW} != \d+'h{CONFIG.rows:x};", replacement="= 1'h1;"),
    "rows_of_full_macros_alone": Mutant(
        unit="cell_loader", module="", config=_ACCELERATOR,
        pattern=rf"= {NET} == left;", replacement="= 1'h0;"),
    "macros_out_of_use_count": Mutant(
        unit="crossbar_array", module="", config=_ACCELERATOR,
        pattern=rf"= {NET} <= 5'h10;", replacement="= 1'h0;"),
    "integer_at_a_timestep_alone": Mutant(
        unit="imc_core", module="", config=CONFIG, killed_by=_PLAIN,
        pattern=rf"(assign last =) reading{_PLANES} \? {NET} : ", replacement=r"\1 "),
}
