# SPDX-License-Identifier: Apache-2.0
"""A host on AXI4-Lite, and the accelerator behind the registers, for the bench of the CSR."""

import itertools
import random
from typing import Any

import cocotb
from cocotb.triggers import RisingEdge
from cocotbext.axi import AxiLiteBus, AxiLiteMaster

from ..models.golden.csr import COUNTERS, RegisterFile
from .bench import Bench
from .streams import cycle, pauses

__all__ = ["COMMANDS", "Host", "begin", "quiet_status", "vary"]

COMMANDS = ("start", "stop", "reset", "clear_counters")
_OKAY, _SLVERR = 0, 2
_QUIET = 1000  # cycles without a response that no test lasts


def quiet_status(golden: RegisterFile, **now: int) -> dict[str, int]:
    """Return the status port for the state of ``golden``, with the events ``now``."""
    return {"running": golden.running, "memory_idle": golden.memory_idle, "done": 0,
            "stopped": 0, "error": 0, "code": 0, "descriptor": golden.descriptor,
            "image": golden.image, "cell_failures": golden.cell_failures} | now


class Host:
    """Makes accesses one by one, on the bus and on the golden registers, and compares them.

    Parameters
    ----------
    bench : Bench
    golden : RegisterFile
    gaps, stalls : float
        Share of cycles in which requests and responses pause.
    """

    def __init__(self, bench: Bench, golden: RegisterFile, gaps: float = 0.0,
                 stalls: float = 0.0):
        self.bench = bench
        self.golden = golden
        self.master: Any = AxiLiteMaster(AxiLiteBus.from_prefix(bench.dut, "axil_"), bench.dut.clk)
        self.writes, self.reads = self.master.write_if, self.master.read_if
        for channel, share in (
                (self.writes.aw_channel, gaps), (self.writes.w_channel, gaps),
                (self.reads.ar_channel, gaps), (self.writes.b_channel, stalls),
                (self.reads.r_channel, stalls)):
            channel.log.setLevel("WARNING")
            channel.set_pause_generator(
                pauses(random.Random(bench.rng.getrandbits(64)), share, burst=3))
        self.writes.log.setLevel("WARNING")
        self.reads.log.setLevel("WARNING")
        self.refusals = 0
        self.words: dict[int, int] = {}  # the memory behind the window

    async def read(self, offset: int) -> int | None:
        """Read a register; return None if the read is refused."""
        response = await self.master.read(offset & ~3, 4)
        value = int.from_bytes(response.data, "little")
        return self._judged(f"read of {offset:#05x}", self.golden.read(offset),
                            None if self._refused(response.resp) else value)

    async def write(self, offset: int, value: int, strobes: int = 15) -> tuple[str, ...] | None:
        """Write a register, with any strobes; return the commands that are to follow."""
        address, data = (self.writes.aw_channel._transaction_obj(),
                         self.writes.w_channel._transaction_obj())
        address.awaddr, address.awprot, data.wdata, data.wstrb = offset, 2, value, strobes
        self.writes.aw_channel.send_nowait(address)
        self.writes.w_channel.send_nowait(data)
        response = await self.writes.b_channel.recv()
        wanted = self.golden.write(offset, value, strobes)
        self._judged(f"write of {value:#x} with strobes {strobes:04b} to {offset:#05x}",
                     wanted is None, self._refused(int(response.bresp)))
        return wanted

    async def happen(self, **events: int) -> None:
        """Let the accelerator report ``done``, ``stopped`` or ``error`` (its code) for a cycle."""
        await self.bench.edge()  # a reset takes 2 cycles even if nothing runs
        self.bench.write("status", quiet_status(
            self.golden, **{name: int(bool(value)) for name, value in events.items()},
            code=events.get("error", self.bench.rng.randrange(256))))
        await self.bench.edge()
        self.show()
        self.golden.report(done="done" in events, stopped="stopped" in events,
                           error=events.get("error", 0))
        await self.bench.edge()

    def show(self) -> None:
        """Put the state of the golden registers on the status and counter ports."""
        self.bench.write("status", quiet_status(self.golden))
        self.bench.write("counters", {name: self.golden.counters.get(name, 0)
                                      for name in COUNTERS})

    def check_levels(self) -> None:
        """Compare the ports that show registers."""
        wanted = {"irq": self.golden.interrupt, "base": self.golden.base,
                  "images": self.golden.images}
        found = {name: self.bench.read(name) for name in wanted}
        assert found == wanted, f"ports must be {wanted}, not {found}"

    def _refused(self, response: int) -> bool:
        assert response in (_OKAY, _SLVERR), f"response must be OKAY or SLVERR, not {response}"
        self.refusals += response == _SLVERR
        return response == _SLVERR

    def _judged(self, what: str, wanted: Any, found: Any) -> Any:
        assert found == wanted, f"{what} must give {wanted}, not {found}"
        return found


def _watch(bench: Bench) -> list[tuple[int, str]]:
    """Note each cycle of each command; fail when a response is withdrawn, changed or missing."""
    seen: list[tuple[int, str]] = []
    dut = bench.dut

    async def commands() -> None:
        while True:
            await RisingEdge(dut.clk)
            seen.extend((cycle(), name) for name in COMMANDS if int(getattr(dut, name).value))

    async def response(channel: str, *payload: str) -> None:
        valid, ready = (getattr(dut, f"axil__{channel}{name}") for name in ("valid", "ready"))
        held = None
        while True:
            await RisingEdge(dut.clk)
            now = [int(getattr(dut, f"axil__{name}").value) for name in payload]
            if held is not None:
                assert int(valid.value), f"{channel}: response withdrawn in cycle {cycle()}"
                assert now == held, f"{channel}: response changed in cycle {cycle()}"
            kept = int(valid.value) and not int(ready.value) and not int(dut.rst.value)
            held = now if kept else None

    async def answers() -> None:
        waited = 0
        while waited < _QUIET:
            await RisingEdge(dut.clk)
            answered = any(int(getattr(dut, f"axil__{name}valid").value)
                           and int(getattr(dut, f"axil__{name}ready").value) for name in "br")
            waited = 0 if answered else waited + 1
        raise TimeoutError(f"no response on the bus in {_QUIET} cycles")

    cocotb.start_soon(commands())
    cocotb.start_soon(answers())
    cocotb.start_soon(response("b", "bresp"))
    cocotb.start_soon(response("r", "rdata", "rresp"))
    return seen


def _serve_window(bench: Bench, words: dict[int, int], latencies: tuple[int, ...]) -> None:
    """Be the memory behind the window, with ``words``; reads take each of ``latencies`` in turn."""
    dut = bench.dut

    async def serve() -> None:
        turns = itertools.cycle(latencies)
        answers: dict[int, int] = {}  # by the cycle before the answer
        while True:
            await RisingEdge(dut.clk)
            address = int(dut.window__address.value)
            reads, writes = int(dut.window__read.value), int(dut.window__write.value)
            assert not (reads and writes), "window: read and write in one cycle"
            if writes:
                words[address] = int(dut.window__write_data.value)
            if reads:
                answers[cycle() + next(turns) - 1] = words.get(address, 0)
            dut.window__valid.value = int(cycle() in answers)
            dut.window__read_data.value = answers.pop(cycle(), bench.rng.getrandbits(32))

    cocotb.start_soon(serve())


async def begin(dut: Any, gaps: float = 0.0, stalls: float = 0.0,
                 latencies: tuple[int, ...] = (1, 2, 7)) -> tuple[Bench, Host, RegisterFile, list]:
    """Return bench, host, golden registers and the commands that are seen."""
    bench = await Bench.start(dut)
    golden = RegisterFile(bench.config)
    host = Host(bench, golden, gaps, stalls)
    _serve_window(bench, host.words, latencies)
    seen = _watch(bench)
    host.show()
    await bench.edge(2)
    return bench, host, golden, seen


async def vary(bench: Bench, host: Host, golden: RegisterFile) -> None:
    """Let the accelerator be elsewhere."""
    await bench.edge(2)  # a reset takes 2 cycles even if nothing runs
    golden.running = bench.rng.random() < 0.3
    golden.memory_idle = bench.rng.random() < 0.7
    golden.descriptor, golden.image = bench.rng.getrandbits(16), bench.rng.getrandbits(32)
    golden.cell_failures = bench.rng.getrandbits(32)
    golden.counters = {name: bench.rng.getrandbits(64) for name in COUNTERS}
    host.show()
