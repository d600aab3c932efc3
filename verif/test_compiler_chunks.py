# SPDX-License-Identifier: Apache-2.0
"""Chunks in memory: packed fast, read back fast, and the same as the plain reader sees."""

import numpy as np
import pytest

from spikeloom.gen.compiler.chunks import ChunkFormat
from spikeloom.gen.compiler.compile import compile_network
from spikeloom.gen.compiler.fibers import fiber_weights, lay_source
from spikeloom.rtl.config import AcceleratorConfig
from spikeloom.verif.random_networks import RANDOM_NETWORKS, RandomWeights, fits
from spikeloom.verif.reference_memory import ReferenceMemory

CONFIGS = [
    AcceleratorConfig(),
    AcceleratorConfig(memory_bits=32, chunk=40, beat_values=8, laggy_adders=8, max_columns=40,
                      weight_bits=4, timesteps=3),
    AcceleratorConfig(memory_bits=64, chunk=16, beat_values=1, weight_bits=3, timesteps=16,
                      tppes=4, laggy_adders=8, guard_bits=8),
]


def _values(chunk_format, rng, count):
    low = -(1 << (chunk_format.value_bits - 1)) if chunk_format.signed else 0
    values = rng.integers(low, low + (1 << chunk_format.value_bits),
                          (count, chunk_format.chunk))
    values *= rng.random(values.shape) < rng.random((count, 1))
    values[0], values[1] = 0, low or 1  # an empty chunk, a full one
    return values


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("kind", ["of_weights", "of_spikes"])
def test_chunks_come_back(config, kind):
    chunk_format = getattr(ChunkFormat, kind)(config)
    values = _values(chunk_format, np.random.default_rng(1), 40)
    content = chunk_format.pack(values)
    found, end = chunk_format.unpack_run(content, 0, len(values))
    assert np.array_equal(found, values)
    assert end * config.memory_bits == 8 * len(content)
    assert end == chunk_format.words(np.count_nonzero(values, axis=1)).sum()


def test_known_bytes():
    """Written out by hand: mask 0b1000_0101, then values 1, -2 | 3 in beats of two."""
    chunk_format = ChunkFormat(chunk=8, beat_values=2, value_bits=4, signed=True, word_bits=32)
    assert chunk_format.pack(np.array([[1, 0, -2, 0, 0, 0, 0, 3]])).tobytes() == bytes(
        [0b1000_0101, 0, 0, 0, 0xE1, 0x03, 0, 0])


@pytest.mark.parametrize("config", CONFIGS)
def test_weights_of_an_image_are_those_of_the_network(config):
    """Both readers find the layer's own weights at the taps and channels they belong to."""
    for build in (build for name, build in RANDOM_NETWORKS.items() if fits(name, config)):
        network = build(RandomWeights(5), config.timesteps)
        if config.weight_bits < 5:
            for layer in network.layers:
                for source in layer.sources:
                    source.weight.clamp_(-(1 << (config.weight_bits - 1)),
                                         (1 << (config.weight_bits - 1)) - 1)
        program = compile_network(network, config)
        memory = ReferenceMemory(config, program.content)
        content = np.frombuffer(program.content, np.uint8)
        for layer in network.layers:
            address, words = program.step(layer.name).weights
            sources = tuple(lay_source(layer.name, x, config) for x in layer.sources)
            expected = fiber_weights(sources, config.chunk).astype(int)
            found, end = ChunkFormat.of_weights(config).unpack_run(
                content, address, expected.shape[0] * expected.shape[1])
            assert end == address + words
            assert np.array_equal(found.reshape(expected.shape), expected)
            for chunk in found:
                plain, address = memory.read_chunk(address, config.weight_bits, True)
                assert plain == chunk.tolist()
            _check_positions(layer, sources, expected, config.chunk)


def _check_positions(layer, sources, weights, chunk):
    """Find each weight by the rule of the format, one by one."""
    first, seen = 0, 0
    for fiber in sources:
        dense = fiber.source.dense_weight
        _, channels, height, width = dense.shape
        for tap in range(height * width):
            kernel = dense[:, :, tap // width, tap % width].numpy()
            if fiber.chunks > 1:
                where = first + tap * fiber.chunks
                part = weights[:, where:where + fiber.chunks].reshape(len(weights), -1)
                part = part[:, :channels]
            else:
                group, place = divmod(tap, fiber.taps_per_chunk)
                start = place * fiber.tap_positions
                assert start + channels <= chunk
                part = weights[:, first + group, start:start + channels]
            assert np.array_equal(part, kernel), layer.name
            seen += np.count_nonzero(kernel)
        first += fiber.fiber_chunks
    assert seen == np.count_nonzero(weights)
