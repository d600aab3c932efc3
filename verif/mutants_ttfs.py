# SPDX-License-Identifier: Apache-2.0
"""Broken designs of the units for neurons that spike once."""

from typing import Any

from ..rtl.ttfs.ttfs_neuron import operation_layout
from .mutants import NET, Mutant, bits
from .unit_configs import odd_config

__all__ = ["MUTANTS"]

_CONFIG: Any = odd_config("ttfs_core")
_LANES = _CONFIG.lanes
_TIME, _WINDOW = (bits(operation_layout(_CONFIG), name) for name in ("time", "window"))
_POOLS = "matches_golden/shape=delay/pauses=0.0"

MUTANTS: dict[str, Mutant] = {
    "spike_at_the_end_of_its_window_lost": Mutant(
        unit="ttfs_neuron", module="", config=_CONFIG, count=_LANES,
        pattern=rf"(= i__payload{_TIME}) <= (i__payload{_WINDOW};)", replacement=r"\1 < \2"),
    "second_spike_of_a_neuron": Mutant(
        unit="ttfs_neuron", module="", config=_CONFIG, count=_LANES,
        pattern=r"(assign fresh_\d+ =) [^;]*;", replacement=r"\1 1'h1;"),
    "truncation_for_floor_of_a_decay": Mutant(
        unit="ttfs_neuron", module="", config=_CONFIG, count=2 * _LANES,
        pattern=r"\$signed\(([^()]+)\) >>> (i__payload\[\d+:\d+\]);",
        replacement=r"$signed(\1) / $signed(32'h1 << \2);"),
    "spikes_that_wait_overwritten": Mutant(
        unit="ttfs_neuron", module="", config=_CONFIG, killed_by="keeps_spikes_that_wait",
        pattern=rf"(assign i__ready =) {NET} \| o__ready;", replacement=r"\1 1'h1;"),
    "spikes_of_the_same_step_left": Mutant(
        unit="ttfs_core", module="sequencer", config=_CONFIG,
        killed_by="matches_golden/shape=shuffle/pauses=0.0",
        pattern=rf"(3'h5:\s+if \({NET}\) begin\s+if \(){NET}\)", replacement=r"\g<1>1'h1)"),
    "missed_updates_not_made": Mutant(
        unit="ttfs_core", module="neurons", config=_CONFIG, killed_by=_POOLS,
        pattern=rf"( != \\time ;\n  assign {NET} = ){NET} & {NET};", replacement=r"\g<1>1'h0;"),
    "tie_to_the_highest_class": Mutant(
        unit="ttfs_core", module="", config=_CONFIG,
        killed_by="matches_golden/shape=(base|res|shuffle)/pauses=0.0",
        pattern=rf"(= {NET}) < (\\result\$\d+ \[\d+:\d+\];)", replacement=r"\1 > \2"),
    "last_spike_of_a_pool": Mutant(
        unit="ttfs_core", module="time_memory", config=_CONFIG, killed_by=_POOLS, count=2,
        pattern=rf"(= adds \? {NET} :) {NET};", replacement=r"\1 1'h0;"),
    "tap_behind_the_border": Mutant(
        unit="ttfs_core", module="walker", config=_CONFIG, killed_by=_POOLS,
        pattern=rf"= {NET} \? [^;\n]*: (high_x;)", replacement=r"= \1"),
}
