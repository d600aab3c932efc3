# SPDX-License-Identifier: Apache-2.0
"""Bench of the control and status registers: every access rule, against the golden registers."""

import itertools
from typing import Any

import cocotb
from cocotb.triggers import Combine, RisingEdge

from ..models.golden.csr import BUSY, COUNTERS, RegisterFile
from .bench import Bench
from .csr_host import COMMANDS, Host, begin, quiet_status, vary
from .streams import cycle

__all__ = ["answers_every_address", "commands_last_one_cycle", "event_beats_clear",
           "keeps_its_pace", "matches_golden", "reads_and_writes_take_turns",
           "reset_ends_the_past", "restarts_after_reset"]

_CONTROL, _STATUS, _ERROR, _ENABLE, _PENDING = 0x10, 0x14, 0x18, 0x20, 0x24
_IMAGES, _ADDRESS, _DATA, _CYCLES = 0x2C, 0x40, 0x44, 0x80
_START, _STOP, _RESET, _CLEAR = 1, 2, 4, 8
_DONE, _FAILED, _STOPPED = 1, 2, 4  # bits of the interrupt registers
_REGISTERS = [*range(0x00, 0x38, 4), _ADDRESS, _DATA, *range(_CYCLES, 0x100, 4),
              *range(0x100, 0x154, 4), 0x3C, 0x48, 0xFFC]  # and some that are none


async def _act(bench: Bench, host: Host, golden: RegisterFile) -> tuple[str, ...]:
    """Do one random thing; return the commands that must follow."""
    rng = bench.rng
    kind = rng.randrange(10)
    if kind == 0:
        await vary(bench, host, golden)
    elif kind == 1:
        names = rng.sample(["done", "done", "stopped", "stopped", "error"], rng.randint(1, 3))
        await host.happen(**{name: rng.randint(1, 255) if name == "error" else 1
                             for name in names})
    elif kind == 2:  # alone, so that each command has an effect of its own
        return await host.write(_CONTROL, rng.choice([_START, _START, _STOP, _RESET, _CLEAR])) or ()
    elif kind < 6:
        await host.read(rng.choice(_REGISTERS))
    else:
        offset = rng.choice([*_REGISTERS, *[_CONTROL, _ENABLE, _PENDING, _ADDRESS, _DATA] * 6])
        value = rng.getrandbits(32)
        if offset == _ADDRESS:
            value %= 2 * bench.config.memory_words * bench.config.memory_bits // 32
        strobes = rng.choice([15, 15, rng.randrange(16)])
        return await host.write(offset | rng.randrange(4), value, strobes) or ()
    return ()


@cocotb.test()
@cocotb.parametrize(gaps=[0.0, 0.5], stalls=[0.0, 0.5])
async def matches_golden(dut: Any, gaps: float, stalls: float) -> None:
    """Random accesses and events give what the golden registers give, and its commands."""
    bench, host, golden, seen = await begin(dut, gaps, stalls)
    wanted: list[str] = []
    for _ in range(bench.parameters.get("actions", 1500)):
        wanted += await _act(bench, host, golden)
        host.check_levels()
    await bench.edge(3)
    assert sorted(name for _, name in seen) == sorted(wanted)
    assert set(wanted) == set(COMMANDS), f"all commands must occur, not {set(wanted)}"
    assert host.refusals > 20, "accesses must be refused"


@cocotb.test()
async def answers_every_address(dut: Any) -> None:
    """All 4 KiB are written and read; what is no register is refused and changes nothing."""
    bench, host, golden, _ = await begin(dut)
    await vary(bench, host, golden)
    golden.running = False
    host.show()
    for offset in range(0, 0x1000, 4):
        await host.write(offset, bench.rng.getrandbits(32))
    for offset in range(0, 0x1000, 4):
        await host.read(offset)
    host.check_levels()
    registers = 14 + len(bench.config.as_dict())
    registers += 2 * len(COUNTERS) if bench.config.bounds.counters else 0
    registers += 0 if bench.config.memory == "axi" else 1  # a window for a base
    known = sum(golden.read(offset) is not None for offset in range(0, 0x1000, 4))
    assert known >= registers - 1, f"{registers} registers must answer, not {known}"


@cocotb.test()
async def commands_last_one_cycle(dut: Any) -> None:
    """Each command is high for one cycle; a start only when nothing runs and nothing failed."""
    bench, host, golden, seen = await begin(dut)
    for value, names in ((_START, ["start"]), (_STOP, ["stop"]), (_RESET, ["reset"]),
                         (_CLEAR, ["clear_counters"]), (_START | _CLEAR, ["start",
                                                                         "clear_counters"]),
                         (15, ["reset", "clear_counters"])):
        seen.clear()
        await host.write(_CONTROL, value)
        await bench.edge(4)
        assert sorted(name for _, name in seen) == sorted(names)
        assert len({at for at, _ in seen}) == 1
    seen.clear()
    await host.write(_CONTROL, 15 << 8)
    await host.write(_CONTROL, 15, strobes=0b1110)
    golden.running = True
    host.show()
    await host.write(_CONTROL, _START)
    assert await host.read(_STATUS) == 0b11001
    assert (await host.read(_ERROR) or 0) & 0xFF == BUSY
    golden.running = False
    host.show()
    await host.write(_CONTROL, _START)
    await bench.edge(4)
    assert not seen, f"no command must come, not {seen}"


@cocotb.test()
async def event_beats_clear(dut: Any) -> None:
    """An event in the cycle in which its bit is cleared stays pending; a level interrupts."""
    bench, host, golden, _ = await begin(dut)
    golden.running = True
    await host.write(_ENABLE, _DONE)
    await host.happen(stopped=1)
    assert not bench.read("irq")
    clear = cocotb.start_soon(host.write(_PENDING, 7))
    while not int(dut.axil__wready.value):
        bench.write("status", quiet_status(golden))
        await RisingEdge(dut.clk)
        if int(dut.axil__awvalid.value) and int(dut.axil__wvalid.value):
            bench.write("status", quiet_status(golden, done=1))  # the cycle of the access
            break
    await bench.edge()
    assert int(dut.axil__wready.value), "the access must be made in this cycle"
    host.show()
    await clear
    golden.report(done=True)
    assert await host.read(_PENDING) == _DONE
    assert bench.read("irq")
    await host.write(_PENDING, _FAILED | _STOPPED)
    assert bench.read("irq")
    await host.write(_PENDING, _DONE)
    host.check_levels()
    assert not bench.read("irq")


@cocotb.test()
async def reset_ends_the_past(dut: Any) -> None:
    """Events are ignored from a reset to its end, and counted from then on."""
    bench, host, golden, _ = await begin(dut)
    golden.running = True
    await host.happen(error=3)
    await host.happen(error=4)
    assert (await host.read(_ERROR) or 0) & 0xFF == 3
    await host.write(_CONTROL, _RESET)
    bench.write("status", quiet_status(golden, error=1, done=1, stopped=1, code=9))
    await bench.edge(5)
    golden.running = False
    host.show()
    await bench.edge(2)
    assert await host.read(_STATUS) == 0b10000
    assert await host.read(_ERROR) == 0 and await host.read(_PENDING) == 0
    await host.happen(error=5)
    assert (await host.read(_ERROR) or 0) & 0xFF == 5


@cocotb.test()
async def restarts_after_reset(dut: Any) -> None:
    """After a reset all registers are as after the first one, and no response waits."""
    bench, host, golden, _ = await begin(dut)
    for offset in _REGISTERS:
        await host.write(offset, 0xFFFFFFFF)
    await host.happen(done=1, stopped=1, error=7)
    host.reads.r_channel.pause = True
    host.reads.r_channel.clear_pause_generator()
    host.reads.r_channel.pause = True
    cocotb.start_soon(host.master.read(0, 4))
    await bench.edge(6)
    assert int(dut.axil__rvalid.value), "a response must wait"
    await bench.reset(1)
    await bench.edge()
    assert not int(dut.axil__rvalid.value) and not int(dut.axil__bvalid.value)
    fresh = RegisterFile(bench.config)
    other = Host(bench, fresh)
    other.show()
    host.reads.ar_channel.clear()
    for offset in range(0, 0x160, 4):
        await other.read(offset)
    other.check_levels()


@cocotb.test()
async def keeps_its_pace(dut: Any) -> None:
    """Latency 2 and an access in 3 cycles, as the component's docstring says."""
    bench, host, _, _ = await begin(dut)
    for names, access in ((("arvalid", "arready", "rvalid"), host.master.read(0x100, 64)),
                          (("wvalid", "wready", "bvalid"), host.master.write(0x100, bytes(64)))):
        seen: dict[str, list[int]] = {name: [] for name in names}

        async def note(seen: dict[str, list[int]] = seen) -> None:
            while True:
                await RisingEdge(dut.clk)
                for name, cycles in seen.items():
                    if int(getattr(dut, f"axil__{name}").value):
                        cycles.append(cycle())

        watcher = cocotb.start_soon(note())
        await access
        watcher.cancel()
        requested, taken, answered = seen.values()
        assert answered[0] - requested[0] == 2, "latency must be 2"
        assert {out - into for into, out in zip(taken, answered, strict=True)} == {1}
        assert {later - now for now, later in itertools.pairwise(taken)} == {3}


@cocotb.test()
async def reads_and_writes_take_turns(dut: Any) -> None:
    """With both always waiting neither starves."""
    bench, host, golden, _ = await begin(dut)
    order: list[str] = []

    async def note() -> None:
        while True:
            await RisingEdge(dut.clk)
            if int(dut.axil__arready.value):
                order.append("read")
            if int(dut.axil__awready.value):
                assert int(dut.axil__wready.value), "address and data are taken together"
                order.append("write")

    cocotb.start_soon(note())
    reads = cocotb.start_soon(host.master.read(0x100, 4 * 16))
    writes = [host.master.init_write(_IMAGES, bytes([index, 0, 0, 0])) for index in range(16)]
    await Combine(reads, *(cocotb.start_soon(event.wait()) for event in writes))
    middle = order[4:28]
    assert all(now != later for now, later in itertools.pairwise(middle)), order
    assert bench.read("images") == 15
