# SPDX-License-Identifier: Apache-2.0
"""Crossbar macro: the analog part of an in-memory-computing engine, as a digital twin."""

from collections.abc import Sequence

from amaranth import Module, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..config import CrossbarConfig
from ..ftp.layouts import index_range
from .adc import ADC
from .cell_array import CellArray
from .layouts import codes_layout, program_layout
from .read_noise import ReadNoise

__all__ = ["Crossbar"]


class Crossbar(wiring.Component):
    """Read R binary wordlines through C columns of cells and ADCs that ``M`` columns share.

    A behavioural model of an analog macro, made of integers, not an analog design. A macro of
    silicon may take its place, if it keeps to this: what is valid stays valid and unchanged until
    it is ready; each read gives its M beats of codes, columns in order, before those of the next;
    each verify read gives one conductance, in a cycle after its request. Its cycles and its
    codes are its own; how long a real one takes is in ``AnalogTiming``.

    Equal in every bit to ``spikeloom.models.golden.crossbar.crossbar``.

    Latency: active rows + 3 cycles from ``i`` to the first beat on ``o``; 1 cycle from
    ``i_program`` to ``o_verify``.
    Throughput: 1 read in active rows + M + 2 cycles; 1 pulse or verify read per cycle, a pulse
    after a pulse in 2.
    Back-pressure: codes that wait on ``o``, or a conductance on ``o_verify``, hold both inputs.
    Reset: synchronous; drops the read at work and starts the noise anew, keeps the conductances.

    Parameters
    ----------
    config : CrossbarConfig
    table : sequence of rows
        Conductances at power-up, then as one more row the offsets; all 0 if None.

    Members
    -------
    i : In(stream.Signature(unsigned(rows)))
        Wordlines of one read.
    o : Out(stream.Signature(codes_layout(config)))
        M beats for each read: beat m has the code of column ``k*M + m`` from each ADC k.
    i_program : In(stream.Signature(program_layout(config)))
        Programming pulses and verify reads; they come before reads.
    o_verify : Out(stream.Signature(unsigned(cell_word_bits)))
        Conductance of the cell that a verify read is for.
    tile : In(index_range(tiles))
        Number of the macro, static; another one has other read noise.
    """

    replaceable = True  # see `gen.black_box`

    i: stream.Interface
    o: stream.Interface
    i_program: stream.Interface
    o_verify: stream.Interface
    tile: Signal

    def __init__(self, config: CrossbarConfig, table: Sequence[Sequence[int]] | None = None):
        self.config, self.table = config, table
        super().__init__({
            "i": In(stream.Signature(unsigned(config.rows))),
            "o": Out(stream.Signature(codes_layout(config))),
            "i_program": In(stream.Signature(program_layout(config))),
            "o_verify": Out(stream.Signature(unsigned(config.cell_word_bits))),
            "tile": In(index_range(config.tiles)),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.cells = cells = CellArray(self.config, self.table)
        m.submodules.noise = noise = ReadNoise(self.config)
        m.submodules.adc = adc = ADC(self.config)
        connect(m, flipped(self.i), cells.i)
        connect(m, flipped(self.i_program), cells.i_program)
        connect(m, cells.o_verify, flipped(self.o_verify))
        connect(m, adc.o, flipped(self.o))
        m.d.comb += [
            adc.i.valid.eq(cells.o.valid), cells.o.ready.eq(adc.i.ready),
            noise.tile.eq(self.tile), noise.step.eq(cells.o.valid & cells.o.ready),
            *(adc.i.payload[k].eq(cells.o.payload[k] + noise.samples[k])
              for k in range(self.config.adcs)),
        ]
        return m
