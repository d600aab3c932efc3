# SPDX-License-Identifier: Apache-2.0
"""What the sequencer checks before it goes on: header, descriptor, and faults outside of it."""

import itertools

from amaranth import Cat, Const, Module, Signal, Value
from amaranth.lib import data

from ..config import AcceleratorConfig
from .descriptor import Mode, Operation
from .field_limits import field_limits
from .register_map import ErrorCode

__all__ = ["bad_length", "engines_layout", "faults_layout", "first_fault", "illegal",
           "state_layout"]

_AXI_WORDS = 1 << 28  # with 128 bits each, all that 32 bits of address reach


def engines_layout() -> data.StructLayout:
    """Return what the sequencer needs to know of the engines.

    Members
    -------
    busy : unsigned(1)
        An engine works, or a write is under way.
    held : unsigned(1)
        A linear writer holds what only ``finish`` makes it write.
    moving : unsigned(1)
        Something moved in this cycle.
    leftover : unsigned(1)
        Data that nobody asked for waits somewhere.
    unsupported : unsigned(1)
        The layer asks for what is not built.
    """
    return data.StructLayout({
        "busy": 1, "held": 1, "moving": 1, "leftover": 1, "unsupported": 1,
    })


def faults_layout() -> data.StructLayout:
    """Return what may go wrong outside of the sequencer, most telling cause first.

    Members
    -------
    read_response : unsigned(1)
        The bus answered a read with an error.
    write_response : unsigned(1)
        The bus answered a write with an error.
    read_range : unsigned(1)
        A read outside of the image.
    write_range : unsigned(1)
        A write outside of the writable regions.
    bad_descriptor : unsigned(1)
        A descriptor contradicts itself.
    weight_buffer_overflow : unsigned(1)
        A weight block does not fit its buffer.
    row_overflow : unsigned(1)
        A spike fiber or one of its chunks is too long.
    column_overflow : unsigned(1)
        A chunk of a weight fiber has too many beats.
    length_mismatch : unsigned(1)
        A fiber has not as many chunks as the one it meets.
    tile_rows : unsigned(1)
        The rows of a tile are not in 1..P * r.
    row_index : unsigned(1)
        A spike fiber is for a row that the tile does not have.
    place_overflow : unsigned(1)
        A weight lies beyond the end of the rows.
    """
    return data.StructLayout({name: 1 for name in (
        "read_response", "write_response", "read_range", "write_range", "bad_descriptor",
        "weight_buffer_overflow", "row_overflow", "column_overflow", "length_mismatch",
        "tile_rows", "row_index", "place_overflow")})


def state_layout() -> data.StructLayout:
    """Return where the sequencer is.

    Members
    -------
    running : unsigned(1)
        From the start to the end, a stop or an error.
    done : unsigned(1)
        For one cycle: all images have been run.
    stopped : unsigned(1)
        For one cycle: stopped between two descriptors, as asked.
    error : unsigned(1)
        For one cycle: an error; nothing goes on until a reset.
    code : unsigned(8)
        The error, see ``ErrorCode``; with ``error``.
    descriptor : unsigned(32)
        The descriptor at work.
    image : unsigned(32)
        Images that are complete.
    """
    return data.StructLayout({
        "running": 1, "done": 1, "stopped": 1, "error": 1, "code": 8, "descriptor": 32,
        "image": 32,
    })


def first_fault(m: Module, faults: data.View, timeout: Value, checks: bool
                ) -> tuple[Signal, Signal]:
    """Return whether something is wrong outside of the sequencer, and what; nothing unchecked."""
    fault, code = Signal(), Signal(ErrorCode)
    if not checks:
        return fault, code
    m.d.comb += [fault.eq(faults.as_value().any() | timeout), code.eq(ErrorCode.TIMEOUT)]
    for name, _ in reversed(list(faults_layout())):  # the first one wins
        with m.If(faults[name]):
            m.d.comb += code.eq(ErrorCode[name.upper()])
    return fault, code


def bad_length(config: AcceleratorConfig, header: data.View, header_words: int) -> Value:
    """Return whether the regions of an image contradict each other or the memory."""
    memory = config.memory_words if config.memory == "on_chip" else _AXI_WORDS
    can_be_over = field_limits(config).get("memory_words", memory + 1) > memory
    over = header.memory_words > memory if can_be_over else Const(0)
    return ((header.program_words <= header_words)
            | (header.program_words > header.writable_start)
            | (header.writable_start > header.memory_words)
            | over | (header.descriptors == 0))


def illegal(layer: data.View) -> Value:
    """Return whether a descriptor is none; what walks it checks the rest."""
    encode = layer.operation == Operation.ENCODE
    matrix = layer.operation == Operation.LAYER
    known_mode = Cat(layer.mode == mode for mode in Mode).any()
    nothing = Cat(layer[name] == 0 for name in ("columns", "tiles", "passes", "weight_words"))
    others = [layer.crossbar, layer.attention, layer.residual_pool]
    several = Cat(one & other for one, other in itertools.combinations(others, 2)).any()
    return ~(encode | matrix) | ~known_mode | several | (encode & nothing.any())
