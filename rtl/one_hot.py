# SPDX-License-Identifier: Apache-2.0
"""Encoder: the index of a single set bit."""

from amaranth import Cat, Module, Signal, Value

from .ftp.layouts import index_range

__all__ = ["encode"]


def encode(m: Module, one_hot: Value) -> Signal:
    """Add an encoder; return the index of the set bit of ``one_hot``."""
    index = Signal(index_range(len(one_hot)))
    for bit in range(len(index)):
        members = [one_hot[k] for k in range(len(one_hot)) if k >> bit & 1]
        m.d.comb += index[bit].eq(Cat(*members).any())
    return index
