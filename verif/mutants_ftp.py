# SPDX-License-Identifier: Apache-2.0
"""Broken designs of the datapath's units."""

from ..rtl.ftp.array_layouts import array_result_layout, tile_layout
from ..rtl.ftp.column_buffer import column_chunk_layout
from ..rtl.ftp.compressor import compressor_input_layout
from ..rtl.ftp.layouts import lif_layout
from .mutants import CONFIG, NET, ZERO, Mutant

__all__ = ["MUTANTS"]

_T, _C = CONFIG.timesteps, CONFIG.chunk
_LAST = column_chunk_layout(CONFIG)["last"].offset
_DROP = compressor_input_layout(CONFIG)["drop_single"].offset
_SPIKES = (array_result_layout(CONFIG, tile_layout(CONFIG))["tile"].offset
           + tile_layout(CONFIG)["emit_spikes"].offset)
_SOFT = lif_layout()["soft_reset"].offset

MUTANTS: dict[str, Mutant] = {
    "word_offset_off_by_one": Mutant(
        unit="inner_join", module="",
        pattern=rf"(= r_data\[\d+:\d+\] \+ {NET}\[\d+:0\]);", replacement=r"\1 + 1'h1;"),
    "mask_bit_ignored": Mutant(
        unit="inner_join", module="scanner",
        pattern=rf"(= \\i__payload\$\d+ \[{_C - 1}:0\] & \\i__payload\$\d+ \[\d+:\d+\]);",
        replacement=rf"\1 & ~{_C}'h1;"),
    "ranks_released_early": Mutant(
        unit="inner_join", module="",
        pattern=rf"(assign \\o__ready\$\d+  = {NET}) & r_data\[\d+\];", replacement=r"\1;"),
    "pair_lost_in_stall": Mutant(
        unit="inner_join", module="",
        pattern=rf"(assign {NET} = {NET} \|) o__ready;", replacement=r"\1 1'h1;"),
    "correction_dropped": Mutant(
        unit="tppe", module="accumulator",
        pattern=r"= ~ \\port\$\d+\$0 \[0\];", replacement="= 1'h0;"),
    "sums_not_cleared": Mutant(
        unit="tppe", module="accumulator",
        pattern=rf"(= sums_next;\n    end\n    if \({NET}\) begin\n      {NET} = ){ZERO};",
        replacement=r"\1sums_next;"),
    "weight_sign_dropped": Mutant(
        unit="tppe", module="accumulator",
        pattern=rf"(\$signed\(sums\[\d+:0\]\) \+ \$signed\()({NET})\);",
        replacement=r"\1{ 1'h0, \2});"),
    "last_chunk_lost": Mutant(
        unit="tppe", module="",
        pattern=r"= row_over \? ", replacement=rf"= (row_over | chunk[{_LAST}]) ? "),
    "row_released_early": Mutant(
        unit="tppe", module="",
        pattern=rf"(assign row_done = {NET}) & {NET}\[2\];", replacement=r"\1;"),
    "row_bank_not_switched": Mutant(
        unit="tppe", module="row",
        pattern=r"= ~ bank;", replacement="= bank;"),
    "column_buffer_overfull": Mutant(
        unit="tppe", module="column",
        pattern=rf"(\[\d+:0\] != \d+'h){CONFIG.column_beats:x};",
        replacement=rf"\g<1>{CONFIG.column_beats + 1:x};"),
    "greater_for_greater_or_equal": Mutant(
        unit="plif", module="", count=_T,
        pattern=r"\) >= \$signed\(", replacement=") > $signed("),
    "truncation_for_floor": Mutant(
        unit="plif", module="", count=_T,
        pattern=r"\$signed\(([^()]+)\) >>> (lif_\d\[\d+:\d+\]);",
        replacement=r"$signed(\1) / $signed(32'h1 << \2);"),
    "soft_reset_taken_as_hard": Mutant(
        unit="plif", module="", count=_T,
        pattern=rf"lif_\d\[{_SOFT}\] \? excess_\d : ({ZERO});",
        replacement=r"\1;"),
    "offset_not_reset": Mutant(
        unit="compressor", module="",
        pattern=rf"= last \? {ZERO} : ({NET});", replacement=r"= \1;"),
    "drop_single_ignored": Mutant(
        unit="compressor", module="", count=CONFIG.beat_values,
        pattern=rf"= i__payload\[{_DROP}\] \? {NET} : ({NET});", replacement=r"= \1;"),
    "channel_taken_by_psum_tile": Mutant(
        unit="ftp_array", module="lane",
        pattern=rf"(assign i_channel__ready = {NET}) & \\i__payload\$\d+ \[{_SPIKES}\];",
        replacement=r"\1;"),
    "rows_out_of_step": Mutant(
        unit="ftp_array", module="array",
        pattern=rf"= ~ {NET};(\n  assign {NET} = o__valid & {NET};)",
        replacement=r"= 1'h1;\1"),
}
