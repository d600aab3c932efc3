# SPDX-License-Identifier: Apache-2.0
"""What a vision transformer core does: its instructions, and the words that it is loaded with."""

from enum import IntEnum

from amaranth import unsigned
from amaranth.lib import data

from ..config import VitCoreConfig

__all__ = ["Memory", "Opcode", "instruction_layout", "load_layout"]

COUNT_BITS = 13


class Opcode(IntEnum):
    """What an instruction does."""

    END = 0        # nothing: the network is done
    NORM = 1       # layer norm of rows
    LINEAR = 2     # rows times static weights, plus bias
    MULTIPLY = 3   # rows times rows, then rounded, or to the softmax
    GELU = 4       # a table of values
    ADD = 5        # shifted values added to others, saturating


class Memory(IntEnum):
    """What is written when the core is loaded."""

    VALUES = 0
    PARAMETERS = 1
    INSTRUCTIONS = 2
    TABLES = 3     # of GELU; the address is 256 times its number plus the value, without sign


def instruction_layout(config: VitCoreConfig) -> data.StructLayout:
    """Return an instruction.

    It reads ``a[i*a_row + k*a_step]`` for each row i and each k below ``length``; MULTIPLY and
    ADD read ``b[j*b_column + k*b_step]`` too, MULTIPLY for each row and each column j. Result j of
    row i goes to ``target[i*t_row + j*t_column]``.

    Members
    -------
    op : unsigned(3)
        An `Opcode`.
    rows : unsigned(13)
        Rows.
    columns : unsigned(13)
        Results of a row.
    length : unsigned(13)
        Values of a row that are read.
    a : unsigned(16)
        Address of the values.
    a_row : unsigned(16)
        From one row to the next.
    a_step : unsigned(16)
        From one value to the next.
    b : unsigned(16)
        Address of the other values.
    b_column : unsigned(16)
        From one column to the next.
    b_step : unsigned(16)
        From one value to the next.
    target : unsigned(16)
        Address of the results.
    t_row : unsigned(16)
        From one row of results to the next.
    t_column : unsigned(16)
        From one result to the next.
    parameter : unsigned(16)
        Address of the first column's bias, or gamma and beta; of GELU the number of its table.
    skip : unsigned(13)
        LINEAR: beats of the engine's inputs before the weights.
    shift : unsigned(5)
        Right shift of results; ADD: left shift of ``a``.
    gain : unsigned(8)
        Of the softmax.
    softmax : unsigned(1)
        MULTIPLY: the columns of a row become probabilities.
    wide : unsigned(1)
        Results are clipped to 16 bits, not to 8.
    relu : unsigned(1)
        ADD: values of ``a`` below 0 count as 0.
    emit : unsigned(1)
        LINEAR: sums leave the core as they are.
    """
    words = ("a", "a_row", "a_step", "b", "b_column", "b_step", "target", "t_row", "t_column",
             "parameter")
    return data.StructLayout({
        "op": unsigned(3),
        **{name: unsigned(COUNT_BITS) for name in ("rows", "columns", "length")},
        **{name: unsigned(16) for name in words},
        "skip": unsigned(COUNT_BITS), "shift": unsigned(5), "gain": unsigned(8),
        **{name: unsigned(1) for name in ("softmax", "wide", "relu", "emit")},
    })


def load_layout(config: VitCoreConfig) -> data.StructLayout:
    """Return a word that is loaded.

    Members
    -------
    memory : unsigned(2)
        A `Memory`.
    address : unsigned(16)
        Place in it.
    word : instruction_layout(config)
        An instruction; of other memories the lowest 16, 32 or 8 bits count.
    """
    return data.StructLayout({"memory": unsigned(2), "address": unsigned(16),
                              "word": instruction_layout(config)})
