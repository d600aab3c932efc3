# SPDX-License-Identifier: Apache-2.0
"""Memories written by the beat and read by the value."""

from amaranth import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import ReadPort

__all__ = ["read_port_signature", "read_values"]


def read_port_signature(depth: int, shape) -> wiring.Signature:
    """Return the signature of a read port for ``depth`` items of ``shape``.

    The data of ``addr`` comes 1 cycle after ``en`` and stays while ``en`` is low.
    """
    # the type stubs know no shape but unsigned integers here
    return ReadPort.Signature(addr_width=(depth - 1).bit_length(),
                              shape=shape)  # pyright: ignore[reportArgumentType]


def read_values(m: Module, read: ReadPort, values, beat_values: int) -> None:
    """Serve ``values``, a read port of single values, from ``read``, one of whole beats.

    Parameters
    ----------
    read : ReadPort
        Of the memory, one beat of ``beat_values`` values an item.
    values : wiring.PureInterface
        Made of `read_port_signature`; the lowest bits of its address choose the value.
    beat_values : int
        Power of two.
    """
    beat_bits, width = (beat_values - 1).bit_length(), len(values.data)
    place = Signal(range(max(beat_values, 2)))
    with m.If(values.en):
        m.d.sync += place.eq(values.addr[:beat_bits])
    m.d.comb += [
        read.en.eq(values.en),
        read.addr.eq(values.addr >> beat_bits),
        values.data.eq((read.data >> place * width)[:width]),
    ]
