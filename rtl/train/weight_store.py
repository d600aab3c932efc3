# SPDX-License-Identifier: Apache-2.0
"""Weights of a cluster: copies that are used, masters, and sums of gradients."""

from typing import Any

from amaranth import Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from ..config import TrainConfig
from ..ftp.layouts import index_range

__all__ = ["WeightStore", "update_signature"]


def update_signature(config: TrainConfig, depth: int) -> wiring.Signature:
    """Return the port for what happens between batches.

    Members
    -------
    read : Out(1)
        Read the word at ``address``; not while gradients are added.
    address : Out(index_range(depth))
        Word that is read.
    gradients : In(data.ArrayLayout(signed(32), lanes))
        Sums of the word read, a cycle later.
    masters : In(data.ArrayLayout(signed(16), lanes))
        Its masters, a cycle later.
    write : Out(1)
        Write masters and their copies.
    clear : Out(1)
        Set sums of gradients to zero.
    target : Out(index_range(depth))
        Word that is written.
    moved : Out(data.ArrayLayout(signed(16), lanes))
        Its masters.
    """
    return wiring.Signature({
        "read": Out(1), "address": Out(index_range(depth)),
        "gradients": In(data.ArrayLayout(signed(32), config.lanes)),
        "masters": In(data.ArrayLayout(signed(16), config.lanes)),
        "write": Out(1), "clear": Out(1), "target": Out(index_range(depth)),
        "moved": Out(data.ArrayLayout(signed(16), config.lanes)),
    })


class WeightStore(wiring.Component):
    """Keep words of ``L`` weights: 8-bit copies, 16-bit masters, 32-bit sums of gradients.

    Latency: 1 cycle of a read, 2 of a gradient. Throughput: 1 word per cycle; the same word gets
    a gradient in one of two cycles only.
    Back-pressure: none.
    Reset: synchronous; memories keep what they hold.

    Parameters
    ----------
    config : TrainConfig
    depth : int
        Words.

    Members
    -------
    read : In(1)
        Read copies.
    address : In(index_range(depth))
        Of the copies.
    copies : Out(data.ArrayLayout(signed(8), lanes))
        A cycle after ``read``, and until the next one.
    add : In(1)
        Read the word of gradients at ``place``; to it ``gradients`` is added a cycle later.
    place : In(index_range(depth))
        Of the gradients.
    gradients : In(data.ArrayLayout(signed(32), lanes))
        A cycle after ``add``.
    overflow : Out(1)
        A sum has more than 32 bits.
    update : In(update_signature(config, depth))
        Between batches.
    """

    read: Signal
    address: Signal
    copies: data.View
    add: Signal
    place: Signal
    gradients: data.View
    overflow: Signal
    update: Any

    def __init__(self, config: TrainConfig, depth: int):
        self.config = config
        self.depth = depth
        super().__init__({
            "read": In(1), "address": In(index_range(depth)),
            "copies": Out(data.ArrayLayout(signed(8), config.lanes)),
            "add": In(1), "place": In(index_range(depth)),
            "gradients": In(data.ArrayLayout(signed(32), config.lanes)), "overflow": Out(1),
            "update": In(update_signature(config, depth)),
        })

    def elaborate(self, platform):
        m = Module()
        depth, update = max(self.depth, 2), self.update
        stores = {}
        for name, bits in (("copy", 8), ("master", 16), ("gradient", 32)):
            m.submodules[name] = stores[name] = memory.Memory(
                shape=unsigned(bits * self.config.lanes), depth=depth, init=[])
        reads = {name: store.read_port() for name, store in stores.items()}
        writes = {name: store.write_port() for name, store in stores.items()}
        adding, place = Signal(), Signal.like(self.place)
        total = Signal.like(self.gradients)
        for lane in range(self.config.lanes):
            old = Signal(signed(32), name=f"old_{lane}")
            whole = Signal(signed(33), name=f"whole_{lane}")
            m.d.comb += [
                old.eq(reads["gradient"].data.word_select(lane, 32)),
                whole.eq(old + self.gradients[lane]), total[lane].eq(whole[:32].as_signed()),
                writes["copy"].data.word_select(lane, 8).eq(((update.moved[lane] + 128) >> 8)[:8]),
            ]
            with m.If(adding & (whole[32] != whole[31])):
                m.d.comb += self.overflow.eq(1)
        m.d.sync += [adding.eq(self.add), place.eq(self.place)]
        m.d.comb += [
            reads["copy"].en.eq(self.read), reads["copy"].addr.eq(self.address),
            self.copies.as_value().eq(reads["copy"].data),
            reads["master"].en.eq(update.read), reads["master"].addr.eq(update.address),
            reads["gradient"].en.eq(update.read | self.add),
            reads["gradient"].addr.eq(Mux(update.read, update.address, self.place)),
            update.gradients.as_value().eq(reads["gradient"].data),
            update.masters.as_value().eq(reads["master"].data),
            *(writes[name].addr.eq(update.target) for name in ("copy", "master")),
            *(writes[name].en.eq(update.write) for name in ("copy", "master")),
            writes["master"].data.eq(update.moved.as_value()),
            writes["gradient"].addr.eq(Mux(adding, place, update.target)),
            writes["gradient"].en.eq(adding | update.clear),
            writes["gradient"].data.eq(Mux(adding, total.as_value(), 0)),
        ]
        return m
