# SPDX-License-Identifier: Apache-2.0
"""The command that runs a network on a board, on the golden link and the reference machine."""

import pytest
import torch

from spikeloom.fpga.bitstream import SYNTHESIS
from spikeloom.fpga.classify import classify, classify_spike_times, main
from spikeloom.fpga.designs import make_system
from spikeloom.fpga.simulated_board import SimulatedBoard
from spikeloom.gen.link.serial_transport import SerialTransport
from spikeloom.gen.presets import load_unit_config
from spikeloom.models.zoo import ttfs
from spikeloom.rtl.config import AcceleratorConfig, LinkConfig
from spikeloom.verif.link_stand_in import ReferencePort
from spikeloom.verif.random_networks import RANDOM_NETWORKS, RandomWeights, random_images

CONFIG = AcceleratorConfig(timesteps=4, chunk=16, weight_bits=5, tppes=2, laggy_adders=8,
                           beat_values=4, max_fan_in=1024, memory_bits=32, max_columns=32,
                           weight_buffer_beats=1024, burst_words=4, guard_bits=8,
                           memory="on_chip", memory_words=1 << 14)


def test_classify():
    network = RANDOM_NETWORKS["two_sources"](RandomWeights(7), CONFIG.timesteps)
    images = random_images(network, 2, 5)
    outcome = classify(SerialTransport(ReferencePort(CONFIG, LinkConfig())), network, images)
    assert outcome.exact and outcome.predictions == network.run(images).predictions.tolist()
    assert outcome.errors.requests > 50 and not outcome.errors.timeouts


@pytest.mark.long
@pytest.mark.parametrize("family", ["", *SYNTHESIS])
def test_digits_on_the_simulated_icebreaker(family, capsys):
    """The trained network, the core and the link that fit an iCE40 UP5K, and their netlists."""
    pytest.importorskip("serial")
    config, recipe = load_unit_config("ttfs_small"), ttfs.get("ttfs_mnist_small")
    test = recipe.load_test()
    count = 1 if family else 4
    with SimulatedBoard(make_system(config, LinkConfig(divisor=4)), family) as board:
        with SerialTransport(board.path, timeout=30.0) as line:
            outcome = classify_spike_times(
                line, recipe.load(), config, test.images[:count, None].to(torch.int64))
        assert outcome.exact and outcome.predictions == test.labels[:count].tolist()
        assert main([board.path, "--images", "1", "--timeout", "30"]) == 0
    assert "ttfs_mnist_small" in capsys.readouterr().out


def test_digits_on_the_smallest_accelerator(capsys):
    """The network is chosen by the board's configuration."""
    pytest.importorskip("serial")
    with SimulatedBoard(make_system(load_unit_config("micro"), LinkConfig(divisor=4))) as board:
        assert main([board.path, "--images", "2", "--timeout", "30"]) == 0
    assert "digits_micro" in capsys.readouterr().out


@pytest.mark.parametrize("words, text", [
    (["/dev/nowhere", "--net", "digit"], "digit"),
    (["/dev/nowhere"], "/dev/nowhere"),
])
def test_refusals(words, text, capsys):
    pytest.importorskip("serial")
    assert main(words) == 2
    assert text in capsys.readouterr().err
