# SPDX-License-Identifier: Apache-2.0
"""Executable specification of the accelerator: runs a program image, step by plain step.

It knows nothing of the compiler: all it reads are the bytes of the image. Arithmetic is that of
the golden models. Cycles and profile records are left out. With ``keep_tiles`` it keeps what
crosses the borders of the hardware units, tile by tile.
"""

from typing import Any

import numpy as np
import torch

from ..models.golden.encoder import encode
from ..rtl.config import AcceleratorConfig
from ..rtl.soc.descriptor import DESCRIPTOR_WORDS, Operation, descriptor_layout
from .payload import unpack
from .reference_layer import ReferenceLayer
from .reference_memory import ReferenceMemory
from .reference_tiles import TileTrace

__all__ = ["ReferenceMachine"]


class ReferenceMachine:
    """Run a program image.

    Parameters
    ----------
    config : AcceleratorConfig
    content : bytes
        The program part of the image.
    keep_tiles : bool
        Whether to keep a `TileTrace` of each tile in ``tiles``.

    Attributes
    ----------
    memory : ReferenceMemory
    descriptors : list of dict
        Fields of each descriptor.
    tiles : list of TileTrace

    Raises
    ------
    MachineError
        The image contradicts itself or the configuration; `run` may raise it, too.
    """

    def __init__(self, config: AcceleratorConfig, content: bytes, keep_tiles: bool = False):
        self.config = config
        self.memory = ReferenceMemory(config, content)
        words = 32 * DESCRIPTOR_WORDS // config.memory_bits
        first = self.memory.header["descriptor_address"]
        self.descriptors = [
            unpack(descriptor_layout(),
                   int.from_bytes(self.memory.read(first + index * words, words), "little"))
            for index in range(self.memory.header["descriptors"])]
        self.tiles: list[TileTrace] = []
        self._keep_tiles = keep_tiles

    def run(self, images: int) -> None:
        """Run the descriptors for each image; the input must be in the memory."""
        for image in range(images):
            for index, layer in enumerate(self.descriptors):
                if Operation(layer["operation"]) == Operation.ENCODE:
                    self._encode(layer, image)
                else:
                    for trace in ReferenceLayer(self.memory, layer, index, image).run():
                        if self._keep_tiles:
                            self.tiles.append(trace)

    def _encode(self, layer: dict[str, Any], image: int) -> None:
        """Write the bit planes of an image as lane words, a map for each lane pass."""
        first = layer["weight_address"] + image * layer["image_pitch"]
        signed = bool(layer["flags"]["signed_input"])
        count = layer["tiles"] * layer["columns"]
        octets = np.frombuffer(self.memory.read(first, layer["weight_words"]),
                               np.int8 if signed else np.uint8, count)
        pixels = torch.tensor(octets.reshape(layer["tiles"], -1).astype(np.int64))
        lanes = encode(pixels, self.config.timesteps, layer["passes"], signed).tolist()
        for lane_pass, lane in enumerate(lanes):
            for pixel, words in enumerate(lane):
                address = (layer["out_address"] + lane_pass * layer["out_pass_pitch"]
                           + pixel * layer["out_pixel_pitch"])
                self.memory.write_fiber(address, layer["out_chunk_pitch"], words)
