# SPDX-License-Identifier: Apache-2.0
"""The persistent simulation, with a stand-in that copies words in place of the accelerator."""

import dataclasses
import shutil

import numpy as np
import pytest

from spikeloom.gen.session.transport import TransportError
from spikeloom.rtl.config import AcceleratorConfig
from spikeloom.verif.accelerator_design import accelerator_design
from spikeloom.verif.stand_in import stand_in_accelerator
from spikeloom.verif.verilator_transport import BusTiming, VerilatorTransport

CONFIG = AcceleratorConfig(chunk=16, laggy_adders=4, beat_values=4, max_fan_in=64,
                           memory_bits=64)
INSIDE = dataclasses.replace(CONFIG, memory="on_chip", memory_words=256)
CONTROL, SOURCE, DESTINATION, WORDS, BASE = 4, 8, 12, 16, 20
SECONDS = 60


def opened(**arguments):
    verilog = arguments.pop("verilog", None) or stand_in_accelerator(CONFIG)
    return VerilatorTransport(CONFIG, verilog=verilog, **arguments)


def copy(transport, source, destination, words, base=0):
    """Start a copy; the bytes that come are the complement of those that were."""
    for offset, value in ((SOURCE, source), (DESTINATION, destination), (WORDS, words),
                          (BASE, base), (CONTROL, 3)):  # clears the interrupt too
        transport.write_register(offset, value)


def pattern(count, seed=1):
    return np.random.default_rng(seed).integers(0, 256, count, np.uint8).tobytes()


def complement(data):
    return bytes(255 - octet for octet in data)


@pytest.mark.parametrize("timing", [
    BusTiming(), BusTiming(latency=0), BusTiming(latency=3, pace=40, stall=90)])
def test_copy_and_interrupt(timing):
    with opened(timing=timing) as transport:
        data = pattern(8 * 41)
        transport.write_memory(80, data)
        assert not transport.wait(0)
        copy(transport, 10, 1000, 41)
        assert transport.wait(SECONDS)
        assert transport.read_register(CONTROL) == 0
        assert transport.read_memory(8000, len(data)) == complement(data)
        assert transport.wait(SECONDS)  # at once: it is still high
        transport.write_register(CONTROL, 2)
        assert not transport.wait(0)
        assert transport.cycles > 41 and transport.seconds > 0
        assert transport.cycle > transport.cycles


def test_latency_and_pace_cost_cycles():
    def cycles(**timing):
        with opened(timing=BusTiming(**timing)) as transport:
            copy(transport, 0, 100, 40)
            assert transport.wait(SECONDS)
            return transport.cycles

    fast = cycles(latency=0)
    assert cycles(latency=50) - fast == pytest.approx(10 * 2 * 50, abs=30)  # bursts, both ways
    assert cycles(latency=0, pace=32) > 2 * fast


def test_memory_by_the_byte():
    with opened() as transport:
        transport.write_memory(0, pattern(64))
        expected = bytearray(pattern(64))
        for address, count in ((3, 2), (8, 8), (13, 20), (0, 1), (63, 1), (7, 2), (5, 0)):
            data = pattern(count, address + 2)
            transport.write_memory(address, data)
            expected[address:address + count] = data
            assert transport.read_memory(0, 64) == expected
            assert transport.read_memory(address, count) == data
        with pytest.raises(TransportError, match="memory must be accessed in bytes 0..67108863, "
                                                 "not 67108863..67108864"):
            transport.read_memory((1 << 26) - 1, 2)


def test_writes_are_logged():
    with opened() as transport:
        copy(transport, 0, 200, 3)
        assert transport.wait(SECONDS)
        transport.log_writes(True)
        started = transport.cycle
        copy(transport, 0, 50, 9)
        assert transport.wait(SECONDS)
        transport.log_writes(False)
        cycles, words = transport.logged_writes()
        assert words.tolist() == list(range(50, 59))
        assert started < cycles[0] < cycles[-1] < transport.cycle and (np.diff(cycles) > 0).all()
        transport.log_writes(True)
        transport.log_writes(False)
        assert len(transport.logged_writes()[0]) == 0


def test_register_errors():
    with opened() as transport:
        assert transport.read_register(0) == 0x5EED
        with pytest.raises(TransportError, match="read of register 0x18: SLVERR"):
            transport.read_register(0x18)
        with pytest.raises(TransportError, match="write of register 0x1c: SLVERR"):
            transport.write_register(0x1C, 1)
    silent = stand_in_accelerator(CONFIG).replace("wire give = s_axil_arvalid", "wire give = 0")
    with opened(verilog=silent) as transport:
        with pytest.raises(TransportError, match="read of register 0x0: no answer"):
            transport.read_register(0)


@pytest.mark.parametrize("registers, text", [
    ({"base": 4}, "not aligned"),
    ({"source": 510}, "crosses 4 KiB"),
    ({"destination": (1 << 23) - 8, "words": 12}, "leaves the memory"),
])
def test_faults_of_the_memory_bus(registers, text):
    with opened() as transport:
        with pytest.raises(TransportError, match=rf"memory bus, cycle \d+: .*{text}"):
            copy(transport, **{"source": 0, "destination": 0, "words": 8} | registers)
            transport.wait(SECONDS)


@pytest.mark.parametrize("line, broken, text", [
    ("assign m_axi_awvalid = state == TELL;",
     "reg flip; always @(posedge clk) flip <= !flip; assign m_axi_awvalid = state == TELL && flip;",
     "valid or payload changed"),
    ("assign m_axi_wdata = ~buffer[beat];",
     "reg [63:0] step; always @(posedge clk) step <= step + 1; assign m_axi_wdata = step;",
     "valid or payload changed"),
    ("assign m_axi_wlast = beat == beats - 1;", "assign m_axi_wlast = beat == beats - 2;",
     "wlast is in the wrong place"),
])
def test_broken_masters(line, broken, text):
    verilog = stand_in_accelerator(CONFIG)
    assert verilog.count(line) == 1
    with opened(verilog=verilog.replace(line, broken), timing=BusTiming(stall=100)) as transport:
        with pytest.raises(TransportError, match=text):
            copy(transport, 0, 100, 40)
            transport.wait(SECONDS)


def test_memory_inside():
    """What the load stream writes is read from the array, and logged."""
    with VerilatorTransport(INSIDE, verilog=stand_in_accelerator(INSIDE)) as transport:
        transport.write_memory(0, pattern(400))
        transport.log_writes(True)
        transport.write_memory(84, pattern(9, 2))
        transport.log_writes(False)
        expected = bytearray(pattern(400))
        expected[84:93] = pattern(9, 2)
        assert transport.read_memory(0, 400) == expected
        assert transport.logged_writes()[1].tolist() == [10, 10, 11, 11]
        with pytest.raises(TransportError, match=r"bytes 0\.\.2047, not 2040\.\.2048"):
            transport.write_memory(2040, bytes(9))


@pytest.mark.parametrize("text, broken, message", [
    ("words [255:0]", "words [127:0]", "must hold one array of 256 words of 64 bits, not 0"),
    ("words[write__addr]", "words[1 + write__addr]",
     "must write the array words of module .* at one place"),
])
def test_memory_inside_must_be_found(text, broken, message):
    with pytest.raises(ValueError, match=message):
        accelerator_design(INSIDE, stand_in_accelerator(INSIDE).replace(text, broken))


def test_waves_of_a_window():
    with opened() as transport:
        with pytest.raises(ValueError, match="waves must be True"):
            transport.dump_waves(100, 110)
        copy(transport, 0, 100, 40)
        first = transport.cycle + 20
    with opened(waves=True) as transport:
        path = transport.dump_waves(first, first + 10)
        copy(transport, 0, 100, 40)
        assert not transport.wait(SECONDS)
        assert transport.cycle < first + 20
    lines = path.read_text().splitlines()
    times = [int(line[1:]) for line in lines if line.startswith("#")]
    assert 15 <= len(times) <= 40 and any("m_axi_araddr" in line for line in lines)
    shutil.rmtree(path.parent)


def test_dead_simulation():
    transport = opened()
    transport._server._process.kill()
    with pytest.raises(TransportError, match="the simulation (ended at|does not answer to) read"):
        transport.read_register(0)
    transport.close()
    transport.close()
    assert not transport.folder.exists()
    with pytest.raises(TransportError, match="the simulation is closed"):
        transport.wait(1)


@pytest.mark.parametrize("field, value", [("latency", -1), ("pace", 0), ("stall", 256)])
def test_timing_limits(field, value):
    with pytest.raises(ValueError, match=rf"{field} must be in \d+\.\.\d+, not {value}"):
        BusTiming(**{field: value})
