# SPDX-License-Identifier: Apache-2.0
"""Transpose buffer: words come column by column and leave row by row."""

from amaranth import Array, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ..config import FTPConfig
from ..one_hot import encode
from .compressor import compressor_input_layout
from .layouts import index_range
from .plif import word_layout

__all__ = ["TransposeBuffer"]


class TransposeBuffer(wiring.Component):
    """Turn the output of a tile, ``P`` rows a column, into one chunk after another of each row.

    A block of ``C`` columns, or what is left of the tile, is collected while the former leaves.
    All columns of a tile have the same rows, any of the ``P``.

    Latency: 2 cycles from the last word of a block to its first slice on ``o``, if the former
    block is gone. Throughput: 1 word in and 1 slice, ``V`` words, out per cycle.
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
        Slices of a block in order of row, then column; ``last`` marks the tile's last columns.
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
        if self.config.tile_rows == self.config.beat_values == 1:  # nothing to transpose
            place = self.i.p.place
            m.d.comb += [
                self.o.valid.eq(self.i.valid), self.i.ready.eq(self.o.ready),
                self.o.p.words[0].eq(self.i.p.word), self.o.p.row.eq(place.row),
                self.o.p.last.eq(place.last), self.o.p.drop_single.eq(place.drop_single),
            ]
            return m
        slices = Memory(shape=self.o.p.words.shape(), depth=2 * self._block, init=[])
        m.submodules.slices = slices
        block_layout = data.StructLayout({
            "rows": unsigned(self.config.tile_rows),  # still to be sent
            "last_column": range(self.config.chunk),
            "last": unsigned(1),
            "drop_single": unsigned(1),
        })
        blocks = Array(Signal(block_layout, name=f"block_{bank}") for bank in range(2))
        full, release = Signal(range(3)), Signal()
        collecting = self._collect(m, slices.write_port(granularity=1), blocks, full, release)
        self._send(m, slices.read_port(), blocks, full, release)
        m.d.comb += self.busy.eq(collecting | (full != 0) | self.o.valid)
        return m

    @property
    def _block(self) -> int:
        """Slices of a block."""
        return self.config.tile_rows * self.config.chunk_beats

    def _address(self, bank, row, index):
        """Return the address of a slice."""
        return Mux(bank, self._block, 0) + row * self.config.chunk_beats + index

    def _split(self, column):
        """Return the slice of a column and its lane there."""
        lane_bits = (self.config.beat_values - 1).bit_length()
        return column >> lane_bits, column & (self.config.beat_values - 1)

    def _collect(self, m: Module, write, blocks, full, release):
        """Add the side that fills a block; return whether one is begun."""
        bank, column, begun = Signal(), Signal(range(self.config.chunk)), Signal()
        index, lane = self._split(column)
        place = self.i.p.place
        fire, complete = Signal(), Signal()
        m.d.comb += [
            self.i.ready.eq(full != 2),
            fire.eq(self.i.valid & self.i.ready),
            complete.eq(
                fire & place.column_end & (place.last | (column == self.config.chunk - 1))
            ),
            write.addr.eq(self._address(bank, place.row, index)),
            *(write.en[number].eq(fire & (lane == number)) for number in range(len(write.en))),
            *(word.eq(self.i.p.word) for word in write.data),
        ]
        m.d.sync += full.eq(full + complete - release)
        with m.If(fire):
            m.d.sync += begun.eq(~complete)
        with m.If(fire & place.column_end):
            m.d.sync += column.eq(Mux(complete, 0, column + 1))
        with m.If(complete):
            m.d.sync += bank.eq(~bank)
        for number, block in enumerate(blocks):
            with m.If(fire & (bank == number)):
                m.d.sync += block.rows.eq(block.rows | 1 << place.row)
            with m.If(complete & (bank == number)):
                m.d.sync += [
                    block.last_column.eq(column),
                    block.last.eq(place.last), block.drop_single.eq(place.drop_single),
                ]
        return begun

    def _send(self, m: Module, read, blocks, full, release) -> None:
        """Add the side that reads a complete block row by row."""
        bank, index = Signal(), Signal(index_range(self.config.chunk_beats))
        rows, rest = Signal(self.config.tile_rows), Signal(self.config.tile_rows)
        filled = Signal(self.config.beat_values)  # lanes of the slice that have a column
        flow, step, row_done = Signal(), Signal(), Signal()
        block = blocks[bank]
        last_index, last_lane = self._split(block.last_column)
        row = encode(m, rows & ~rest)
        m.d.comb += [
            rows.eq(block.rows),
            rest.eq(rows & (rows - 1)),
            flow.eq(~self.o.valid | self.o.ready),
            step.eq((full != 0) & flow),
            row_done.eq(index == last_index),
            release.eq(step & row_done & (rest == 0)),
            read.en.eq(step),
            read.addr.eq(self._address(bank, row, index)),
            *(self.o.p.words[lane].eq(Mux(filled[lane], word, 0))
              for lane, word in enumerate(read.data)),
        ]
        with m.If(flow):
            m.d.sync += self.o.valid.eq(step)
        with m.If(step):
            m.d.sync += [
                self.o.p.row.eq(row), self.o.p.last.eq(block.last & row_done),
                self.o.p.drop_single.eq(block.drop_single),
                index.eq(Mux(row_done, 0, index + 1)),
                filled.eq(Mux(row_done, (2 << last_lane) - 1, ~0)),
            ]
        with m.If(step & row_done):
            m.d.sync += block.rows.eq(rest)
        with m.If(release):
            m.d.sync += bank.eq(~bank)
