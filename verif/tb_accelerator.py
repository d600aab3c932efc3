# SPDX-License-Identifier: Apache-2.0
"""Bench of the accelerator: whole programs on buses that pause, against the reference machine."""

import struct
import zlib
from typing import Any

import cocotb
from torch import Tensor

from ..gen.compiler.compile import compile_network
from ..gen.compiler.program import Program
from ..models.golden.network import IntegerNetwork
from ..rtl.soc.descriptor import DESCRIPTOR_WORDS, descriptor_layout, source_layout
from ..rtl.soc.header import header_layout
from .accelerator_host import BASE, AcceleratorHost
from .bench import Bench
from .random_networks import RANDOM_NETWORKS, RandomWeights, random_images
from .reference_machine import ReferenceMachine

__all__ = ["damage_is_refused", "illegal_descriptors_stop", "matches_golden",
           "reset_in_mid_run", "responds_to_bus_errors", "stops_when_asked"]

_IMAGES = 2
_GUARD = 4096  # bytes behind and before the image that nobody may touch


class _Case:
    """A network, its program, images, and the memory as it must be afterwards."""

    def __init__(self, bench: Bench, name: str, seed: int = 1):
        self.network: IntegerNetwork = RANDOM_NETWORKS[name](
            RandomWeights(seed), bench.config.timesteps)
        self.program: Program = compile_network(self.network, bench.config, images=_IMAGES)
        self.images: Tensor = random_images(self.network, _IMAGES, seed)
        self.before = self._content()
        machine = ReferenceMachine(bench.config, self.program.content)
        machine.memory.load(self.program.manifest.input_address,
                            self.program.encode_images(self.images.numpy()))
        machine.run(_IMAGES)
        self.after = self._without_profile(bytes(machine.memory.content))

    def _content(self) -> bytes:
        manifest, width = self.program.manifest, self.program.word_bytes
        content = bytearray(manifest.memory_words * width)
        content[:len(self.program.content)] = self.program.content
        pixels = self.program.encode_images(self.images.numpy())
        place = manifest.input_address * width
        content[place:place + len(pixels)] = pixels
        return bytes(content)

    def _without_profile(self, content: bytes) -> bytes:
        manifest, width = self.program.manifest, self.program.word_bytes
        first = manifest.profile_address * width
        end = first + manifest.profile_words * manifest.images * width
        return content[:first] + bytes(end - first) + content[end:]

    def load(self, host: AcceleratorHost, content: bytes | None = None) -> None:
        """Write the whole memory anew, with a pattern around it."""
        host.ram.write(BASE - _GUARD, b"\xa5" * (2 * _GUARD + len(self.before)))
        host.ram.write(BASE, self.before)
        if content is not None:
            host.ram.write(BASE, content)

    def check(self, host: AcceleratorHost) -> None:
        """Compare every byte that the images can have changed, and those around."""
        found = self._without_profile(host.memory(self.program))
        if found != self.after:
            wrong = [at for at, (a, b) in enumerate(zip(found, self.after, strict=True)) if a != b]
            word = wrong[0] // self.program.word_bytes
            raise AssertionError(f"{len(wrong)} bytes differ, first in word {word}: "
                                 f"{self._owner(word)}")
        self.check_guards(host)
        trace = self.network.run(self.images)
        memory = host.memory(self.program)
        for image in range(_IMAGES):
            logits, winner = self.program.read_result(memory, image)
            assert logits.tolist() == trace.logits[image].tolist()
            assert winner == int(trace.predictions[image])

    def check_guards(self, host: AcceleratorHost) -> None:
        """Nothing around the image may have changed."""
        for first in (BASE - _GUARD, BASE + len(self.before)):
            assert bytes(host.ram.read(first, _GUARD)) == b"\xa5" * _GUARD

    def check_read_only(self, host: AcceleratorHost, content: bytes | None = None) -> None:
        """Program and input must be as they were loaded."""
        end = self.program.manifest.writable_start * self.program.word_bytes
        expected = bytearray(self.before)
        expected[:len(content or b"")] = content or b""
        assert host.memory(self.program)[:end] == bytes(expected[:end])
        self.check_guards(host)

    def _owner(self, word: int) -> str:
        owner = "the program"
        for step in self.program.manifest.steps:
            if step.map and step.map.address <= word:
                owner = step.name
        return f"map of {owner} or behind it"

    def descriptor(self, name: str) -> int:
        """Return the number of a layer's descriptor."""
        return [step.name for step in self.program.manifest.steps].index(name)

    def patched(self, fields: dict[str, int], descriptor: int | None = None) -> bytes:
        """Return the program with fields of the header or of a descriptor changed.

        A field of the first source is written ``source.name``.
        """
        content = bytearray(self.program.content)
        header, layout = header_layout(), descriptor_layout()
        first, shape = 0, header
        if descriptor is not None:
            address = int.from_bytes(content[32:36], "little") * self.program.word_bytes
            words = -(-32 * DESCRIPTOR_WORDS // (8 * self.program.word_bytes))
            first, shape = address + descriptor * words * self.program.word_bytes, layout
        for name, value in fields.items():
            offset = 0
            if name.startswith("source."):
                offset, field = layout["sources"].offset, source_layout()[name[7:]]
            else:
                field = shape[name]
            bit = offset + field.offset
            size = 8 * len(content)
            number = int.from_bytes(content, "little")
            mask = ((1 << field.width) - 1) << (8 * first + bit)
            number = number & ~mask | (value << (8 * first + bit)) & mask
            content = bytearray(number.to_bytes(size // 8, "little"))
        content[-4:] = struct.pack("<I", zlib.crc32(bytes(content[:-4])))
        return bytes(content)


async def _begin(dut: Any, pause: float) -> tuple[Bench, AcceleratorHost]:
    bench = await Bench.start(dut)
    return bench, AcceleratorHost(bench, pause)


@cocotb.test()
@cocotb.parametrize(pause=[0.0, 0.4])
async def matches_golden(dut: Any, pause: float) -> None:
    """Two networks in a row, two images each, without a reset: every byte of the memory."""
    bench, host = await _begin(dut, pause)
    for name in bench.parameters["networks"]:
        case = _Case(bench, name)
        case.load(host)
        await host.run(_IMAGES)
        case.check(host)


@cocotb.test()
async def reset_in_mid_run(dut: Any) -> None:
    """A soft reset at any time leaves the bus in order, and the next run is right."""
    bench, host = await _begin(dut, 0.2)
    case = _Case(bench, bench.parameters["networks"][0])
    for cycles in (30, 200, 700, bench.rng.randrange(800, 6000)):
        case.load(host)
        await host.start(_IMAGES)
        await bench.edge(cycles)
        assert (await host.status())["running"]
        await host.reset()
    case.load(host)
    await host.run(_IMAGES)
    case.check(host)


@cocotb.test()
async def stops_when_asked(dut: Any) -> None:
    """A stop ends the run before the next descriptor; a new start begins from the first."""
    bench, host = await _begin(dut, 0.0)
    case = _Case(bench, bench.parameters["networks"][0])
    case.load(host)
    await host.start(_IMAGES)
    await bench.edge(300)
    await host.command("stop")
    await host.wait()
    status = await host.status()
    assert status["stopped"] and not status["running"] and not status["done"]
    await host.run(_IMAGES)
    case.check(host)


@cocotb.test()
async def damage_is_refused(dut: Any) -> None:
    """Another program, another configuration, a flipped bit: refused before anything is written."""
    bench, host = await _begin(dut, 0.0)
    case = _Case(bench, bench.parameters["networks"][0])
    flipped = bytearray(case.program.content)
    flipped[len(flipped) // 2] ^= 0x10
    for content, reason in (
            (case.patched({"magic": 0}), "bad_magic"),
            (case.patched({"version": 9}), "bad_version"),
            (case.patched({"config_hash": 5}), "wrong_configuration"),
            (case.patched({"program_words": 0xFFFF_FFFF}), "bad_length"),
            (bytes(flipped), "bad_crc")):
        case.load(host, content)
        assert await host.fails() == (reason, 0), reason
        expected = bytearray(case.before)
        expected[:len(content)] = content
        assert host.memory(case.program) == bytes(expected)
        await host.reset()
    assert (await _no_images(host)) == "no_images"
    await host.reset()
    case.load(host)
    await host.run(_IMAGES)
    case.check(host)


async def _no_images(host: AcceleratorHost) -> str:
    return (await host.fails(images=0))[0]


@cocotb.test()
async def illegal_descriptors_stop(dut: Any) -> None:
    """Each ends with its error and its descriptor; no write leaves the writable regions."""
    bench, host = await _begin(dut, 0.1)
    case = _Case(bench, bench.parameters["networks"][0])
    layer = next(index for index, step in enumerate(case.program.manifest.steps) if index > 1)
    far = case.program.manifest.memory_words
    for number, fields, reasons in (
            (layer, {"operation": 7}, {"bad_descriptor"}),
            (layer, {"mode": 3}, {"bad_descriptor"}),
            (layer, {"windows_per_tile": 255}, {"bad_descriptor"}),
            (layer, {"chunks": 255}, {"bad_descriptor"}),
            (layer, {"source.kernel_height": 0}, {"bad_descriptor"}),
            (layer, {"weight_list": 1, "delta_bits": 9}, {"unsupported"}),
            (layer, {"crossbar": 1}, {"unsupported"}),
            (layer, {"attention": 1}, {"unsupported"}),
            (layer, {"residual_pool": 1}, {"unsupported"}),
            (layer, {"attention": 1, "crossbar": 1}, {"bad_descriptor"}),
            (layer, {"columns": 0}, {"bad_descriptor", "weight_buffer_overflow"}),
            (layer, {"weight_words": 0},
             {"bad_descriptor", "weight_buffer_overflow", "read_range", "timeout"}),
            (layer, {"weight_address": far}, {"read_range"}),
            (layer, {"channel_address": 0xFFFF_FFFF}, {"read_range"}),
            (layer, {"source.address": far - 1}, {"read_range"}),
            (layer, {"out_address": far}, {"write_range"}),
            (layer, {"out_address": 0}, {"write_range"}),
            (layer, {"out_address": 0xFFFF_FFFF}, {"write_range"}),
            (0, {"weight_address": far}, {"read_range"}),
            (0, {"weight_words": 0}, {"bad_descriptor"})):
        content = case.patched(fields, number)
        case.load(host, content)
        reason, at = await host.fails()
        assert reason in reasons and at == number, (fields, reason, at)
        case.check_read_only(host, content)
        await host.reset()
    case.load(host)
    await host.run(_IMAGES)
    case.check(host)


@cocotb.test()
async def responds_to_bus_errors(dut: Any) -> None:
    """An error response stops the run; after a reset all is well again."""
    bench, host = await _begin(dut, 0.2)
    case = _Case(bench, bench.parameters["networks"][0])
    manifest, width = case.program.manifest, case.program.word_bytes
    for interface, name, first, reason in (
            (host.ram.read_if, "_read", manifest.input_address, "read_response"),
            (host.ram.write_if, "_write", manifest.writable_start, "write_response")):
        usual = getattr(interface, name)

        async def access(address: int, what: Any, usual: Any = usual, first: int = first) -> Any:
            if BASE + first * width <= address < BASE + (first + 64) * width:
                raise OSError("as told")
            return await usual(address, what)

        setattr(interface, name, access)
        case.load(host)
        assert (await host.fails())[0] == reason
        setattr(interface, name, usual)
        await host.reset()
        case.load(host)
        await host.run(_IMAGES)
        case.check(host)
