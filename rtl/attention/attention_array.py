# SPDX-License-Identifier: Apache-2.0
"""Attention array: tiles of tokens in, what they attend to out, as the other arrays give results.
"""

import dataclasses

from amaranth import Module, Mux, Signal
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..config import AcceleratorConfig
from ..ftp.activity_counters import ActivityCounters, counters_layout
from ..ftp.array_layouts import array_error_layout, array_row_layout
from ..ftp.tppe import Activity
from ..pe.lookup_layouts import lookup_result_layout, rows_tile_layout
from .layouts import attention_layout, chunk_choices, part_of
from .result_store import ResultStore
from .scores_first import ScoresFirst
from .sums_first import SumsFirst

__all__ = ["AttentionArray"]


class _State(enum.Enum, shape=2):
    """Of the layer."""

    IDLE = 0
    CHECK = 1
    KEYS = 2     # all tiles come, for their keys and values
    QUERIES = 3  # and again, for their queries


class AttentionArray(wiring.Component):
    """Let the tokens of a layer attend to one another: spikes times spikes times spikes.

    A row is a token: the lane words of all queries, all keys and all values, in each of them
    those of one head behind those of another. With ``k``, ``v`` and ``q`` the spikes of token n
    at step t in head h::

        M[h][i][j] = sum over all n and the steps t of a chunk of k[i] & v[j]
        O[j] = sum over i of q[i] * M[h][i][j], of the chunk that t is in

    ``O`` are the results. All tiles come twice: the first time nothing leaves. With
    ``config.attention.order = "scores"`` queries are multiplied with keys first; that is the same.

    Same result as ``spikeloom.models.golden.attention.attention``.

    Latency: from ``start`` one cycle for each head, and that of `SumsFirst` or `ScoresFirst`;
    3 cycles from the last results of a tile to the first that leaves.
    Throughput: that of these two; 1 result (all timesteps) per cycle, while the next tile is
    computed.
    Back-pressure: any output may wait, any input may pause; nothing is lost.
    Reset: synchronous; forgets the layer and clears ``error``, ``illegal`` and ``counters``.

    Parameters
    ----------
    config : AcceleratorConfig
    tile_shape : data.StructLayout
        Description of a tile; its field ``rows`` is what the array needs, at most
        ``config.attention.rows``, and all of it travels along to the results. Without it that is
        the only one.

    Members
    -------
    layer : In(attention_layout())
        What a token is, and how many tiles there are; steady while ``busy``.
    start : In(1)
        Begin a layer; counts while not ``busy``.
    i_tile : In(stream.Signature(rows_tile_layout(config)))
        All tiles, twice, each no later than its rows; with ``tile_shape`` in that.
    i_row : In(stream.Signature(array_row_layout(config)))
        Spike fibers, one for each row of each tile, from row 0 on.
    o : Out(stream.Signature(lookup_result_layout(config)))
        Psums of each row and column; with ``tile_shape`` that is the tile in it.
    i_busy : In(1)
        Results are at work behind the array: it still counts as busy.
    busy : Out(1)
        High from ``start`` until all results have left, and while ``i_busy`` is.
    moving : Out(1)
        Something moves in this cycle.
    error : Out(array_error_layout())
        Why the array stopped: with any bit set it takes no tile or row; results that leave after
        the error are void. ``length_mismatch``: a row is not a token.
    illegal : Out(1)
        So it does for a layer that does not fit, or contradicts itself.
    counters : Out(counters_layout(config))
        Performance counters of the busy cycles, with all adders as one element: a match is a
        query or key that is not silent.
    clear : In(1)
        Set the performance counters to zero.
    """

    layer: data.View
    start: Signal
    i_tile: stream.Interface
    i_row: stream.Interface
    o: stream.Interface
    i_busy: Signal
    busy: Signal
    moving: Signal
    error: data.View
    illegal: Signal
    counters: data.View
    clear: Signal

    def __init__(self, config: AcceleratorConfig, tile_shape: data.StructLayout | None = None):
        self.config, self.tile_shape = config, tile_shape or rows_tile_layout(config)
        super().__init__({
            "layer": In(attention_layout()),
            "start": In(1),
            "i_tile": In(stream.Signature(self.tile_shape)),
            "i_row": In(stream.Signature(array_row_layout(config))),
            "o": Out(stream.Signature(lookup_result_layout(config, self.tile_shape))),
            "i_busy": In(1),
            "busy": Out(1),
            "moving": Out(1),
            "error": Out(array_error_layout()),
            "illegal": Out(1),
            "counters": Out(counters_layout(config)),
            "clear": In(1),
        })

    def elaborate(self, platform):
        m = Module()
        kind = SumsFirst if part_of(self.config).order == "sums" else ScoresFirst
        m.submodules.core = core = kind(self.config)
        m.submodules.results = results = ResultStore(self.config, self.tile_shape)
        state, stop = Signal(_State), Signal()
        begin = self._check(m, state)
        loading = self._load(m, core, results, state, stop, begin)
        m.d.comb += [
            stop.eq(self.error.as_value().any() | self.illegal),
            core.layer.eq(self.layer), core.start.eq(begin), core.keys.eq(state == _State.KEYS),
            core.go.eq(core.keys | results.free),
            results.layer.eq(self.layer),
            results.i.payload.eq(core.o.payload), results.i.valid.eq(core.o.valid),
            self.busy.eq((state != _State.IDLE) | self.i_busy),
            self.moving.eq(core.moving | (self.i_row.valid & self.i_row.ready)
                           | (self.o.valid & self.o.ready)),
        ]
        connect(m, results.o, flipped(self.o))
        with m.If(~loading & ~core.busy & ~results.busy):
            with m.Switch(state):
                with m.Case(_State.KEYS):
                    m.d.sync += state.eq(_State.QUERIES)
                with m.Case(_State.QUERIES):
                    m.d.sync += state.eq(_State.IDLE)
        self._count(m, core, results, state, loading)
        return m

    def _check(self, m: Module, state) -> Signal:
        """Check the layer, its heads one after another; return whether the work begins."""
        config, part, layer = self.config, part_of(self.config), self.layer
        heads, channels, places = Signal(8), Signal(17), Signal(17)  # of the heads so far
        group_bits = part.adders.bit_length() - 1
        groups = (layer.head_channels + part.adders - 1) >> group_bits
        begin, fields, known, fits = Signal(), Signal(), Signal(), Signal()
        with m.Switch(layer.chunk_steps):
            with m.Case(*chunk_choices(config)):
                m.d.comb += known.eq(1)
        m.d.comb += [
            fields.eq(known & (layer.heads != 0) & (layer.head_channels != 0)
                      & (layer.head_channels <= part.head_channels)
                      & ((layer.head_channels & (config.beat_values - 1)) == 0)
                      & (layer.tiles != 0)),
            fits.eq((channels <= layer.columns) & (places <= part.groups)),
            begin.eq((state == _State.CHECK) & fields & fits & (heads == layer.heads)
                     & (channels == layer.columns)),
        ]
        with m.If(state == _State.CHECK):
            m.d.sync += [heads.eq(heads + 1), channels.eq(channels + layer.head_channels),
                         places.eq(places + groups)]
            with m.If(begin):
                m.d.sync += state.eq(_State.KEYS)
            with m.Elif(~fields | ~fits | (heads == layer.heads)):
                m.d.sync += self.illegal.eq(1)
        with m.If(self.start):
            m.d.sync += [state.eq(_State.CHECK), heads.eq(0), channels.eq(0), places.eq(0)]
        return begin

    def _load(self, m: Module, core: SumsFirst | ScoresFirst, results: ResultStore, state, stop,
              begin) -> Signal:
        """Take tiles and their rows; return whether more of them belong to the round."""
        part, tile, row = part_of(self.config), self.i_tile, self.i_row
        left = Signal(32)                          # tiles of the round that are to come
        rows, number = Signal.like(tile.p.rows), Signal.like(row.p.row)  # to come; the next one
        unfinished, tokens = Signal(range(4 * part.rows + 4)), Signal(16)
        take, here, fits, works, first = Signal(), Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            first.eq(state == _State.KEYS),
            works.eq((first | (state == _State.QUERIES)) & ~stop),
            tile.ready.eq(works & (left != 0) & (rows == 0) & (results.i_tile.ready | first)),
            take.eq(tile.valid & tile.ready),
            results.i_tile.payload.eq(tile.payload),
            results.i_tile.valid.eq(take & ~first),
            here.eq((rows != 0) & ~stop), fits.eq(row.p.row == number),
            core.i.valid.eq(row.valid & here & fits), row.ready.eq(core.i.ready & here & fits),
            *(core.i.p[name].eq(row.p[name]) for name in ("values", "end", "mask", "last")),
            self.error.row_overflow.eq(core.error),
            self.error.length_mismatch.eq(core.wrong_length),
        ]
        m.d.sync += unfinished.eq(unfinished + Mux(take, tile.p.rows, 0) - core.done)
        with m.If(take):
            m.d.sync += [left.eq(left - 1), rows.eq(tile.p.rows), number.eq(0),
                         tokens.eq(tokens + Mux(first, tile.p.rows, 0))]
            many = tile.p.rows > part.rows if part.rows + 1 < 1 << len(tile.p.rows) else 0
            with m.If((tile.p.rows == 0) | many):
                m.d.sync += [self.error.tile_rows.eq(1), rows.eq(0)]
        with m.If(row.valid & row.ready & row.p.end & row.p.last):
            m.d.sync += [rows.eq(rows - 1), number.eq(number + 1)]
        with m.If(row.valid & here & ~fits):
            m.d.sync += self.error.row_index.eq(1)
        with m.If(tokens > part.tokens):
            m.d.sync += self.illegal.eq(1)
        loading = Signal()
        m.d.comb += loading.eq((left != 0) | (unfinished != 0))
        with m.If(begin | (first & ~loading & ~core.busy)):
            m.d.sync += left.eq(self.layer.tiles)
        with m.If(begin):
            m.d.sync += tokens.eq(0)
        return loading

    def _count(self, m: Module, core: SumsFirst | ScoresFirst, results: ResultStore, state,
               loading) -> None:
        """Add the performance counters."""
        m.submodules.activity_counters = counters = ActivityCounters(
            dataclasses.replace(self.config, tppes=1, rows_per_pe=1, pe="loas", attention=None))
        waits = Mux(results.free, Activity.STALL_ROW, Activity.STALL_OUTPUT)
        m.d.comb += [
            counters.busy.eq(self.busy), counters.clear.eq(self.clear),
            self.counters.eq(counters.counts),
            counters.activities[0].eq(Mux(
                core.active, Activity.MATCH, Mux(loading, waits, Activity.IDLE))),
        ]
