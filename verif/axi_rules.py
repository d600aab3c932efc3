# SPDX-License-Identifier: Apache-2.0
"""What AXI asks of a master, beyond what the memory model on the other side checks."""

from typing import Any

import cocotb
from cocotb.triggers import RisingEdge

__all__ = ["AxiRules"]


class AxiRules:
    """Watches the bus of a memory system.

    It fails the test when an offer is withdrawn or changed, and when ``idle`` or ``writes_idle``
    is set while bursts are outstanding.

    Attributes
    ----------
    reads, writes : int
        Outstanding bursts.
    most_reads, most_writes : int
        Most of them that were outstanding at a time.
    addresses : dict[str, list[tuple[int, int]]]
        Byte address and words of all bursts, of ``aw`` and ``ar``.
    """

    _PAYLOADS = {"aw": ("addr", "len", "size", "burst", "cache", "prot", "id"),
                 "ar": ("addr", "len", "size", "burst", "cache", "prot", "id"),
                 "w": ("data", "strb", "last")}

    def __init__(self, dut: Any):
        self.dut = dut
        self.most_reads = self.most_writes = 0
        self.addresses: dict[str, list[tuple[int, int]]] = {"aw": [], "ar": []}
        self.reset()
        cocotb.start_soon(self._run())

    def reset(self) -> None:
        """Forget what is offered and outstanding."""
        self.reads = self.writes = 0
        self._waiting: dict[str, tuple[int, ...] | None] = dict.fromkeys(self._PAYLOADS)

    def _of(self, name: str) -> int:
        return int(getattr(self.dut, f"axi__{name}").value)

    def _moves(self, channel: str) -> bool:
        return bool(self._of(channel + "valid") and self._of(channel + "ready"))

    async def _run(self) -> None:
        while True:
            await RisingEdge(self.dut.clk)
            if int(self.dut.rst.value):
                self.reset()
                continue
            for channel, names in self._PAYLOADS.items():
                offered = (tuple(self._of(channel + name) for name in names)
                           if self._of(channel + "valid") else None)
                assert self._waiting[channel] in (None, offered), (
                    f"{channel} must stay {self._waiting[channel]}, not become {offered}")
                self._waiting[channel] = None if self._moves(channel) else offered
            idle, writes_idle = (int(getattr(self.dut, name).value)
                                 for name in ("idle", "writes_idle"))
            asked = any(self._of(f"{channel}valid") for channel in ("aw", "w", "ar"))
            assert not idle or not (self.reads or self.writes or asked), "idle with bursts open"
            assert not writes_idle or not self.writes, "writes_idle with a write open"
            for channel in self.addresses:
                if self._moves(channel):
                    self.addresses[channel].append((self._of(channel + "addr"),
                                                    self._of(channel + "len") + 1))
            self.reads += self._moves("ar") - (self._moves("r") and self._of("rlast"))
            self.writes += self._moves("aw") - self._moves("b")
            self.most_reads = max(self.most_reads, self.reads)
            self.most_writes = max(self.most_writes, self.writes)
