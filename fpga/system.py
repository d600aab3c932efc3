# SPDX-License-Identifier: Apache-2.0
"""System: an accelerator with its memory inside, behind a serial line."""

from amaranth import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect

from ..rtl.config import AcceleratorConfig, LinkConfig
from ..rtl.link.host_link import HostLink
from ..rtl.link.uart import UART
from ..rtl.soc.accelerator import Accelerator

__all__ = ["System"]


class System(wiring.Component):
    """All that a host needs of a board: serial line, host link, accelerator, memory.

    Latency and throughput: those of the accelerator and of the line.
    Reset: synchronous.

    Parameters
    ----------
    config : AcceleratorConfig
        With the memory on chip.
    link : LinkConfig

    Members
    -------
    rx : In(1)
        The line from the host.
    tx : Out(1)
        The line to the host.
    running : Out(1)
        A program runs.
    irq : Out(1)
        An enabled event is pending.
    """

    large = ()
    rx: Signal
    tx: Signal
    running: Signal
    irq: Signal

    def __init__(self, config: AcceleratorConfig, link: LinkConfig):
        self.config, self.link = config, link
        self._accelerator = Accelerator(config)
        self.shared = self._accelerator.shared
        super().__init__({
            "rx": In(1), "tx": Out(1), "running": Out(1), "irq": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.uart = uart = UART(self.link)
        m.submodules.link = link = HostLink(self.link)
        m.submodules.accelerator = accelerator = self._accelerator
        connect(m, uart.o, link.i)
        connect(m, link.o, uart.i)
        for name, member in link.axil.signature.members.items():
            ours, theirs = getattr(link.axil, name), getattr(accelerator, f"s_axil_{name}")
            m.d.comb += theirs.eq(ours) if member.flow == Out else ours.eq(theirs)
        m.d.comb += [
            uart.rx.eq(self.rx), self.tx.eq(uart.tx), self.irq.eq(accelerator.irq),
            self.running.eq(accelerator.engines.state.running),
        ]
        return m
