# SPDX-License-Identifier: Apache-2.0
"""Transpose buffer: words come column by column and leave row by row."""

from amaranth import Array, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ..config import FTPConfig
from ..one_hot import encode
from .compressor import compressor_input_layout
from .plif import word_layout

__all__ = ["TransposeBuffer"]


class TransposeBuffer(wiring.Component):
    """Turn the output of a tile, ``P`` rows a column, into one chunk after another of each row.

    A block of ``C`` columns, or what is left of the tile, is collected while the former leaves.
    All columns of a tile have the same rows, any of the ``P``.

    Latency: 2 cycles from the last word of a block to its first word on ``o``, if the former
    block is gone. Throughput: 1 word per cycle.
    Back-pressure: with two blocks held ``i`` stops.
    Reset: synchronous; drops both blocks.

    Parameters
    ----------
    config : FTPConfig

    Members
    -------
    i : In(stream.Signature(word_layout(config)))
        Words in order of column, then row.
    o : Out(stream.Signature(compressor_input_layout(config)))
        Words of a block in order of row, then column; ``last`` marks the tile's last column.
    busy : Out(1)
        High while a word is held.
    """

    i: stream.Interface
    o: stream.Interface
    busy: Signal

    def __init__(self, config: FTPConfig):
        self.config = config
        super().__init__({
            "i": In(stream.Signature(word_layout(config))),
            "o": Out(stream.Signature(compressor_input_layout(config))),
            "busy": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        depth = 2 * self.config.tppes * self.config.chunk
        m.submodules.words = words = Memory(
            shape=unsigned(self.config.timesteps), depth=depth, init=[]
        )
        block_layout = data.StructLayout({
            "rows": unsigned(self.config.tppes),  # still to be sent
            "last_column": range(self.config.chunk),
            "last": unsigned(1),
            "drop_single": unsigned(1),
        })
        blocks = Array(Signal(block_layout, name=f"block_{bank}") for bank in range(2))
        full, release = Signal(range(3)), Signal()
        collecting = self._collect(m, words.write_port(), blocks, full, release)
        self._send(m, words.read_port(), blocks, full, release)
        m.d.comb += self.busy.eq(collecting | (full != 0) | self.o.valid)
        return m

    def _address(self, bank, row, column):
        """Return the address of a word."""
        block = self.config.tppes * self.config.chunk
        return Mux(bank, block, 0) + row * self.config.chunk + column

    def _collect(self, m: Module, write, blocks, full, release):
        """Add the side that fills a block; return whether one is begun."""
        bank, column, begun = Signal(), Signal(range(self.config.chunk)), Signal()
        place = self.i.p.place
        fire, complete = Signal(), Signal()
        m.d.comb += [
            self.i.ready.eq(full != 2),
            fire.eq(self.i.valid & self.i.ready),
            complete.eq(
                fire & place.column_end & (place.last | (column == self.config.chunk - 1))
            ),
            write.en.eq(fire),
            write.addr.eq(self._address(bank, place.row, column)),
            write.data.eq(self.i.p.word),
        ]
        m.d.sync += full.eq(full + complete - release)
        with m.If(fire):
            m.d.sync += begun.eq(~complete)
        with m.If(fire & place.column_end):
            m.d.sync += column.eq(Mux(complete, 0, column + 1))
        with m.If(complete):
            m.d.sync += bank.eq(~bank)
        for index, block in enumerate(blocks):
            with m.If(fire & (bank == index)):
                m.d.sync += block.rows.eq(block.rows | 1 << place.row)
            with m.If(complete & (bank == index)):
                m.d.sync += [
                    block.last_column.eq(column),
                    block.last.eq(place.last), block.drop_single.eq(place.drop_single),
                ]
        return begun

    def _send(self, m: Module, read, blocks, full, release) -> None:
        """Add the side that reads a complete block row by row."""
        bank, column = Signal(), Signal(range(self.config.chunk))
        rows, rest = Signal(self.config.tppes), Signal(self.config.tppes)
        flow, step, row_done = Signal(), Signal(), Signal()
        block = blocks[bank]
        row = encode(m, rows & ~rest)
        m.d.comb += [
            rows.eq(block.rows),
            rest.eq(rows & (rows - 1)),
            flow.eq(~self.o.valid | self.o.ready),
            step.eq((full != 0) & flow),
            row_done.eq(column == block.last_column),
            release.eq(step & row_done & (rest == 0)),
            read.en.eq(step),
            read.addr.eq(self._address(bank, row, column)),
            self.o.p.word.eq(read.data),
        ]
        with m.If(flow):
            m.d.sync += self.o.valid.eq(step)
        with m.If(step):
            m.d.sync += [
                self.o.p.row.eq(row), self.o.p.last.eq(block.last & row_done),
                self.o.p.drop_single.eq(block.drop_single),
                column.eq(Mux(row_done, 0, column + 1)),
            ]
        with m.If(step & row_done):
            m.d.sync += block.rows.eq(rest)
        with m.If(release):
            m.d.sync += bank.eq(~bank)
