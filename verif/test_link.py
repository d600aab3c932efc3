# SPDX-License-Identifier: Apache-2.0
"""The driver of a serial line: nothing is lost on a bad one, and what is wrong is said."""

import random

import numpy as np
import pytest

from spikeloom.gen.compiler.compile import compile_network
from spikeloom.gen.link.framing import FrameReader, frame
from spikeloom.gen.link.serial_transport import SerialTransport, open_port
from spikeloom.gen.session.session import Session
from spikeloom.gen.session.transport import TransportError
from spikeloom.models.golden.host_link import request_frame
from spikeloom.models.golden.slip import END_TOKEN, encode
from spikeloom.rtl.config import AcceleratorConfig, LinkConfig
from spikeloom.verif.link_stand_in import NoisyPort, ReferencePort
from spikeloom.verif.link_traffic import LINE_ERRORS
from spikeloom.verif.random_networks import RANDOM_NETWORKS, RandomWeights, random_images

CONFIG = AcceleratorConfig(timesteps=4, chunk=16, weight_bits=5, tppes=2, laggy_adders=8,
                           beat_values=4, max_fan_in=1024, memory_bits=32, max_columns=32,
                           weight_buffer_beats=1024, burst_words=4, guard_bits=8,
                           memory="on_chip", memory_words=1 << 14)
LINK = LinkConfig(words=16)


@pytest.fixture
def port():
    return ReferencePort(CONFIG, LINK)


class _Mute:
    """A line on which nobody answers."""

    timeout = None

    def __init__(self, answers=()):
        self.answers, self.written, self.closed = list(answers), b"", False

    def read(self, size=1):
        return self.answers.pop(0) if self.answers and self.timeout else b""

    def write(self, data):
        self.written += data

    def close(self):
        self.closed = True


def test_frame_is_that_of_the_golden_link():
    content = bytes([1, 3, 0xC0, 0xDB, 1, 0xDC, 0xDD, 0xDB, 0xC0])
    assert frame(content) == request_frame(1, 3, 0xDBC0, 1, content[5:])


def test_frames_are_found_in_what_comes():
    reader = FrameReader()
    line = encode([END_TOKEN, 1, 2, END_TOKEN]) + frame(b"\xC0\xDB!") + frame(b"ok")
    found = [content for byte in line for content in reader.feed(bytes([byte]))]
    assert found == [b"\xC0\xDB!", b"ok"] and reader.dropped == 1


@pytest.mark.parametrize("share", [0.0, 0.004])
def test_session_over_a_line(port, share):
    network = RANDOM_NETWORKS["two_sources"](RandomWeights(7), CONFIG.timesteps)
    program = compile_network(network, CONFIG, images=2)
    images = random_images(network, 2, 5)
    noisy = NoisyPort(port, random.Random(3), share)
    with SerialTransport(noisy) as transport, Session(transport) as session:
        session.load(program)
        logits, predictions = session.run(images.numpy())
        errors = transport.errors()
    trace = network.run(images)
    assert np.array_equal(logits, trace.logits.numpy())
    assert np.array_equal(predictions, trace.predictions.numpy())
    assert port.transport.starts == [2] and port.closed
    assert errors.board_dropped == port.link.dropped
    if share:
        assert min(noisy.errors[name] for name in LINE_ERRORS) > 5
        assert errors.timeouts > 10 and errors.dropped > 10
        assert errors.board_dropped > 10 and errors.board_repeated > 10
    else:
        assert not (errors.timeouts or errors.dropped or errors.stale or errors.board_repeated)


def test_memory_by_bytes(port):
    transport = SerialTransport(port)
    data = bytes(range(200))
    transport.write_memory(8, data)
    assert transport.read_memory(8, 200) == data
    transport.write_memory(11, b"\xAA\xBB")
    transport.write_memory(21, b"\xCC")
    expected = bytearray(data)
    expected[3:5], expected[13] = b"\xAA\xBB", 0xCC
    assert transport.read_memory(8, 200) == expected
    assert transport.read_memory(13, 3) == expected[5:8]
    transport.write_memory(9, b"")
    assert transport.read_memory(9, 0) == b""


def test_interrupt(port):
    transport = SerialTransport(port)
    assert not transport.wait(0.0)
    port.transport.registers |= {"interrupt_status": 2, "interrupt_enable": 1}
    assert not transport.wait(0.0)
    port.transport.registers["interrupt_enable"] = 3
    assert transport.wait(0.0)


def test_refused_access(port):
    transport = SerialTransport(port)
    with pytest.raises(TransportError, match="read of register 0xffc: SLVERR"):
        transport.read_register(0xFFC)
    with pytest.raises(TransportError, match="write of register 0xffc: SLVERR"):
        transport.write_register(0xFFC, 1)


def test_nobody_answers():
    mute = _Mute([b"noise\xC0"])
    with pytest.raises(TransportError, match="nobody answers to a read of the host link in "
                                             "4 times 0.5 s; 1 damaged frames came"):
        SerialTransport(mute, retries=3)
    assert mute.closed and mute.written.count(b"\xC0") == 8


def test_another_version():
    mute = _Mute([frame(bytes([0, 0, 0, 0, 0, 0])), frame(bytes([1, 0, 64, 9, 0, 0]))])
    with pytest.raises(TransportError, match="version of the host link must be 1, not 9"):
        SerialTransport(mute)
    assert mute.closed


def test_strange_answer():
    mute = _Mute([frame(bytes([0, 0, 0]))])
    with pytest.raises(TransportError, match="status 0, 1 bytes instead of 4"):
        SerialTransport(mute)


def test_no_such_line(tmp_path):
    pytest.importorskip("serial")
    with pytest.raises(TransportError, match="nowhere"):
        SerialTransport(str(tmp_path / "nowhere"))


def test_pyserial_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "serial", None)
    with pytest.raises(TransportError, match=r"pip install 'spikeloom\[fpga\]'"):
        open_port("/dev/null", 9600)
