# SPDX-License-Identifier: Apache-2.0
"""A compiled program: the image's bytes, and what is needed to feed it and to read it back."""

import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from ...rtl.config import AcceleratorConfig, ConfigError
from ..files import write_whole
from .chunks import ChunkFormat
from .errors import ProgramError
from .images import as_octets
from .maps import Residual, SpikeMap
from .records import PROFILE_BYTES, Header, unpack_profile, unpack_result

__all__ = ["FORMAT", "Manifest", "Program", "Step"]

FORMAT = "spikeloom-program-1"


class Step(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one descriptor does.

    Attributes
    ----------
    name : str
        The layer, or "image" where the image is encoded.
    output : str
        "spikes", "integers" or "readout"; "image" where the image is encoded.
    map : SpikeMap or None
        What it writes; None for the readout.
    residual : Residual or None
        Currents that it keeps.
    weights : tuple of int
        First word and words of its weights; (0, 0) where the image is encoded.
    delta_bits : int or None
        Bits of a delta of its weight lists; None if the weights are fibers with bitmasks.
    engine : str
        Who computes it: "elements", "crossbar", whose weights are cells, "attention" or
        "residual_pool".
    stream_weights : bool
        Whether the weights are fetched again for each tile.
    blocks, tiles : int
        Weight blocks, and tiles of each.
    cycles : int
        Predicted, not measured.
    """

    name: str
    output: str
    map: SpikeMap | None = None
    residual: Residual | None = None
    weights: tuple[int, int] = (0, 0)
    delta_bits: int | None = None
    engine: str = "elements"
    stream_weights: bool = False
    blocks: int = 1
    tiles: int = 1
    cycles: int = 0


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything about a program but its bytes; addresses and lengths in words.

    Attributes
    ----------
    format : str
    network : str
        Its name.
    config : dict
        All fields of the `AcceleratorConfig`.
    config_hash : str
    program_words, memory_words : int
        Of the program part and of everything.
    checksum : int
        CRC-32 of the program part, all of it but its last four bytes.
    images : int
        Images that the input and output regions hold.
    input_shape : tuple of int
        Channels, height and width of an image.
    input_address, input_words : int
        First image, and words of each.
    writable_start : int
        First word that the hardware may write.
    result_address, result_words : int
        First result record, and words of each.
    classes : int
        Logits in a record.
    profile_address, profile_words : int
        Profile of the first image, and words of that of each.
    kept : bool
        Whether all maps have a place of their own, so that they can be read after a run.
    steps : list of Step
        One for each descriptor.
    """

    format: str
    network: str
    config: dict[str, int | str | dict[str, int | str]]
    config_hash: str
    program_words: int
    memory_words: int
    checksum: int
    images: int
    input_shape: tuple[int, int, int]
    input_address: int
    input_words: int
    writable_start: int
    result_address: int
    result_words: int
    classes: int
    profile_address: int
    profile_words: int
    kept: bool
    steps: list[Step]


@dataclass(frozen=True, kw_only=True, eq=False)
class Program:
    """A network, compiled for a configuration.

    Methods that take ``memory`` want all of the image's memory after a run, as bytes or uint8,
    from the image's start.

    Attributes
    ----------
    content : bytes
        The program part; the rest of the memory needs no initial values.
    manifest : Manifest
    """

    content: bytes
    manifest: Manifest

    @property
    def config(self) -> AcceleratorConfig:
        """The configuration that the program was made for."""
        return AcceleratorConfig.from_dict(self.manifest.config)

    @property
    def word_bytes(self) -> int:
        """Bytes of a memory word."""
        return self.config.memory_bits // 8

    def step(self, name: str) -> Step:
        """Return the step of that name; raise `KeyError` if there is none."""
        for step in self.manifest.steps:
            if step.name == name:
                return step
        raise KeyError(f"step must be one of {', '.join(x.name for x in self.manifest.steps)}, "
                       f"not {name!r}")

    def encode_images(self, images: np.ndarray) -> bytes:
        """Return images as the bytes that belong at ``input_address``.

        Parameters
        ----------
        images : ndarray[B, C, H, W] or ndarray[B, H, W]
            uint8; without channels if there is one only. Spikes: ndarray[B, T, C, H, W], 0 or 1,
            which become the bits of octets.

        Raises
        ------
        ValueError
            They do not fit the program.
        """
        manifest = self.manifest
        if len(images) > manifest.images:
            raise ValueError(f"images must be at most {manifest.images}, as the program was "
                             f"compiled for, not {len(images)}")
        first = manifest.steps[0].map
        timesteps = 0 if first is None or first.bits else self.config.timesteps
        octets = as_octets(np.asarray(images), manifest.input_shape, timesteps)
        fill = manifest.input_words * self.word_bytes - octets.shape[1]
        return np.pad(octets, ((0, 0), (0, fill))).tobytes()

    def read_map(self, memory: Any, name: str) -> np.ndarray:
        """Return what a step wrote: spikes, bool[T, C, H, W], or integers, int64[C, H, W].

        A map that shares its place (see ``Manifest.kept``) may be overwritten.
        """
        step = self.step(name)
        if step.map is None:
            raise KeyError(f"{name} gives no map")
        return step.map.read(_bytes(memory), ChunkFormat.of_spikes(self.config))

    def read_residual(self, memory: Any, name: str) -> np.ndarray:
        """Return the currents that a step kept, int64[T, N, H, W]."""
        step = self.step(name)
        if step.residual is None:
            raise KeyError(f"{name} keeps no residual")
        return step.residual.read(_bytes(memory), self.config.timesteps, self.config.memory_bits)

    def read_result(self, memory: Any, image: int = 0) -> tuple[np.ndarray, int]:
        """Return the logits of an image, int64[classes], and the index of the largest."""
        manifest = self.manifest
        self._check_image(image)
        start = (manifest.result_address + image * manifest.result_words) * self.word_bytes
        stop = start + manifest.result_words * self.word_bytes
        return unpack_result(_bytes(memory)[start:stop].tobytes(), manifest.classes)

    def read_profile(self, memory: Any, image: int = 0) -> dict[str, dict[str, int]]:
        """Return the counters of each step in an image."""
        manifest = self.manifest
        self._check_image(image)
        start = (manifest.profile_address + image * manifest.profile_words) * self.word_bytes
        stop = start + len(manifest.steps) * PROFILE_BYTES
        records = _bytes(memory)[start:stop].tobytes()
        return {step.name: unpack_profile(records[index * PROFILE_BYTES:])
                for index, step in enumerate(manifest.steps)}

    def save(self, folder: Path) -> list[Path]:
        """Write ``NAME.bin`` and ``NAME.json`` and return their paths.

        Raises
        ------
        OSError
            A file cannot be written.
        """
        name = self.manifest.network
        files = {folder / f"{name}.bin": self.content,
                 folder / f"{name}.json": msgspec.json.format(
                     msgspec.json.encode(self.manifest), indent=2) + b"\n"}
        for path, content in files.items():
            write_whole(path, content)
        return list(files)

    @classmethod
    def load(cls, path: Path) -> "Program":
        """Read what `save` wrote; ``path`` is that of either file.

        Raises
        ------
        ProgramError
            A file is missing or corrupt, or they do not belong together.
        """
        texts = {}
        for suffix in (".json", ".bin"):
            try:
                texts[suffix] = path.with_suffix(suffix).read_bytes()
            except OSError as error:
                raise ProgramError(f"{path.with_suffix(suffix)} must be readable, not "
                                   f"{error.strerror}") from None
        try:
            manifest = msgspec.json.decode(texts[".json"], type=Manifest)
        except msgspec.DecodeError as error:
            raise ProgramError(f"{path.with_suffix('.json')}: {error}") from None
        program = cls(content=texts[".bin"], manifest=manifest)
        program._check(path)
        return program

    def _check(self, path: Path) -> None:
        """Raise `ProgramError` unless manifest, image and configuration fit each other."""
        manifest, content = self.manifest, self.content

        def require(place: str, field: str, expected: Any, found: Any) -> None:
            if expected != found:
                raise ProgramError(f"{path.with_suffix(place)}: {field} must be {expected}, "
                                   f"not {found}")

        require(".json", "format", FORMAT, manifest.format)
        try:
            config = self.config
        except (ConfigError, TypeError) as error:
            raise ProgramError(f"{path.with_suffix('.json')}: config: {error}") from None
        require(".json", "config_hash", config.hash(), manifest.config_hash)
        require(".bin", "bytes", manifest.program_words * self.word_bytes, len(content))
        require(".bin", "CRC-32", zlib.crc32(content[:-4]),
                int.from_bytes(content[-4:], "little"))
        require(".bin", "CRC-32", manifest.checksum, zlib.crc32(content[:-4]))
        try:
            header = Header.unpack(content)
        except ValueError as error:
            raise ProgramError(f"{path.with_suffix('.bin')}: {error}") from None
        for field in ("config_hash", "program_words", "memory_words", "writable_start",
                      "profile_address"):
            require(".bin", field, getattr(manifest, field), getattr(header, field))
        require(".bin", "descriptors", len(manifest.steps), header.descriptors)

    def _check_image(self, image: int) -> None:
        if not 0 <= image < self.manifest.images:
            raise IndexError(f"image must be in 0..{self.manifest.images - 1}, not {image}")


def _bytes(memory: Any) -> np.ndarray:
    return memory if isinstance(memory, np.ndarray) else np.frombuffer(memory, dtype=np.uint8)
