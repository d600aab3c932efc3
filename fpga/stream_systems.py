# SPDX-License-Identifier: Apache-2.0
"""Systems of cores with streams: a crossbar macro, the core for spike times."""

from typing import Any

from amaranth import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect

from ..rtl.config import CrossbarConfig, LinkConfig, TTFSConfig
from ..rtl.imc.crossbar import Crossbar
from ..rtl.link.host_link import HostLink
from ..rtl.link.uart import UART
from ..rtl.ttfs.ttfs_core import TTFSCore
from .stream_window import StreamWindow

__all__ = ["CrossbarSystem", "TTFSSystem"]

_FRAME_BITS = 33  # a word of a frame, and whether it is the last one


class _StreamSystem(wiring.Component):
    """A core behind a serial line; its streams are registers of a `StreamWindow`.

    Attributes
    ----------
    large : tuple of str
        Memories with one port, which go into large RAMs where there are some.

    Members
    -------
    rx : In(1)
        The line from the host.
    tx : Out(1)
        The line to the host.
    running : Out(1)
        The core is at work, or has something to give.
    """

    large: tuple[str, ...] = ()
    rx: Signal
    tx: Signal
    running: Signal

    def __init__(self, config: Any, link: LinkConfig, core: Any):
        self.config, self.link, self._core = config, link, core
        self.shared = getattr(core, "shared", {})
        super().__init__({"rx": In(1), "tx": Out(1), "running": Out(1)})

    def _assemble(self, m: Module, pushes: tuple[int, ...], pops: tuple[int, ...]) -> Any:
        """Put in all but what connects the window, which is returned, to the core."""
        m.submodules.uart = uart = UART(self.link)
        m.submodules.link = link = HostLink(self.link)
        m.submodules.core = self._core
        m.submodules.window = window = StreamWindow(pushes, pops, int(self.config.hash(), 16))
        connect(m, uart.o, link.i)
        connect(m, link.o, uart.i)
        connect(m, link.axil, window.axil)
        m.d.comb += [uart.rx.eq(self.rx), self.tx.eq(uart.tx)]
        return window


class CrossbarSystem(_StreamSystem):
    """A crossbar macro; give pulses (0) and wordlines (1), take conductances (0) and codes (1).

    Members
    -------
    rx : In(1)
        The line from the host.
    tx : Out(1)
        The line to the host.
    running : Out(1)
        Codes wait.
    """

    def __init__(self, config: CrossbarConfig, link: LinkConfig):
        super().__init__(config, link, Crossbar(config))

    def elaborate(self, platform):
        m = Module()
        core = self._core
        pairs = ((core.i_program, core.i), (core.o_verify, core.o))
        window = self._assemble(m, *(tuple(len(Cat(port.payload)) for port in ports)
                                     for ports in pairs))
        for ours, theirs in zip(window.pushes, pairs[0], strict=True):
            m.d.comb += [Cat(theirs.payload).eq(ours.payload), theirs.valid.eq(ours.valid),
                         ours.ready.eq(theirs.ready)]
        for ours, theirs in zip(window.pops, pairs[1], strict=True):
            m.d.comb += [ours.payload.eq(Cat(theirs.payload)), ours.valid.eq(theirs.valid),
                         theirs.ready.eq(ours.ready)]
        m.d.comb += self.running.eq(core.o.valid)
        return m


class TTFSSystem(_StreamSystem):
    """The core for spike times; give and take frames, of each word 32 bits and its tlast.

    Members
    -------
    rx : In(1)
        The line from the host.
    tx : Out(1)
        The line to the host.
    running : Out(1)
        An image is at work.
    """

    large = ("weights", "links")

    def __init__(self, config: TTFSConfig, link: LinkConfig):
        super().__init__(config, link, TTFSCore(config))

    def elaborate(self, platform):
        m = Module()
        core = self._core
        window = self._assemble(m, (_FRAME_BITS,), (_FRAME_BITS,))
        (into,), (out,) = window.pushes, window.pops
        m.d.comb += [
            Cat(core.s_axis_tdata, core.s_axis_tlast).eq(into.payload),
            core.s_axis_tvalid.eq(into.valid), into.ready.eq(core.s_axis_tready),
            out.payload.eq(Cat(core.m_axis_tdata, core.m_axis_tlast)),
            out.valid.eq(core.m_axis_tvalid), core.m_axis_tready.eq(out.ready),
            self.running.eq(core.busy),
        ]
        return m
