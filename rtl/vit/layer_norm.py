# SPDX-License-Identifier: Apache-2.0
"""Layer normalization of tokens that come channel by channel."""

from amaranth import Cat, Const, Module, Mux, Signal, signed, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ..config import VitConfig
from .layouts import affine_layout, channel_layout
from .reciprocal import Reciprocal
from .square_root import SquareRoot

__all__ = ["LayerNorm"]


class LayerNorm(wiring.Component):
    """Normalize tokens, scale them, and round them to few bits.

    With D channels x of a token, n the mantissa and e the exponent of the reciprocal of
    ``floor(sqrt(D*sum(x*x) - sum(x)**2))``, at least 1::

        n[i] = (D*x[i] - sum(x)) * mantissa >> (e + reciprocal_bits - norm_fraction_bits)
        y[i] = clip((n[i]*gamma[i] + beta[i] + half) >> shift)

    where half is half of ``2**shift``.

    Equal in every bit to ``spikeloom.models.golden.layer_norm.layer_norm``.

    Latency: from the last channel of a token to its first value at most
    ``2 * root_bits + reciprocal_bits + 13`` cycles.
    Throughput: 1 channel per cycle in, then 1 value per cycle out; no token overlaps the next.
    Back-pressure: a value that waits on ``o``, or for its gamma and beta, stops those behind it.
    Reset: synchronous; drops the token at work.

    Parameters
    ----------
    config : VitConfig

    Members
    -------
    shift : In(unsigned(5))
        Static while tokens are at work.
    i : In(stream.Signature(channel_layout(config)))
        Channels of tokens; at most max_channels in one.
    i_affine : In(stream.Signature(affine_layout(config)))
        Gamma and beta of each channel of each token.
    o : Out(stream.Signature(signed(value_bits)))
        Values, in the order of the channels.
    """

    shift: Signal
    i: stream.Interface
    i_affine: stream.Interface
    o: stream.Interface

    def __init__(self, config: VitConfig):
        self.config = config
        super().__init__({
            "shift": In(unsigned(5)),
            "i": In(stream.Signature(channel_layout(config))),
            "i_affine": In(stream.Signature(affine_layout(config))),
            "o": Out(stream.Signature(signed(config.value_bits))),
        })

    def elaborate(self, platform):
        m = Module()
        config = self.config
        m.submodules.root = root = SquareRoot(config.root_bits)
        m.submodules.reciprocal = inverse = Reciprocal(config.root_bits, config.reciprocal_bits)
        count, place = (Signal(range(config.max_channels + 1), name=name)
                        for name in ("count", "place"))
        total = Signal(signed(config.total_bits))
        squares = Signal(2 * config.token_bits - 1 + config.max_channels.bit_length())
        scaled, squared = (Signal(2 * config.root_bits, name=name)
                           for name in ("scaled", "squared"))
        take, give, done = Signal(), Signal(), Signal()
        value = self.i.p.value
        m.d.comb += [
            take.eq(self.i.valid & self.i.ready),
            root.i.payload.eq(scaled - squared),
            inverse.i.payload.eq(Mux(root.o.payload == 0, 1, root.o.payload)),
            inverse.i.valid.eq(root.o.valid), root.o.ready.eq(inverse.i.ready),
            inverse.o.ready.eq(done),
        ]
        with m.If(take):
            m.d.sync += [count.eq(count + 1), total.eq(total + value),
                         squares.eq(squares + value * value)]
        with m.FSM():
            with m.State("take"):
                m.d.comb += self.i.ready.eq(1)
                with m.If(self.i.valid & self.i.p.last):
                    m.next = "multiply"
            with m.State("multiply"):
                m.d.sync += [scaled.eq(count * squares), squared.eq(total * total)]
                m.next = "divide"
            with m.State("divide"):
                m.d.comb += root.i.valid.eq(1)
                with m.If(root.i.ready):
                    m.next = "give"
            with m.State("give"):
                m.d.comb += give.eq(inverse.o.valid)
                with m.If(done):
                    m.d.sync += [count.eq(0), place.eq(0), total.eq(0), squares.eq(0)]
                    m.next = "take"
        advance = self._normalize(m, take, give & (place != count), count, place, total,
                                  inverse.o.p, done)
        with m.If(advance & give & (place != count)):
            m.d.sync += place.eq(place + 1)
        return m

    def _normalize(self, m: Module, take, issue, count, place, total, inverse, done) -> Signal:
        """Send the channels kept through four stages; return when these move."""
        config = self.config
        m.submodules.channels = memory = Memory(
            shape=signed(config.token_bits), depth=config.max_channels, init=[])
        write, read = memory.write_port(), memory.read_port()
        advance, full = Signal(), Signal(4)  # stages that hold a channel
        centred = Signal(signed(config.centred_bits))
        product = Signal(signed(config.centred_bits + config.reciprocal_bits + 2))
        normal = Signal(signed(config.normal_bits))
        product_bits = config.normal_bits + config.value_bits
        rounded = Signal(signed(max(product_bits, config.beta_bits, 32) + 2))
        high = (1 << (config.value_bits - 1)) - 1
        places = inverse.exponent + (config.reciprocal_bits - config.norm_fraction_bits)
        open_ = ~self.o.valid | self.o.ready
        m.d.comb += [
            write.addr.eq(count), write.data.eq(self.i.p.value), write.en.eq(take),
            read.addr.eq(place), read.en.eq(advance),
            advance.eq(open_ & (~full[3] | self.i_affine.valid)),
            self.i_affine.ready.eq(open_ & full[3]),
            done.eq((count != 0) & (place == count) & ~full.any()),
            rounded.eq((normal * self.i_affine.p.gamma + self.i_affine.p.beta
                        + ((Const(1, 32) << self.shift) >> 1)) >> self.shift),
        ]
        with m.If(open_):
            m.d.sync += self.o.valid.eq(full[3] & self.i_affine.valid)
        with m.If(advance):
            m.d.sync += [
                full.eq(Cat(issue, full)),
                centred.eq(count * read.data - total),
                product.eq(centred * inverse.mantissa),
                normal.eq(product >> places),
                self.o.payload.eq(Mux(rounded > high, high,
                                      Mux(rounded < -high - 1, -high - 1, rounded))),
            ]
        return advance
