# SPDX-License-Identifier: Apache-2.0
"""Whole networks on the whole accelerator, through the session: every value of every layer."""

import dataclasses
import re
import shutil

import numpy as np
import pytest

from spikeloom.gen.compiler.compile import compile_network
from spikeloom.gen.compiler.predict import predict_encode
from spikeloom.gen.session.errors import DeviceError
from spikeloom.gen.session.session import Session
from spikeloom.rtl.config import AcceleratorConfig
from spikeloom.verif.divergence_waves import show_divergence
from spikeloom.verif.program_run import run_program
from spikeloom.verif.random_networks import RANDOM_NETWORKS, RandomWeights, random_images
from spikeloom.verif.runner import emitted
from spikeloom.verif.verilator_transport import BusTiming, VerilatorTransport

OUTSIDE = AcceleratorConfig(timesteps=4, chunk=16, weight_bits=5, tppes=6, laggy_adders=8,
                            beat_values=4, max_fan_in=1024, memory_bits=32, max_columns=32,
                            weight_buffer_beats=1024, burst_words=4, guard_bits=8)
INSIDE = dataclasses.replace(OUTSIDE, memory="on_chip", memory_words=1 << 14, memory_bits=64)
# Weights as lists; rows that are dealt and sorted: a tile of twelve.
LOOKUP = dataclasses.replace(OUTSIDE, pe="scan", tppes=3, rows_per_pe=4, probes=2,
                             hit_fifo_depth=8)
CONFIGS = {"inside": INSIDE, "lookup": LOOKUP}
# Small, for it is built twice, once with waves; as the network wants no multipliers, without.
SMALL = dataclasses.replace(OUTSIDE, chunk=8, tppes=4, laggy_adders=2, beat_values=2,
                            fetch_depth=2, column_fifo_depth=2, match_fifo_depth=2,
                            max_columns=16, requantize=0)
ENCODE_BAND = 0.02  # of the predicted cycles, with the density of the images
_FAST = BusTiming(latency=2)
TIMINGS = {"fast": _FAST, "lookup": _FAST, "slow": BusTiming(latency=60, pace=100, stall=60)}


def setup(name, config, images=1):
    network = RANDOM_NETWORKS[name](RandomWeights(7), config.timesteps)
    return compile_network(network, config, images=images, keep_all=True), network


def check(report):
    assert report.error == "" and report.divergence is None, f"{report.error} {report.divergence}"
    assert report.exact and all(layer.exact for layer in report.layers)
    for layer in report.layers:
        assert layer.cycles > 0
        if layer.name != "image":
            assert layer.counters["match"] > 0 and 0 < layer.utilisation <= 1 and layer.limit
            assert layer.bytes["weight_bytes"] > 0 and layer.bytes["spike_bytes"] > 0
        assert layer.bytes["written_bytes"] > 0
    assert report.cycles >= sum(layer.cycles for layer in report.layers)
    assert report.cycles_per_second > 0


@pytest.mark.parametrize("name", RANDOM_NETWORKS)
@pytest.mark.parametrize("place", ["fast", "slow", *(
    pytest.param(name, marks=pytest.mark.long) for name in CONFIGS)])
def test_network(name, place):
    config = CONFIGS.get(place, OUTSIDE)
    program, network = setup(name, config, images=2)
    with VerilatorTransport(config, timing=TIMINGS.get(place)) as transport:
        images = random_images(network, 3, 5)
        report = run_program(program, network, images, transport, timeout=120,
                             every_image=place != "fast")
    check(report)
    if place != "slow":
        lanes = np.stack([images.numpy() & 15, images.numpy() >> 4])
        predicted = len(images) * predict_encode(
            program.step("image").map, config, np.count_nonzero(lanes) / lanes.size)
        assert abs(report.layers[0].cycles - predicted) <= ENCODE_BAND * predicted


def test_two_programs_in_one_session():
    """Another program after a soft reset, and counters that add up."""
    with VerilatorTransport(OUTSIDE) as transport:
        session = Session(transport, base=0, timeout=120)
        for network_name in ("integers", "residuals"):
            program, network = setup(network_name, OUTSIDE, images=2)
            session.load(program)
            images = random_images(network, 2, 9)
            session.clear_counters()
            logits, predictions = session.run(images.numpy())
            trace = network.run(images)
            assert np.array_equal(logits, trace.logits.numpy())
            assert np.array_equal(predictions, trace.predictions.numpy())
            profiles = [session.profile(image) for image in range(2)]
            # the totals hold, beside what the records say, the writing of the records
            more = {"match": 0, "weight_words": 0, "spike_words": 0,
                    "words_written": 2 * program.manifest.profile_words}
            counters = session.counters()
            for name, extra in more.items():
                assert counters[name] == extra + sum(
                    step[name] for profile in profiles for step in profile.values()), name
            session.reset()


def test_damaged_program_is_refused():
    program, network = setup("integers", OUTSIDE)
    images = random_images(network, 1, 9).numpy()
    with VerilatorTransport(OUTSIDE) as transport:
        session = Session(transport, timeout=120)
        session.load(program)
        place = len(program.content) // 2
        transport.write_memory(place, bytes([program.content[place] ^ 1]))
        with pytest.raises(DeviceError, match="^bad_crc in image 0"):
            session.run(images)
        session.reset()
        session.load(program)
        assert np.array_equal(session.run(images)[0],
                              network.run(random_images(network, 1, 9)).logits.numpy())


@pytest.mark.long
def test_divergence_of_a_broken_design(tmp_path):
    """A neuron that fires above its threshold only is found, with waves around its cycle."""
    verilog = emitted("accelerator", SMALL)
    broken, count = re.subn(r"(\$signed\(\S+\) )>=( \$signed\()", r"\1>\2", verilog)
    assert count >= SMALL.timesteps
    network = RANDOM_NETWORKS["two_sources"](RandomWeights(7), SMALL.timesteps)
    for layer in network.layers[:-1]:
        layer.threshold.clamp_(max=4)  # often met exactly
    program = compile_network(network, SMALL, keep_all=True)
    found = show_divergence(program, network, random_images(network, 1, 5), tmp_path,
                            verilog=broken, margin=50, timeout=120)
    assert found.kind == "spike" and {found.expected, found.got} == {0, 1}
    assert found.waves == tmp_path / f"two_sources-{found.layer}.vcd"
    lines = found.waves.read_text().splitlines()
    times = [int(line[1:]) for line in lines if line.startswith("#")]
    assert 100 < len(times) < 400 and any(" cycle " in line for line in lines)
    assert str(found.waves) in str(found)
    shutil.rmtree(tmp_path)
