# SPDX-License-Identifier: Apache-2.0
"""Residual pool: the largest or the sum of kept residuals in each window, as psums."""

from typing import Any

from amaranth import Array, Cat, Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..config import AcceleratorConfig
from ..ftp.layouts import psums_layout
from ..stream_queue import StreamQueue
from .descriptor import descriptor_layout
from .memory_port import ReadClient
from .neuron_stream import walked_result_layout
from .pool_walker import PoolWalker, member_layout
from .residual_format import RESIDUAL_BITS
from .tiles import walked_tile_layout

__all__ = ["MEMBERS_AHEAD", "ResidualPool"]

MEMBERS_AHEAD = 16  # that wait for their residuals


class ResidualPool(wiring.Component):
    """Read the residuals of each window from memory, and give their largest one or their sum.

    Windows overlap as the stride says; what lies beyond the map is not there. A layer walks its
    tiles as any other does; the residuals lie as the layer that kept them computed them: block by
    block as here, ``2**tile_bits`` positions in a tile, channel by channel in a tile.

    Same result as ``spikeloom.models.golden.residual_pool.residual_pool``.

    Latency: that of the memory, and 6 cycles.
    Throughput: 1 member of a window (all timesteps) per cycle, or 1 memory word; 16 members, if the
    memory takes more cycles than that to answer, in so many.
    Back-pressure: any output may wait, any input may pause; nothing is lost.
    Reset: synchronous; forgets everything. What is still to come from memory must not come.

    Parameters
    ----------
    config : AcceleratorConfig

    Members
    -------
    layer : In(descriptor_layout())
        What is pooled; steady while ``busy``.
    start : In(1)
        Begin; counts while not ``busy``.
    memory : Out(ReadClient(config))
        Where the residuals lie.
    i_tile : In(stream.Signature(walked_tile_layout(config)))
        Tiles of all blocks of channels.
    o : Out(stream.Signature(walked_result_layout(config)))
        Psums of each tile in order of channel, then row.
    busy : Out(1)
        High from ``start`` until the last psum has left.
    """

    layer: data.View
    start: Signal
    memory: Any
    i_tile: stream.Interface
    o: stream.Interface
    busy: Signal

    def __init__(self, config: AcceleratorConfig):
        self.config = config
        super().__init__({
            "layer": In(descriptor_layout()),
            "start": In(1),
            "memory": Out(ReadClient(config)),
            "i_tile": In(stream.Signature(walked_tile_layout(config))),
            "o": Out(stream.Signature(walked_result_layout(config))),
            "busy": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        config, request = self.config, self.memory.request
        m.submodules.walker = walker = PoolWalker(config)
        m.submodules.members = members = StreamQueue(member_layout(config), MEMBERS_AHEAD)
        member, may_pass = walker.o, Signal()
        slot, word = config.residual_bits, config.memory_bits
        shift = max(slot // word, word // slot).bit_length() - 1
        place = member.p.neuron << shift if slot > word else member.p.neuron >> shift
        connect(m, flipped(self.i_tile), walker.i_tile)
        m.d.comb += [
            walker.layer.eq(self.layer), walker.start.eq(self.start),
            may_pass.eq(request.ready | ~member.p.inside),
            request.valid.eq(member.valid & member.p.inside & members.i.ready),
            request.p.address.eq(self.layer.sources[0].address + place),
            request.p.words.eq(max(1, slot // word)),
            members.i.payload.eq(member.payload), members.i.valid.eq(member.valid & may_pass),
            member.ready.eq(members.i.ready & may_pass),
            self.busy.eq(walker.busy | members.busy | self.o.valid),
        ]
        residuals, complete, take = self._read(m, members.o, shift)
        self._pool(m, members.o, residuals, complete, take)
        return m

    def _read(self, m: Module, member, shift: int):
        """Return the residuals of a member, whether they are all there, and when to take them."""
        config, source = self.config, self.memory.data
        slot, word = config.residual_bits, config.memory_bits
        complete, take = Signal(), Signal()
        if slot <= word:
            items = [source.payload[first:first + slot] for first in range(0, word, slot)]
            item = Array(items)[member.p.neuron[:shift]] if shift else items[0]
            m.d.comb += [complete.eq(source.valid | ~member.p.inside),
                         source.ready.eq(take & member.p.inside)]
        else:
            parts = slot // word
            former, part, final = Signal(slot - word), Signal(range(parts)), Signal()
            item = Cat(former, source.payload)
            m.d.comb += [
                final.eq(part == parts - 1),
                complete.eq((source.valid & final) | ~member.p.inside),
                source.ready.eq(member.valid & member.p.inside & (take | ~final)),
            ]
            with m.If(source.valid & source.ready):
                m.d.sync += [former.eq(Cat(former, source.payload)[word:]), part.eq(part + 1)]
        residuals = Signal(data.ArrayLayout(signed(RESIDUAL_BITS), config.timesteps))
        m.d.comb += Cat(*residuals).eq(item)
        return residuals, complete, take

    def _pool(self, m: Module, member, residuals, complete, take) -> None:
        """Pool the members of a window, and give the psums with the last one."""
        config, o, largest = self.config, self.o, ~self.layer.pool_sum
        fresh = Signal(init=1)  # no member of the window is known
        pooled = Signal(psums_layout(config))
        results = Signal(psums_layout(config))
        m.d.comb += [take.eq(member.valid & complete & (~member.p.last | ~o.valid | o.ready)),
                     member.ready.eq(take)]
        for step in range(config.timesteps):
            known, value = pooled[step], residuals[step]
            keep = ~member.p.inside | (~fresh & largest & (known >= value))
            m.d.comb += results[step].eq(Mux(
                keep, known, value + Mux(fresh | largest, 0, known)))
        with m.If(o.ready):
            m.d.sync += o.valid.eq(0)
        with m.If(take):
            m.d.sync += [fresh.eq(member.p.last | (fresh & ~member.p.inside)),
                         pooled.eq(results)]
            with m.If(member.p.last):
                m.d.sync += [
                    o.valid.eq(1), o.p.psums.eq(results), o.p.row.eq(member.p.row),
                    o.p.column_end.eq(member.p.column_end), o.p.last.eq(member.p.tile_end),
                    o.p.tile.eq(member.p.tile),
                ]
