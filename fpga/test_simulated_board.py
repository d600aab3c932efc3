# SPDX-License-Identifier: Apache-2.0
"""A network on a simulated board, through the driver of real ones, over a bad line."""

import random

import numpy as np
import pytest

from spikeloom.fpga.bitstream import SYNTHESIS
from spikeloom.fpga.designs import make_system
from spikeloom.fpga.simulated_board import SimulatedBoard
from spikeloom.gen.compiler.compile import compile_network
from spikeloom.gen.link.serial_transport import SerialTransport, open_port
from spikeloom.gen.presets import load_config
from spikeloom.gen.session.errors import SessionError
from spikeloom.gen.session.session import Session
from spikeloom.gen.session.transport import TransportError
from spikeloom.rtl.config import AcceleratorConfig, ConfigError, LinkConfig
from spikeloom.verif.link_stand_in import NoisyPort
from spikeloom.verif.link_traffic import LINE_ERRORS
from spikeloom.verif.random_networks import RANDOM_NETWORKS, RandomWeights, random_images

pytest.importorskip("serial")
CONFIG = AcceleratorConfig(timesteps=4, chunk=8, weight_bits=5, tppes=4, laggy_adders=2,
                           beat_values=2, max_fan_in=1024, memory_bits=32, max_columns=16,
                           weight_buffer_beats=1024, burst_words=4, guard_bits=8, fetch_depth=2,
                           column_fifo_depth=2, match_fifo_depth=2, requantize=0,
                           memory="on_chip", memory_words=1 << 13)
QUICK = LinkConfig(divisor=4)  # the line costs the fewest cycles


@pytest.fixture(scope="module")
def board():
    with SimulatedBoard(make_system(CONFIG, QUICK)) as board:
        yield board


@pytest.mark.parametrize("share", [0.0, 0.001])
def test_network(board, share):
    network = RANDOM_NETWORKS["two_sources"](RandomWeights(7), CONFIG.timesteps)
    program = compile_network(network, CONFIG)
    images = random_images(network, 1, 5)
    noisy = NoisyPort(open_port(board.path, 115200), random.Random(3), share)
    with SerialTransport(noisy, retries=20) as transport, Session(transport) as session:
        session.load(program)
        logits, _ = session.run(images.numpy())
        errors = transport.errors()
    assert np.array_equal(logits, network.run(images).logits.numpy())
    if share:
        assert all(noisy.errors[name] for name in LINE_ERRORS)
        assert errors.timeouts and errors.board_dropped and errors.board_repeated


@pytest.mark.long
@pytest.mark.parametrize("family", SYNTHESIS)
def test_netlist_runs_a_network(family):
    """The whole system as cells of an FPGA: link, accelerator, memory."""
    tiny = load_config("tiny")
    network = RANDOM_NETWORKS["two_sources"](RandomWeights(7), tiny.timesteps)
    images = random_images(network, 1, 5)
    with SimulatedBoard(make_system(tiny, QUICK), family) as board, (
            SerialTransport(board.path, timeout=30.0)) as transport, Session(transport) as session:
        session.load(compile_network(network, tiny))
        logits, _ = session.run(images.numpy())
    assert np.array_equal(logits, network.run(images).logits.numpy())


def test_two_hosts_in_turn(board):
    """A host that comes later finds the board as it is, whatever the one before has asked."""
    for _ in range(3):
        with SerialTransport(board.path) as transport:
            transport.write_register(0x2C, 7)
            assert transport.read_register(0x2C) == 7
            with pytest.raises(TransportError, match="SLVERR"):
                transport.read_register(0xFFC)


def test_program_for_another_configuration(board):
    config = AcceleratorConfig(timesteps=4, chunk=8, laggy_adders=8)
    network = RANDOM_NETWORKS["two_sources"](RandomWeights(7), config.timesteps)
    with SerialTransport(board.path) as transport:
        with pytest.raises(SessionError, match="configuration hash"):
            Session(transport).load(compile_network(network, config))


def test_memory_outside_is_refused():
    with pytest.raises(ConfigError, match="memory must be on_chip"):
        make_system(AcceleratorConfig(), LinkConfig())
