# SPDX-License-Identifier: Apache-2.0
"""The first wrong value is found and named, and reports say what layers cost."""

import re

import numpy as np
import pytest

from spikeloom.gen.compiler.compile import compile_network
from spikeloom.gen.compiler.records import PROFILE_BYTES
from spikeloom.rtl.config import AcceleratorConfig
from spikeloom.rtl.soc.register_map import ErrorCode
from spikeloom.verif.divergence import first_divergence, golden_steps
from spikeloom.verif.program_run import run_program
from spikeloom.verif.random_networks import RANDOM_NETWORKS, RandomWeights, random_images
from spikeloom.verif.reference_transport import ReferenceTransport

CONFIG = AcceleratorConfig(timesteps=3, chunk=16, weight_bits=5, tppes=6, laggy_adders=8,
                           beat_values=4, max_fan_in=1024, memory_bits=32, max_columns=32,
                           weight_buffer_beats=1024, burst_words=4, guard_bits=8, each_step=1)


def setup(name, images=1):
    network = RANDOM_NETWORKS[name](RandomWeights(7), CONFIG.timesteps)
    return compile_network(network, CONFIG, images=images, keep_all=True), network


def breaking(address, mask, occurrence=0):
    """Return a hook that flips bits of what is written to a word."""
    def hook(machine):
        write, seen = machine.memory.write, [0]

        def wrong(first, content):
            content += bytes(-len(content) % 4)
            place = 4 * (address - first)
            if 0 <= place < len(content):
                if seen[0] >= occurrence:
                    content = content[:place] + bytes(
                        octet ^ flip for octet, flip in zip(
                            content[place:place + 4], mask.to_bytes(4, "little"), strict=True)
                    ) + content[place + 4:]
                seen[0] += 1
            write(first, content)

        machine.memory.write = wrong
    return hook


@pytest.mark.parametrize("name", RANDOM_NETWORKS)
@pytest.mark.parametrize("every_image", [True, False])
def test_exact_run(name, every_image):
    program, network = setup(name, images=2)
    transport = ReferenceTransport(CONFIG)
    images, seen = random_images(network, 3, 5), []
    report = run_program(program, network, images, transport, every_image=every_image,
                         progress=seen.append)
    assert report.exact and report.divergence is None and not report.error
    assert seen == ([1, 2, 3] if every_image else [2, 3])
    assert transport.starts == ([1, 1, 1] if every_image else [2, 1])
    assert report.predictions == network.run(images).predictions.tolist() and report.images == 3
    assert all(layer.exact for layer in report.layers)
    assert [layer.name for layer in report.layers] == [
        step.name for step in program.manifest.steps]


@pytest.mark.parametrize("pick", range(6))
def test_spike_is_named(pick):
    """Flip the lane word of a neuron that fires, at the end of a chunk's first beat word."""
    program, network = setup("two_sources")
    images = random_images(network, 1, 5)
    trace = network.run(images)
    stored = program.step("b").map
    spikes = trace["b"].maps[:, 0].any(0).numpy()  # [C, H, W]
    firing = [(y, x) for y in range(stored.height) for x in range(stored.width)
              if spikes[:, y, x].any()]
    y, x = firing[pick * len(firing) // 6]
    channel = int(np.argmax(spikes[:, y, x]))      # the first value of the chunk
    slot = stored.address + y * stored.row_pitch + x * stored.pixel_pitch
    transport = ReferenceTransport(CONFIG, hook=breaking(slot + 1, 0b110))
    report = run_program(program, network, images, transport)
    found = report.divergence
    assert not report.exact and report.divergent_image == 0
    expected = trace["b"].maps[:, 0, channel, y, x].tolist()
    assert (found.layer, found.kind, found.channel, found.y, found.x, found.timestep) == (
        "b", "spike", channel, y, x, 1)
    assert (found.expected, found.got) == (expected[1], 1 - expected[1])
    cycles, words = transport.logged_writes()
    last = cycles[(words >= slot) & (words < slot + stored.pixel_pitch)].max()
    assert found.cycle == last and found.word == slot and found.wrong == 2
    assert found.values == 3 * spikes.size
    assert [layer.exact for layer in report.layers] == [True, True, False, None, None, None, None]
    assert re.fullmatch(
        rf"layer b: spike of neuron \(channel {channel}, y {y}, x {x}\), timestep 1: "
        rf"expected {found.expected}, got {found.got}; written to word {slot} in cycle {last}; "
        rf"2 of {found.values} values are wrong", str(found))


def test_the_value_written_first_is_named():
    """Of two wrong slots the one that was written first, wherever it lies."""
    program, network = setup("two_sources")
    images = random_images(network, 1, 5).numpy()
    golden = golden_steps(network, network.run(random_images(network, 1, 5)), images, 0)
    traced = {name: item for name, item in golden.items()}
    wrong = golden["c"].map.copy()
    wrong[2, 3, 0, 0] ^= True
    wrong[0, 7, 1, 2] ^= True
    wrong[1, 7, 1, 2] ^= True
    traced["c"] = type(golden["c"])(map=wrong)
    stored = program.step("c").map
    early = stored.address + stored.row_pitch + 2 * stored.pixel_pitch
    for cycles, channel, step in (([5, 9], 7, 0), ([9, 5], 3, 2), ([7, -1], 7, 0)):
        words = [early, stored.address]
        keep = [index for index, cycle in enumerate(cycles) if cycle >= 0]
        found = first_divergence(program, golden, traced, (
            np.array(cycles)[keep], np.array(words)[keep]))
        assert (found.channel, found.timestep, found.cycle) == (
            channel, step, min(c for c in cycles if c >= 0))
    found = first_divergence(program, golden, traced)
    assert found.cycle is None and "in a cycle unknown" in str(found) and found.wrong == 3
    assert first_divergence(program, golden, golden) is None


def test_residual_comes_before_the_spikes_it_makes():
    program, network = setup("residuals")
    images = random_images(network, 1, 5)
    residual = program.step("b").residual
    neuron = 50
    word = residual.address + neuron * residual.slot_bits // 32
    report = run_program(program, network, images,
                         ReferenceTransport(CONFIG, hook=breaking(word, 0x0300 << 16)))
    found = report.divergence
    currents = network.run(images)["b"].currents.view(3, 6, 7, 18)
    expected = int(currents[1, found.y, found.x, found.channel])
    assert (found.layer, found.kind, found.timestep, found.word, found.wrong) == (
        "b", "residual", 1, word, 1)
    assert found.expected == expected and (found.got ^ expected) & 0xFFFF == 0x0300


@pytest.mark.parametrize("name, layer, kind", [
    ("integers", "b", "integer"), ("integers", "image", "integer"), ("integers", "out", "logit")])
def test_other_values_are_named(name, layer, kind):
    program, network = setup(name)
    images = random_images(network, 1, 5)
    images[0, 0, 0, 0] = 255  # not silent
    manifest, step = program.manifest, program.step(layer)
    address = manifest.result_address + 2 if kind == "logit" else step.map.address + 1
    report = run_program(program, network, images,
                         ReferenceTransport(CONFIG, hook=breaking(address, 1)))
    found = report.divergence
    assert (found.layer, found.kind, found.timestep) == (layer, kind, None)
    assert abs(found.expected - found.got) >= 1 and found.cycle is not None
    assert ", timestep" not in str(found)
    if kind == "logit":
        assert found.channel == 2


def test_only_the_wrong_image_stops_the_run():
    """With several images in a start the logits of all of them are compared."""
    program, network = setup("two_sources", images=2)
    images = random_images(network, 4, 5)
    manifest = program.manifest
    hook = breaking(manifest.result_address, 1)
    report = run_program(program, network, images, ReferenceTransport(CONFIG, hook=hook),
                         every_image=False)
    assert not report.exact and report.images == 2 and report.divergence is None
    assert report.error == "logits or predictions of images 0..1 differ"


def test_error_and_hang_end_the_run():
    program, network = setup("two_sources")
    images = random_images(network, 2, 5)
    fails = (ErrorCode.TIMEOUT, 3, 0)
    report = run_program(program, network, images, ReferenceTransport(CONFIG, fails=fails))
    assert not report.exact and report.images == 0
    assert report.error.startswith("timeout in image 0, descriptor 3 (layer c)")
    assert report.divergence.layer == "image"  # nothing was written at all
    report = run_program(program, network, images, ReferenceTransport(CONFIG, hangs=True))
    assert "is at work" in report.error and not report.exact


def test_what_layers_cost():
    program, network = setup("two_sources")
    manifest = program.manifest

    class Profiled(ReferenceTransport):
        def _run(self, images):
            super()._run(images)
            for index in range(len(manifest.steps)):
                counts = {"cycles": 100, "match": 60, "stall_row": 50 if index != 3 else 700,
                          "weight_words": 7, "words_written": 3}
                names = list(program.read_profile(self.memory)["a"])
                values = [counts.get(name, 0) for name in names]
                start = 4 * manifest.profile_address + PROFILE_BYTES * index
                self.memory[start:start + 4 * len(values)] = np.array(values, "<u4").tobytes()

    report = run_program(program, network, random_images(network, 3, 5), Profiled(CONFIG))
    assert report.exact
    image, a, _, c, *_ = report.layers
    assert (a.cycles, a.utilisation, a.limit) == (300, 180 / (6 * 300), "compute")
    assert c.limit == "spikes" and image.limit == ""
    assert a.bytes == {"weight_bytes": 84, "spike_bytes": 0, "other_bytes": 0,
                       "written_bytes": 36}
    assert a.predicted == 3 * program.step("a").cycles
    assert a.counters["match"] == 180
