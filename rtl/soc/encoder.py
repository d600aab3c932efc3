# SPDX-License-Identifier: Apache-2.0
"""Encoder: integers of an image to lane words, bit plane by bit plane."""

from typing import Any

from amaranth import Module, Mux, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import AcceleratorConfig
from ..ftp.compressor import compressor_input_layout
from ..ftp.layouts import index_range
from .descriptor import descriptor_layout
from .memory_port import ADDRESS_BITS, ReadClient
from .tiles import slots_layout

__all__ = ["Encoder"]


class Encoder(wiring.Component):
    """Read an image of 8-bit integers and give out its lane words.

    In lane pass ``p`` the word of an integer ``a`` is ``(a >> p*T) & (2**T - 1)``, where ``a`` is
    two's complement if ``layer.flags.signed_input``. The image is read once for each pass.

    Equal in every bit to ``spikeloom.models.golden.encoder.encode``.

    Latency: that of the memory, then 1 cycle from the last integer of a slice.
    Throughput: 1 integer per cycle.
    Back-pressure: a slice or a slot that waits stops reading; nothing is lost.
    Reset: synchronous; forgets the image.

    Parameters
    ----------
    config : AcceleratorConfig

    Members
    -------
    layer : In(descriptor_layout())
        What to encode; stays until ``busy`` falls.
    image_address : In(32)
        First word of the image.
    start : In(1)
        Begin; for one cycle.
    memory : Out(ReadClient(config))
        Where the image is.
    o : Out(stream.Signature(compressor_input_layout(config)))
        Slices of lane words, pixel by pixel, pass by pass; ``last`` ends a pixel.
    o_slots : Out(stream.Signature(slots_layout(config)))
        Where each pixel goes.
    busy : Out(1)
        High from ``start`` until all has left.
    """

    layer: Any
    image_address: Signal
    start: Signal
    memory: Any
    o: stream.Interface
    o_slots: stream.Interface
    busy: Signal

    def __init__(self, config: AcceleratorConfig):
        self.config = config
        super().__init__({
            "layer": In(descriptor_layout()),
            "image_address": In(ADDRESS_BITS),
            "start": In(1),
            "memory": Out(ReadClient(config)),
            "o": Out(stream.Signature(compressor_input_layout(config))),
            "o_slots": Out(stream.Signature(slots_layout(config))),
            "busy": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        timesteps = self.config.timesteps
        layer, request, word = self.layer, self.memory.request, self.memory.data
        reading = Signal()             # passes are left
        requested = Signal()           # the image is on its way
        slot_sent = Signal()
        passes = Signal(self.config.row_bits)  # done
        shift = Signal(range(16 + timesteps))
        bounds = self.config.bounds
        channel, pixel = Signal(bounds.output_bits), Signal(self.config.tile_bits)
        lane = Signal(index_range(self.config.beat_values))  # in the slice
        octet = Signal(range(self.config.memory_bits // 8))
        pass_address, address = Signal(bounds.address_bits), Signal(bounds.address_bits)

        integer = Signal(signed(16))
        octets = word.payload.word_select(octet, 8)
        free, take, pixel_end, pass_end = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            integer.eq(Mux(layer.flags.signed_input, octets.as_signed(), octets)),
            request.valid.eq(reading & ~requested),
            request.p.address.eq(self.image_address),
            request.p.words.eq(layer.weight_words),
            self.o_slots.valid.eq(reading & requested & ~slot_sent),
            self.o_slots.p.address.eq(address),
            self.o_slots.p.rows.eq(1),
            free.eq(~self.o.valid | self.o.ready),
            take.eq(reading & requested & word.valid & free
                    & (slot_sent | self.o_slots.ready | (channel + 1 != layer.columns))),
            lane.eq(channel[:(self.config.beat_values - 1).bit_length()]),
            pixel_end.eq(take & (channel + 1 == layer.columns)),
            pass_end.eq(pixel_end & (pixel + 1 == layer.tiles)),
            word.ready.eq(take & ((octet == self.config.memory_bits // 8 - 1) | pass_end)),
            self.busy.eq(reading | self.o.valid),
        ]
        with m.If(free):
            m.d.sync += self.o.valid.eq(
                pixel_end | (take & (lane == self.config.beat_values - 1)))
        with m.If(request.valid & request.ready):
            m.d.sync += requested.eq(1)
        with m.If(self.o_slots.valid & self.o_slots.ready):
            m.d.sync += slot_sent.eq(1)
        for index, target in enumerate(self.o.p.words):
            with m.If(take & (lane == index)):
                m.d.sync += target.eq(integer >> shift if bounds.integers else integer)
            with m.Elif(take & (lane == 0)):
                m.d.sync += target.eq(0)
        with m.If(take):
            m.d.sync += [
                self.o.p.row.eq(0), self.o.p.last.eq(pixel_end), self.o.p.drop_single.eq(0),
                octet.eq(Mux(pass_end, 0, octet + 1)),
                channel.eq(Mux(pixel_end, 0, channel + 1)),
            ]
        with m.If(pixel_end):
            m.d.sync += [
                slot_sent.eq(0), pixel.eq(pixel + 1), address.eq(address + layer.out_pixel_pitch),
            ]
        with m.If(pass_end):
            following = pass_address + layer.out_pass_pitch
            m.d.sync += [
                pixel.eq(0), requested.eq(0), passes.eq(passes + 1), shift.eq(shift + timesteps),
                pass_address.eq(following), address.eq(following),
                reading.eq(passes + 1 != layer.passes),
            ]
        with m.If(self.start):
            m.d.sync += [
                reading.eq(1), requested.eq(0), slot_sent.eq(0), passes.eq(0), shift.eq(0),
                channel.eq(0), pixel.eq(0), octet.eq(0),
                pass_address.eq(layer.out_address), address.eq(layer.out_address),
            ]
        return m
