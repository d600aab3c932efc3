# SPDX-License-Identifier: Apache-2.0
"""Broken designs of the link to a host."""

from typing import Any

from .mutants import NET, Mutant
from .unit_configs import odd_config

__all__ = ["MUTANTS"]

_CONFIG: Any = odd_config("host_link")
_NEVER = r"\g<1>1'h0;"

MUTANTS: dict[str, Mutant] = {
    "repeated_request_carried_out": Mutant(
        unit="host_link", module="", config=_CONFIG, killed_by="answers_once_more",
        pattern=rf"(assign {NET} =) \\sequence  == last;", replacement=_NEVER),
    "damaged_frame_taken": Mutant(
        unit="host_link", module="", config=_CONFIG, killed_by="counts_what_it_drops",
        pattern=rf"(assign {NET} =) match_detected & {NET};", replacement=r"\g<1> 1'h1;"),
    "long_frame_taken": Mutant(
        unit="host_link", module="", config=_CONFIG, killed_by="counts_what_it_drops", count=2,
        pattern=r"(= \S+ +<=) 6'h21;", replacement=r"\1 6'h22;"),
    "refused_write_called_good": Mutant(
        unit="host_link", module="", config=_CONFIG, killed_by="refuses",
        pattern=rf"(assign {NET} = )\| axil__bresp;", replacement=_NEVER),
    "read_withdrawn": Mutant(
        unit="host_link", module="", config=_CONFIG,
        killed_by="matches_golden/gaps=0.0/stalls=0.5",
        pattern=r"if \(axil__arready\)", replacement="if (1'h1)"),
    "waiting_byte_overwritten": Mutant(
        unit="uart", module="", config=_CONFIG, killed_by="drops_what_nobody_takes",
        pattern=rf"(assign {NET} =) {NET} \| o__ready;", replacement=r"\1 1'h1;"),
    "byte_without_a_stop_bit": Mutant(
        unit="uart", module="", config=_CONFIG, killed_by="matches_golden/gaps=0.0/stalls=0.0",
        pattern=rf"(assign {NET} =) line & ({NET};)", replacement=r"\1 \2"),
    "escape_of_an_escape_lost": Mutant(
        unit="slip_decoder", module="", config=_CONFIG, bench="tb_slip",
        killed_by="matches_golden/gaps=0.0/stalls=0.0",
        pattern=r"(= i__payload == )8'hdd;", replacement=r"\g<1>8'hde;"),
    "escape_sent_twice": Mutant(
        unit="slip_encoder", module="", config=_CONFIG, bench="tb_slip",
        killed_by="matches_golden/gaps=0.0/stalls=0.5",
        pattern=rf"(assign {NET} = i__valid) & o__ready;", replacement=r"\1;"),
}
