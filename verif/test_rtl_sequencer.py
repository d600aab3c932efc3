# SPDX-License-Identifier: Apache-2.0
"""The sequencer with a memory and engines played in Python, in Amaranth's simulator."""

import struct
import zlib

import pytest
from amaranth.sim import Simulator

from spikeloom.rtl.config import AcceleratorConfig
from spikeloom.rtl.soc.descriptor import DESCRIPTOR_WORDS
from spikeloom.rtl.soc.header import FORMAT_VERSION, MAGIC
from spikeloom.rtl.soc.performance_counters import COUNTERS
from spikeloom.rtl.soc.register_map import ErrorCode
from spikeloom.rtl.soc.sequencer import PROFILE_VALUES, TIMEOUT_CYCLES, Sequencer

CONFIGS = {
    "loas": AcceleratorConfig(),
    "narrow": AcceleratorConfig(memory="on_chip", memory_bits=32, memory_words=4096,
                                beat_values=4),
}
ENCODE, LAYER, READOUT = 1, 2, 2  # two operations and a mode


def descriptor(operation=LAYER, mode=0, pitch=0, address=0):
    """Return a descriptor whose fields are what the sequencer looks at."""
    words = [0] * DESCRIPTOR_WORDS
    words[0], words[18] = operation | mode << 8, pitch
    if operation == ENCODE:
        words[2] = 1                                      # passes
        words[6], words[7], words[5], words[3] = address, 5, 7, 3
    else:
        words[10] = address
    return words


def program(config, steps, **header):
    """Return the words of a program image."""
    words = config.memory_bits // 32
    number = int(config.hash(), 16)
    length = (16 + DESCRIPTOR_WORDS * len(steps)) // words + 1
    fields = {"magic": MAGIC, "version": FORMAT_VERSION, "low": number & 0xFFFFFFFF,
              "high": number >> 32, "program_words": length, "memory_words": length + 1000,
              "writable_start": length + 10, "descriptors": len(steps),
              "descriptor_address": 16 // words, "profile_address": length + 20,
              "profile_image_pitch": 32} | header
    values = [*fields.values(), *[0] * 5, *(word for one in steps for word in one)]
    octets = struct.pack(f"<{len(values)}I", *values)
    octets += bytes(length * 4 * words - 4 - len(octets))
    octets += struct.pack("<I", zlib.crc32(octets))
    return [int.from_bytes(octets[at:at + 4 * words], "little")
            for at in range(0, len(octets), 4 * words)]


def run(config, image, images=1, work=5, during=None, stop_at=None, idle=0, limit=20_000):
    """Run and return what happened: what began, the profiles, and the end."""
    sequencer = Sequencer(config)
    found = {"begins": [], "profiles": [], "end": None, "finishes": 0}

    async def play(ctx):
        queue, busy, values = [], 0, None
        ctx.set(sequencer.images, images)
        for index in range(len(COUNTERS)):
            ctx.set(sequencer.counters[index], 100 + index)
        ctx.set(sequencer.o_profile.ready, 1)
        ctx.set(sequencer.memory.request.ready, 1)
        await ctx.tick().repeat(idle + 1)
        ctx.set(sequencer.start, 1)
        for cycle in range(limit):
            if cycle == stop_at:
                ctx.set(sequencer.stop, 1)
            ctx.set(sequencer.memory.data.valid, bool(queue))
            ctx.set(sequencer.memory.data.payload, queue[0] if queue else 0)
            ctx.set(sequencer.work.busy, busy > 0)
            ctx.set(sequencer.work.moving, bool(queue))
            request = sequencer.memory.request
            if queue and ctx.get(sequencer.memory.data.ready):
                queue.pop(0)
            if ctx.get(request.valid):
                first, count = ctx.get(request.p.address), ctx.get(request.p.words)
                assert first + count <= ctx.get(sequencer.limit)
                queue += image[first:first + count]
            busy -= busy > 0
            if ctx.get(sequencer.begin):
                assert not values
                found["begins"].append((ctx.get(sequencer.layer.operation).value,
                                        ctx.get(sequencer.image_base)))
                assert ctx.get(sequencer.writable_start) == len(image) + 10
                busy = work
                for name, value in (during or {}).items():
                    target = (sequencer.faults[name] if name in dict(sequencer.faults.shape())
                              else sequencer.work[name])
                    ctx.set(target, value)
            found["finishes"] += ctx.get(sequencer.finish)
            if ctx.get(sequencer.profile_begin):
                values = []
                found["profiles"].append((ctx.get(sequencer.profile_address), values))
            if ctx.get(sequencer.o_profile.valid):
                values.append(ctx.get(sequencer.o_profile.payload))
            if ctx.get(sequencer.profile_end):
                assert len(values) == PROFILE_VALUES
                values = None
            for name in ("done", "stopped", "error"):
                if ctx.get(sequencer.state[name]):
                    found["end"] = (name, ctx.get(sequencer.state.code),
                                    ctx.get(sequencer.state.descriptor))
                    await ctx.tick()
                    ctx.set(sequencer.start, 0)
                    assert not ctx.get(sequencer.state.running)
                    assert ctx.get(sequencer.halt) == (name == "error")
                    await ctx.tick().repeat(50)
                    assert not ctx.get(sequencer.begin)
                    assert ctx.get(sequencer.halt) == (name == "error")
                    found["images"] = ctx.get(sequencer.state.image)
                    return
            await ctx.tick()
            ctx.set(sequencer.start, 0)
            ctx.set(sequencer.stop, 0)

    simulator = Simulator(sequencer)
    simulator.add_clock(1e-6)
    simulator.add_testbench(play)
    simulator.run()
    return found


STEPS = [descriptor(ENCODE, pitch=1000, address=400), descriptor(address=77),
         descriptor(mode=READOUT, pitch=11, address=500)]


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_descriptors_run_in_order_for_each_image(config):
    found = run(config, program(config, STEPS), images=3)
    assert found["end"] == ("done", 0, 2)
    assert found["images"] == 3
    assert found["begins"] == [step for image in range(3) for step in (
        (ENCODE, 400 + 1000 * image), (LAYER, 77), (LAYER, 500 + 11 * image))]
    words = config.memory_bits // 32
    start, record = len(program(config, STEPS)) + 20, PROFILE_VALUES // words
    assert [address for address, _ in found["profiles"]] == [
        start + 32 * image + record * step for image in range(3) for step in range(3)]
    expected = [*range(100, 100 + len(COUNTERS)), *[0] * (PROFILE_VALUES - len(COUNTERS))]
    assert all(values == expected for _, values in found["profiles"])
    assert found["finishes"] == 2 * 9  # after the work and after the profile record


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@pytest.mark.parametrize("header, code", [
    ({"magic": MAGIC + 1}, "BAD_MAGIC"),
    ({"version": 2}, "BAD_VERSION"),
    ({"low": 1}, "WRONG_CONFIGURATION"),
    ({"high": 1}, "WRONG_CONFIGURATION"),
    ({"descriptors": 0}, "BAD_LENGTH"),
    ({"program_words": 4}, "BAD_LENGTH"),
    ({"writable_start": 5}, "BAD_LENGTH"),
    ({"memory_words": 8}, "BAD_LENGTH"),
    ({"memory_words": 1 << 30}, "BAD_LENGTH"),
])
def test_bad_header(config, header, code):
    found = run(config, program(config, STEPS, **header))
    assert found["end"] == ("error", ErrorCode[code], 0)
    assert not found["begins"]


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_every_damaged_bit_is_found(config):
    for bit in (0, 17, config.memory_bits - 1):
        for place in (-1, -2, 512 // config.memory_bits):
            image = program(config, STEPS)
            image[place] ^= 1 << bit
            found = run(config, image)
            assert found["end"] == ("error", ErrorCode.BAD_CRC, 0)
            assert not found["begins"]


@pytest.mark.parametrize("words, code", [
    ({0: 3}, "BAD_DESCRIPTOR"), ({0: 0}, "BAD_DESCRIPTOR"), ({0: LAYER | 3 << 8}, "BAD_DESCRIPTOR"),
    ({0: ENCODE}, "BAD_DESCRIPTOR"),
])
def test_bad_descriptor(words, code):
    config = CONFIGS["loas"]
    wrong = descriptor()
    for place, value in words.items():
        wrong[place] = value
    found = run(config, program(config, [STEPS[0], wrong]))
    assert found["end"] == ("error", ErrorCode[code], 1)
    assert len(found["begins"]) == 1


@pytest.mark.parametrize("name, code", [
    *((name, name.upper()) for name in (
        "read_response", "write_response", "read_range", "write_range", "bad_descriptor",
        "weight_buffer_overflow", "row_overflow", "column_overflow", "length_mismatch",
        "tile_rows", "row_index", "place_overflow")),
    ("leftover", "BAD_DESCRIPTOR"),
    ("unsupported", "UNSUPPORTED"),
])
def test_a_fault_stops_everything(name, code):
    config = CONFIGS["loas"]
    found = run(config, program(config, STEPS), during={name: 1})
    step = 1 if name == "unsupported" else 0  # that is looked at before a layer begins
    assert found["end"] == ("error", ErrorCode[code], step)
    assert len(found["begins"]) == 1


def test_the_most_telling_fault_is_named():
    config = CONFIGS["loas"]
    found = run(config, program(config, STEPS), during={"row_overflow": 1, "read_response": 1})
    assert found["end"] == ("error", ErrorCode.READ_RESPONSE, 0)


def test_no_images():
    config = CONFIGS["loas"]
    assert run(config, program(config, STEPS), images=0)["end"] == (
        "error", ErrorCode.NO_IMAGES, 0)


def test_work_that_never_ends_times_out():
    config = CONFIGS["loas"]
    found = run(config, program(config, STEPS), during={"busy": 1}, work=1 << 30,
                limit=TIMEOUT_CYCLES + 2000)
    assert found["end"] == ("error", ErrorCode.TIMEOUT, 0)


def test_stop_ends_before_the_next_descriptor():
    config = CONFIGS["loas"]
    found = run(config, program(config, STEPS), images=5, work=400, stop_at=200)
    assert found["end"] == ("stopped", 0, 1)
    assert len(found["begins"]) == 1
    assert found["images"] == 0


def test_a_long_rest_is_no_timeout():
    config = CONFIGS["loas"]
    assert run(config, program(config, STEPS), idle=TIMEOUT_CYCLES + 50)["end"][0] == "done"
