# SPDX-License-Identifier: Apache-2.0
"""Cores of streams on simulated boards: given and read over their serial lines."""

import random
from typing import Any

import numpy as np
import pytest
import torch

from spikeloom.fpga.bitstream import SYNTHESIS
from spikeloom.fpga.designs import make_system
from spikeloom.fpga.simulated_board import SimulatedBoard
from spikeloom.gen.compiler.ttfs_program import compile_ttfs
from spikeloom.gen.link.serial_transport import SerialTransport
from spikeloom.gen.link.stream_device import StreamDevice
from spikeloom.gen.session.transport import TransportError
from spikeloom.models.golden.crossbar import crossbar
from spikeloom.rtl.config import ConfigError, CrossbarConfig, LinkConfig, VitConfig
from spikeloom.rtl.imc.layouts import codes_layout, program_layout
from spikeloom.verif.crossbar_traffic import as_table, image_of, random_image, random_lines
from spikeloom.verif.payload import pack, unpack
from spikeloom.verif.random_ttfs import random_images, random_network
from spikeloom.verif.ttfs_compare import compare
from spikeloom.verif.unit_configs import odd_config

CONFIG = CrossbarConfig(rows=16, columns=16, cell_bits=1, on_off=10, fraction_bits=2, weight_bits=2,
                        encoding="sign", adc_bits=4, adc_shift=2, columns_per_adc=4, pulse_bits=4,
                        pulse_loss=0, noise_bits=0)
QUICK = LinkConfig(divisor=4)


@pytest.fixture(scope="module")
def transport():
    pytest.importorskip("serial")
    with SimulatedBoard(make_system(CONFIG, QUICK)) as board, (
            SerialTransport(board.path)) as transport:
        yield transport


def test_crossbar(transport):
    rng = random.Random(1)
    device = StreamDevice(transport, CONFIG.hash())
    program, codes = program_layout(CONFIG), codes_layout(CONFIG)
    image = random_image(rng, CONFIG)
    strongest = (1 << CONFIG.pulse_bits) - 1
    for row, values in enumerate(as_table(image, CONFIG).tolist()):
        for column, value in enumerate(values):
            while value:
                amplitude = min(value, strongest)
                value -= amplitude
                device.push(0, pack(program, {"row": row, "column": column, "verify": 0,
                                              "amplitude": amplitude, "down": 0}, "pulse"),
                            program.size)
    device.push(0, pack(program, {"row": 3, "column": 5, "verify": 1, "amplitude": 0, "down": 0},
                        "read"), program.size)
    assert device.pop(0, CONFIG.cell_word_bits) == int(image.cells[3, 5])
    lines = random_lines(rng, CONFIG, 4)
    wanted = crossbar(lines, image_of(as_table(image, CONFIG), torch.zeros(
        CONFIG.rows, CONFIG.outputs, dtype=torch.bool), CONFIG), CONFIG)
    for line, expected in zip(lines.tolist(), wanted, strict=True):
        device.push(1, sum(bit << row for row, bit in enumerate(line)), CONFIG.rows)
        beats = [unpack(codes, device.pop(1, codes.size)) for _ in range(CONFIG.columns_per_adc)]
        assert torch.tensor(beats).T.flatten().tolist() == expected.tolist()


def test_what_cannot_be_done(transport):
    device = StreamDevice(transport, CONFIG.hash(), timeout=0.0)
    with pytest.raises(TransportError, match="stream 1 gives no payload in 0.0 s"):
        device.pop(1, 16)
    with pytest.raises(TransportError, match="SLVERR"):
        transport.read_register(0x210)
    with pytest.raises(TransportError, match="configuration hash must be 0{16}, not [0-9a-f]{16}"):
        StreamDevice(transport, "0" * 16)


def test_no_design():
    with pytest.raises(ConfigError, match="no design for a board with VitConfig"):
        make_system(VitConfig(), QUICK)


@pytest.mark.parametrize("family", [
    "", *(pytest.param(family, marks=pytest.mark.long) for family in SYNTHESIS)])
def test_spike_times(family):
    """A network of neurons that spike once, on the board of its core, also as cells of FPGAs."""
    pytest.importorskip("serial")
    config: Any = odd_config("ttfs_core")
    network = random_network("base", seed=3, time_bits=config.time_bits, tau_shift=2,
                             guard_bits=config.guard_bits, weight_bits=config.weight_bits,
                             channels=4, side=6, classes=5)
    program = compile_ttfs(network, config)
    images = random_images(network, 1, 5)
    with SimulatedBoard(make_system(config, QUICK), family) as board, (
            SerialTransport(board.path, timeout=30.0)) as line:
        device = StreamDevice(line, config.hash(), timeout=30.0)
        for frame in program.frames:
            device.send_frame(frame.tolist())
        device.send_frame(program.image_frame(images[0].numpy(), early_exit=False,
                                              dump=True).tolist())
        words = device.receive_frame(program.result_words(dump=True))
    result = program.result(np.array(words, "<u4"))
    assert not compare(network, network.run(images), 0, result)
