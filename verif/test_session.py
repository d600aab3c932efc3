# SPDX-License-Identifier: Apache-2.0
"""Sessions with the reference machine: what they do, and what they say when it goes wrong."""

import dataclasses
import re

import numpy as np
import pytest

from spikeloom.gen.compiler.compile import compile_network
from spikeloom.gen.presets import load_config
from spikeloom.gen.session.errors import DeviceError, SessionError, SessionTimeoutError
from spikeloom.gen.session.session import Session
from spikeloom.rtl.config import AcceleratorConfig
from spikeloom.rtl.soc.register_map import ErrorCode
from spikeloom.verif.divergence import golden_steps
from spikeloom.verif.random_networks import RANDOM_NETWORKS, RandomWeights, random_images
from spikeloom.verif.reference_transport import ReferenceTransport

CONFIG = AcceleratorConfig(timesteps=3, chunk=16, weight_bits=5, tppes=6, laggy_adders=8,
                           beat_values=4, max_fan_in=1024, memory_bits=32, max_columns=32,
                           weight_buffer_beats=1024, burst_words=4, guard_bits=8)
ON_CHIP = dataclasses.replace(CONFIG, memory="on_chip", memory_words=1 << 16)
LISTS = dataclasses.replace(CONFIG, pe="scan", rows_per_pe=2, probes=2)


def network_of(name):
    return RANDOM_NETWORKS[name](RandomWeights(7), CONFIG.timesteps)


@pytest.fixture(scope="module")
def network():
    return network_of("residuals")


@pytest.fixture(scope="module")
def program(network):
    return compile_network(network, CONFIG, images=2, keep_all=True)


@pytest.mark.parametrize("config", [CONFIG, ON_CHIP, LISTS], ids=["axi", "on_chip", "lists"])
@pytest.mark.parametrize("name", RANDOM_NETWORKS)
def test_runs_and_traces(name, config):
    network = network_of(name)
    program = compile_network(network, config, images=2, keep_all=True)
    images = random_images(network, 5, 3)
    trace = network.run(images)
    transport = ReferenceTransport(config)
    with Session(transport, base=0x4000) as session:
        assert session.device.config == config
        session.load(program)
        logits, predictions = session.run(images.numpy())
        assert transport.starts == [2, 2, 1]  # three starts, no reset between
        assert np.array_equal(logits, trace.logits.numpy()) and logits.dtype == np.int64
        assert np.array_equal(predictions, trace.predictions.numpy())
        assert all(np.array_equal(*pair)
                   for pair in zip(session.outputs(), (logits, predictions), strict=True))
        golden, traced = golden_steps(network, trace, images.numpy(), 4), session.trace()
        assert list(traced) == [step.name for step in program.manifest.steps]
        residuals = 0
        for step, found in traced.items():
            expected = golden[step]
            for field in ("map", "logits"):
                assert np.array_equal(getattr(found, field), getattr(expected, field)), step
            if expected.residual is not None:
                height, width = found.residual.shape[2:]
                assert np.array_equal(found.residual, expected.residual[..., :height, :width])
                residuals += 1
        assert residuals == (3 if name == "residuals" else 0)
        assert transport.registers.get("base", 0x4000) == 0x4000
    assert transport.closed


def test_profile_and_counters(program, network):
    transport = ReferenceTransport(CONFIG)
    session = Session(transport)
    session.load(program)
    session.run(random_images(network, 2, 3).numpy())
    manifest = program.manifest
    for image in range(2):
        start = (manifest.profile_address + image * manifest.profile_words) * 4
        for index in range(len(manifest.steps)):
            transport.memory[start + 64 * index:start + 64 * index + 4] = bytes(
                [image + 1, index, 0, 0])
    assert [counts["cycles"] for counts in session.profile().values()] == [
        2 + 256 * index for index in range(len(manifest.steps))]
    assert session.profile(0)["c"]["cycles"] == 1 + 256 * 3
    with pytest.raises(IndexError, match=re.escape("image must be in -2..1, not 2")):
        session.profile(2)
    transport.registers |= {"match_low": 5, "match_high": 3}
    assert session.counters()["match"] == 5 + (3 << 32)
    session.clear_counters()
    session.stop()


def test_cells_that_missed_their_target():
    assert Session(ReferenceTransport(CONFIG)).cell_failures() == 0
    transport = ReferenceTransport(load_config("imc"))
    transport.registers["cell_failures"] = 7
    assert Session(transport).cell_failures() == 7


def test_device_error_names_code_descriptor_and_layer(program, network):
    fails = (ErrorCode.LENGTH_MISMATCH, 3, 1)
    session = Session(ReferenceTransport(CONFIG, fails=fails))
    session.load(program)
    with pytest.raises(DeviceError, match=re.escape(
            "length_mismatch in image 1, descriptor 3 (layer c): A fiber has not")) as info:
        session.run(random_images(network, 3, 1).numpy())
    error = info.value
    assert (error.name, error.code, error.descriptor, error.layer, error.image) == (
        "length_mismatch", 10, 3, "c", 1)
    with pytest.raises(SessionError, match="nothing was run"):
        session.outputs()
    session.trace()  # what is there can still be looked at
    session.reset()


def test_unknown_error():
    assert str(DeviceError(77, 900, "", 0)) == (
        "code_77 in image 0, descriptor 900: Unknown to this version.")


def test_timeout_names_the_layer(program, network):
    session = Session(ReferenceTransport(CONFIG, hangs=True), timeout=0.5)
    session.load(program)
    with pytest.raises(SessionTimeoutError, match=re.escape(
            "no end in 0.5 s: image 1, descriptor 2 (layer b) is at work")):
        session.run(random_images(network, 2, 1).numpy())
    with pytest.raises(SessionError, match="the accelerator is running: reset it first"):
        session.load(program)
    session.reset()
    session.load(program)


def test_wrong_configuration_is_refused(program):
    session = Session(ReferenceTransport(dataclasses.replace(CONFIG, tppes=5)))
    with pytest.raises(SessionError, match=rf"not {CONFIG.hash()}: tppes=6 \(accelerator: 5\)$"):
        session.load(program)


@pytest.mark.parametrize("register, value, text", [
    ("identity", 7, "identity must be 0x53504b4c, not 0x00000007: no Spikeloom"),
    ("hash_low", 7, "it was generated by another version"),
    ("config_tppes", 0, "configuration is unknown: tppes must be an int in 1..64, not 0"),
    ("config_inner_join", 2, "config_inner_join must be in 0..1, not 2"),
])
def test_unknown_accelerator_is_refused(register, value, text):
    transport = ReferenceTransport(CONFIG)
    transport.registers[register] = value
    with pytest.raises(SessionError, match=re.escape(text)):
        Session(transport)


def test_memory_that_forgets_is_noticed(program):
    transport = ReferenceTransport(CONFIG)
    transport.read_memory = lambda address, count: program.content[:99] + bytes(count - 99)
    session = Session(transport)
    with pytest.raises(SessionError, match=r"byte \d+ of the program must be 0x\w\w in memory"):
        session.load(program)
    with pytest.raises(SessionError, match="no program is loaded"):
        session.run(np.zeros((1, 2, 6, 7), np.uint8))


def test_images_and_fields_are_checked(program):
    session = Session(ReferenceTransport(CONFIG))
    session.load(program)
    with pytest.raises(ValueError, match=r"images must be uint8\[B, 2, 6, 7\]"):
        session.run(np.zeros((1, 6, 7), np.uint8))
    with pytest.raises(SessionError, match="nothing was run"):
        session.profile()
    with pytest.raises(SessionError, match=r"images\.value must be in 0\.\.4294967295, not -1"):
        session.device.write("images", value=-1)


def test_trace_needs_places_of_their_own(network):
    session = Session(ReferenceTransport(CONFIG))
    session.load(compile_network(network, CONFIG, keep_all=False))
    session.run(random_images(network, 1, 3).numpy())
    with pytest.raises(SessionError, match="compile it with keep_all=True"):
        session.trace()
