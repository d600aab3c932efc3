# SPDX-License-Identifier: Apache-2.0
"""Broken designs of the units around the datapath."""

from ..gen.presets import load_config
from ..rtl.ftp.compressor import fiber_layout
from ..rtl.soc.csr import run_status_layout
from ..rtl.soc.descriptor import descriptor_layout
from .mutants import CONFIG, NET, ZERO, Mutant, bits

__all__ = ["MUTANTS"]

_ON_CHIP = load_config("tiny")
_RUNNING = bits(run_status_layout(), "running")
_MASK = bits(fiber_layout(CONFIG), "mask")
_PASS_PITCH = bits(descriptor_layout(), "out_pass_pitch")
_PASS_PITCH_LOW = bits(descriptor_layout(), "out_pass_pitch", 16).replace("\\", "")
_NEVER = r"\g<1>1'h0)"


def _reset_of(register: str) -> str:
    """Return a regular expression of a register's reset; `_NEVER` takes the register out of it."""
    return rf"(= {register};\n(?:    [^\n]*\n)*?    if \()rst\)"


MUTANTS: dict[str, Mutant] = {
    "start_while_running": Mutant(
        unit="csr", module="", config=_ON_CHIP, killed_by="commands_last_one_cycle",
        pattern=rf"(assign {NET} = ({NET})) & {NET};(\n  assign {NET} = \2 & status{_RUNNING};)",
        replacement=r"\1;\3"),
    "event_lost_to_clear": Mutant(
        unit="csr", module="", config=_ON_CHIP, killed_by="event_beats_clear",
        pattern=rf"if \(happens_done\)( begin\s+{NET}\[0\])",
        replacement=r"if (happens_done & ~write)\1"),
    "response_not_held": Mutant(
        unit="csr", module="bus", config=_ON_CHIP,
        killed_by="matches_golden/gaps=0.0/stalls=0.5",
        pattern=r"if \(axil__bready\)", replacement="if (1'h1)"),
    "word_lost_beside_access": Mutant(
        unit="csr", module="", config=_ON_CHIP, bench="tb_csr_window",
        killed_by="shares_the_window",
        pattern=rf"(assign i_load__ready = {NET}) & {NET};", replacement=r"\1;"),
    "silent_chunk_with_values": Mutant(
        unit="chunk_writer", module="",
        pattern=rf"(assign {NET} = )! i__payload{_MASK};", replacement=r"\g<1>1'h0;"),
    "third_chunk_taken": Mutant(
        unit="chunk_writer", module="",
        pattern=rf"(assign i__ready = ){NET} & ({NET};)", replacement=r"\1\2"),
    "pass_pitch_cut": Mutant(
        unit="chunk_writer", module="",
        pattern=rf"= slot \+ layer{_PASS_PITCH};",
        replacement=f"= slot + layer{_PASS_PITCH_LOW};"),
    "word_survives_reset": Mutant(
        unit="chunk_writer", module="", killed_by="restarts_after_reset",
        pattern=_reset_of("memory__data__valid"), replacement=_NEVER),
    "half_rounded_down": Mutant(
        unit="post_processor", module="requantizer",
        pattern=r"= 1'h1 << (product\[\d+:\d+\]);",
        replacement=r"= (32'h1 << \1) - (\1 ? 32'h2 : 32'h0);"),
    "residual_not_awaited": Mutant(
        unit="post_processor", module="adder",
        pattern=rf"(assign i__ready = {NET}) & {NET};", replacement=r"\1;"),
    "window_never_opened": Mutant(
        unit="post_processor", module="pool", killed_by="pools",
        pattern=rf"= {NET}\[\d+\] \? {ZERO} : read__data;", replacement="= read__data;"),
    "plane_survives_reset": Mutant(
        unit="post_processor", module="combiner", killed_by="restarts_after_reset",
        pattern=_reset_of("collected"), replacement=_NEVER),
    "padding_fetched": Mutant(
        unit="spike_loader", module="walker.segments",
        killed_by="matches_golden/gaps=0.0/stalls=0.0",
        pattern=r" > \$signed\(x\)", replacement=" >= $signed(x)"),
    "mask_requested_without_room": Mutant(
        unit="spike_loader", module="fetch", killed_by="asks_for_masks_ahead",
        pattern=rf"(assign masks__request__valid = {NET}) & i__ready;", replacement=r"\1;"),
    "word_too_many": Mutant(
        unit="spike_loader", module="fetch", killed_by="matches_golden/gaps=0.0/stalls=0.0",
        pattern=rf"(assign {NET} = counted__payload\[\d+:0\] \+ [^\n]*\n  assign {NET} = {NET})"
                r" - 1'h1;",
        replacement=r"\1;"),
    "silenced_word_stays": Mutant(
        unit="spike_loader", module="sifter", killed_by="matches_golden/gaps=0.0/stalls=0.0",
        pattern=r"= \| word;", replacement="= 1'h1;"),
    "mask_of_segment_before": Mutant(
        unit="spike_loader", module="sifter", killed_by="matches_golden/gaps=0.0/stalls=0.0",
        pattern=rf"= begun \? kept : {ZERO};", replacement="= kept;"),
    "tile_given_twice": Mutant(
        unit="spike_loader", module="walker.tiles",
        killed_by="matches_golden/gaps=0.0/stalls=0.0",
        pattern=rf"(assign o_tile__valid = ){NET} & ({NET});", replacement=r"\1sending & \2;"),
    "request_not_held": Mutant(
        unit="weight_loader", module="", killed_by="matches_golden/gaps=0.5",
        pattern=r"(= memory__request__valid) & memory__request__ready;", replacement=r"\1;"),
    "full_buffer_written": Mutant(
        unit="weight_loader", module="buffer", killed_by="stops_when_full",
        pattern=rf"(assign i__ready = ){NET} & ", replacement=r"\1"),
    "beat_too_many": Mutant(
        unit="weight_loader", module="decoder",
        pattern=rf"(assign {NET} = total \+ [^\n]*\n  assign {NET} = {NET}) - 1'h1;",
        replacement=r"\1;"),
    "blocks_not_counted": Mutant(
        unit="weight_loader", module="decoder", killed_by="reports_errors",
        pattern=rf"= round_end & {NET};", replacement="= 1'h0;"),
}
