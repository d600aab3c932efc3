# SPDX-License-Identifier: Apache-2.0
"""Target walker: where a spike goes on one edge."""

from amaranth import Module, Mux, Shape, Signal, Value, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import TTFSConfig
from ..ftp.layouts import index_range
from .descriptors import EdgeKind, channel_entry_layout, edge_layout, is_synapse
from .edge_issuer import issue_layout

__all__ = ["TargetWalker", "target_layout"]


def target_layout(config: TTFSConfig) -> data.StructLayout:
    """Return one group of neurons, or one element of another map, that a spike reaches.

    Members
    -------
    kind : EdgeKind
        What happens there.
    map : index_range(config.maps)
        Of the target.
    exponential : unsigned(1)
        Kernel of its neurons.
    group : index_range(config.groups)
        Address of the group.
    weights : index_range(config.weight_words)
        Synapse: address of the weights.
    lane : index_range(config.lanes)
        Else: of the element.
    delay : unsigned(config.delay_bits)
        Pooling: steps to add.
    """
    return data.StructLayout({
        "kind": EdgeKind,
        "map": index_range(config.maps),
        "exponential": unsigned(1),
        "group": index_range(config.groups),
        "weights": index_range(config.weight_words),
        "lane": index_range(config.lanes),
        "delay": unsigned(config.delay_bits),
    })


class TargetWalker(wiring.Component):
    """Walk over the output positions whose window holds a spike, and the groups of each.

    An output position ``o`` sees the spike at ``p`` through tap ``p + padding - o * stride`` of
    its kernel; only positions that exist are visited.

    Latency: 3 cycles. Throughput: 1 target per cycle, without a gap between edges that have any.
    Back-pressure: a target that waits on ``o`` stops the walk; ``i`` stops two edges later.
    Reset: synchronous; drops what is under way.

    Parameters
    ----------
    config : TTFSConfig

    Members
    -------
    i : In(stream.Signature(issue_layout(config)))
        Spikes on edges.
    o : Out(stream.Signature(target_layout(config)))
        Their targets.
    busy : Out(1)
        High while an edge is under way.
    """

    i: stream.Interface
    o: stream.Interface
    busy: Signal

    def __init__(self, config: TTFSConfig):
        self.config = config
        super().__init__({
            "i": In(stream.Signature(issue_layout(config))),
            "o": Out(stream.Signature(target_layout(config))),
            "busy": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        config = self.config
        edge = Signal(edge_layout(config))  # of the bounds below
        entry = Signal(channel_entry_layout(config))
        bounded, some, take = Signal(), Signal(), Signal()
        walking, step, done = Signal(), Signal(), Signal()
        bounds = {axis: self._bounds(m, axis, self.i.ready) for axis in ("y", "x")}
        m.d.comb += [
            some.eq(bounded & ~bounds["y"].empty & ~bounds["x"].empty),
            take.eq(~walking | (step & done)),
            self.i.ready.eq(~bounded | ~some | take),
            step.eq(self.o.valid & self.o.ready),
            self.o.valid.eq(walking), self.busy.eq(bounded | walking),
        ]
        with m.If(self.i.ready):
            m.d.sync += [bounded.eq(self.i.valid), edge.eq(self.i.p.edge),
                         entry.eq(self.i.p.entry)]
        with m.If(take):
            m.d.sync += walking.eq(some)
        self._walk(m, edge, entry, bounds, take, step, done)
        return m

    def _bounds(self, m: Module, axis: str, load: Value) -> data.View:
        """Return first and last output position along one axis, and the tap of the first."""
        side = Shape.cast(range(self.config.max_side)).width
        edge = self.i.p.edge
        kernel, most = ((edge.kernel_y, edge.last_y) if axis == "y"
                        else (edge.kernel_x, edge.last_x))
        found = Signal(data.StructLayout({
            "first": side, "last": side, "tap": range(self.config.max_kernel),
            "empty": 1}), name=f"bounds_{axis}")
        place = Signal(side + 1, name=f"padded_{axis}")
        low = Signal(signed(side + 8), name=f"low_{axis}")
        high = Signal(side + 1, name=f"high_{axis}")
        first = Signal(side, name=f"first_{axis}")
        m.d.comb += [
            place.eq(self.i.p[axis] + edge.padding),
            low.eq((place - kernel + (1 << edge.stride_bits)) >> edge.stride_bits),
            high.eq(place >> edge.stride_bits),
            first.eq(Mux(low < 0, 0, low)),
        ]
        with m.If(load):
            m.d.sync += [
                found.first.eq(first),
                found.last.eq(Mux(high > most, most, high)),
                found.empty.eq((low > most) | (low > high)),
                found.tap.eq(place - (first << edge.stride_bits)),
            ]
        return found

    def _walk(self, m: Module, edge: data.View, entry: data.View, bounds: dict[str, data.View],
              take: Value, step: Value, done: Value) -> None:
        """Add the walk itself: groups innermost, then columns, then rows."""
        config = self.config
        group = index_range(config.groups)
        weights = index_range(config.weight_words)
        at = Signal(edge_layout(config))  # the edge being walked
        state = Signal(data.StructLayout({
            "y": range(config.max_side), "x": range(config.max_side),
            "group": index_range(config.pixel_groups),
            "last_y": range(config.max_side), "first_x": range(config.max_side),
            "last_x": range(config.max_side),
            "row": group, "pixel": group, "row_weights": weights, "pixel_weights": weights,
            "lane": index_range(config.lanes), "delay": unsigned(config.delay_bits)}))
        y, x = bounds["y"], bounds["x"]
        lane_bits = (config.lanes - 1).bit_length()
        synapse = is_synapse(config, edge.kind)
        start, first = Signal(group), Signal(weights)
        next_pixel, next_row = Signal(group), Signal(group)
        next_weights, next_row_weights = Signal(weights), Signal(weights)
        end_group, end_x = Signal(), Signal()
        m.d.comb += [
            start.eq(edge.base + ((((y.first << edge.x_bits) | x.first) << edge.g_bits)
                                  | Mux(synapse, 0, entry.value >> lane_bits))),
            first.eq(entry.value + ((y.tap * edge.kernel_x + x.tap) << edge.g_bits)),
            next_pixel.eq(state.pixel + (1 << at.g_bits)),
            next_row.eq(state.row + (1 << (at.x_bits + at.g_bits))),
            next_weights.eq(state.pixel_weights - (1 << (at.stride_bits + at.g_bits))),
            next_row_weights.eq(state.row_weights
                                - (at.kernel_x << (at.stride_bits + at.g_bits))),
            end_group.eq(state.group == at.last_group),
            end_x.eq(state.x == state.last_x),
            done.eq(end_group & end_x & (state.y == state.last_y)),
            self.o.p.kind.eq(at.kind), self.o.p.map.eq(at.map),
            self.o.p.exponential.eq(at.exponential),
            self.o.p.group.eq(state.pixel + state.group),
            self.o.p.weights.eq(state.pixel_weights + state.group),
            self.o.p.lane.eq(state.lane), self.o.p.delay.eq(state.delay),
        ]
        with m.If(step):
            m.d.sync += state.group.eq(state.group + 1)
            with m.If(end_group):
                m.d.sync += [state.group.eq(0), state.x.eq(state.x + 1),
                             state.pixel.eq(next_pixel), state.pixel_weights.eq(next_weights)]
            with m.If(end_group & end_x):
                m.d.sync += [
                    state.x.eq(state.first_x), state.y.eq(state.y + 1),
                    state.pixel.eq(next_row), state.row.eq(next_row),
                    state.pixel_weights.eq(next_row_weights),
                    state.row_weights.eq(next_row_weights)]
        with m.If(take):
            m.d.sync += [
                at.eq(edge), state.group.eq(0), state.delay.eq(entry.delay),
                state.y.eq(y.first), state.last_y.eq(y.last), state.x.eq(x.first),
                state.first_x.eq(x.first), state.last_x.eq(x.last),
                state.row.eq(start), state.pixel.eq(start),
                state.row_weights.eq(first), state.pixel_weights.eq(first),
                state.lane.eq(entry.value[:lane_bits]),
            ]
