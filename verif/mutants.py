# SPDX-License-Identifier: Apache-2.0
"""Designs broken on purpose: patches of the emitted Verilog that the benches must notice.

A patch finds its line by the names of module, nets and ports, and by the place of a field in its
layout; where the generator numbers a net the pattern takes any number.
"""

import re
from dataclasses import dataclass

from ..rtl.config import AcceleratorConfig
from ..rtl.ftp.array_layouts import array_result_layout, tile_layout
from ..rtl.ftp.column_buffer import column_chunk_layout
from ..rtl.ftp.compressor import compressor_input_layout
from ..rtl.ftp.layouts import lif_layout
from ..rtl.ftp.plif import plif_input_layout

__all__ = ["CONFIG", "MUTANTS", "Mutant", "PatchError", "patched"]

CONFIG = AcceleratorConfig(
    timesteps=5, chunk=8, weight_bits=3, tppes=2, laggy_adders=2, match_fifo_depth=2,
    beat_values=2, max_fan_in=32, column_fifo_depth=2, memory_bits=32, burst_words=2,
    fetch_depth=2, weight_buffer_beats=64, max_columns=16)

_NET = r"\\\$(?:signal\$)?\d+ "  # a net without a name of its own
_ZERO = r"\d+'h0+"


class PatchError(ValueError):
    """The Verilog does not have the line that a mutant changes as often as it should."""


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """One way to break a unit.

    Parameters
    ----------
    unit : str
    module : str
        Path of the broken module in the unit; empty for the unit itself.
    pattern : str
        Regular expression of what is replaced.
    replacement : str
        As of ``re.sub``.
    count : int
        How often the pattern is in the module.
    killed_by : str
        Regular expression of the tests of the unit's bench that are run; one must fail.
    """

    unit: str
    module: str
    pattern: str
    replacement: str
    count: int = 1
    killed_by: str = "matches_golden"


def patched(mutant: Mutant, verilog: str) -> str:
    """Return the Verilog of the mutant's unit, broken.

    Raises
    ------
    PatchError
        Module or pattern is not there as often as it should be.
    """
    name = f"\\{mutant.unit}.{mutant.module} " if mutant.module else mutant.unit
    modules = re.findall(rf"^module {re.escape(name)}\s*\(.*?^endmodule", verilog,
                         re.DOTALL | re.MULTILINE)
    if len(modules) != 1:
        raise PatchError(f"module {name} must be there once, not {len(modules)} times")
    broken, count = re.subn(mutant.pattern, mutant.replacement, modules[0], flags=re.DOTALL)
    if count != mutant.count:
        raise PatchError(f"module {name} must have {mutant.pattern!r} {mutant.count} times, "
                         f"not {count}")
    return verilog.replace(modules[0], broken)


_T, _C = CONFIG.timesteps, CONFIG.chunk
_LAST = column_chunk_layout(CONFIG)["last"].offset
_DROP = compressor_input_layout(CONFIG)["drop_single"].offset
_SPIKES = (array_result_layout(CONFIG, tile_layout(CONFIG))["tile"].offset
           + tile_layout(CONFIG)["emit_spikes"].offset)
_SOFT = plif_input_layout(CONFIG)["lif"].offset + lif_layout()["soft_reset"].offset

MUTANTS: dict[str, Mutant] = {
    "word_offset_off_by_one": Mutant(
        unit="inner_join", module="",
        pattern=rf"(= r_data\[\d+:\d+\] \+ {_NET}\[\d+:0\]);", replacement=r"\1 + 1'h1;"),
    "mask_bit_ignored": Mutant(
        unit="inner_join", module="scanner",
        pattern=rf"(= \\i__payload\$\d+ \[{_C - 1}:0\] & \\i__payload\$\d+ \[\d+:\d+\]);",
        replacement=rf"\1 & ~{_C}'h1;"),
    "ranks_released_early": Mutant(
        unit="inner_join", module="",
        pattern=rf"(assign \\o__ready\$\d+  = {_NET}) & r_data\[\d+\];", replacement=r"\1;"),
    "pair_lost_in_stall": Mutant(
        unit="inner_join", module="",
        pattern=rf"(assign {_NET} = {_NET} \|) o__ready;", replacement=r"\1 1'h1;"),
    "correction_dropped": Mutant(
        unit="tppe", module="accumulator",
        pattern=r"= ~ \\port\$\d+\$0 \[0\];", replacement="= 1'h0;"),
    "sums_not_cleared": Mutant(
        unit="tppe", module="accumulator",
        pattern=rf"(= sums_next;\n    end\n    if \({_NET}\) begin\n      {_NET} = ){_ZERO};",
        replacement=r"\1sums_next;"),
    "weight_sign_dropped": Mutant(
        unit="tppe", module="accumulator",
        pattern=rf"(\$signed\(sums\[\d+:0\]\) \+ \$signed\()({_NET})\);",
        replacement=r"\1{ 1'h0, \2});"),
    "last_chunk_lost": Mutant(
        unit="tppe", module="",
        pattern=r"= row_over \? ", replacement=rf"= (row_over | chunk[{_LAST}]) ? "),
    "row_released_early": Mutant(
        unit="tppe", module="",
        pattern=rf"(assign row_done = {_NET}) & {_NET}\[2\];", replacement=r"\1;"),
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
        unit="plif", module="", count=2 * _T - 1,
        pattern=r"\$signed\(([^()]+)\) >>> (i__payload\[\d+:\d+\]);",
        replacement=r"$signed(\1) / $signed(32'h1 << \2);"),
    "soft_reset_taken_as_hard": Mutant(
        unit="plif", module="", count=_T,
        pattern=rf"i__payload\[{_SOFT}\] \? {_NET} : ({_ZERO});",
        replacement=r"\1;"),
    "offset_not_reset": Mutant(
        unit="compressor", module="",
        pattern=rf"= last \? {_ZERO} : ({_NET});", replacement=r"= \1;"),
    "drop_single_ignored": Mutant(
        unit="compressor", module="", count=CONFIG.beat_values,
        pattern=rf"= i__payload\[{_DROP}\] \? {_NET} : ({_NET});", replacement=r"= \1;"),
    "channel_taken_by_psum_tile": Mutant(
        unit="ftp_array", module="lane",
        pattern=rf"(assign i_channel__ready = {_NET}) & \\i__payload\$\d+ \[{_SPIKES}\];",
        replacement=r"\1;"),
    "rows_out_of_step": Mutant(
        unit="ftp_array", module="array",
        pattern=rf"= ~ {_NET};(\n  assign {_NET} = column__valid & {_NET};)",
        replacement=r"= 1'h1;\1"),
}
