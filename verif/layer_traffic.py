# SPDX-License-Identifier: Apache-2.0
"""Random layers for the units that walk over them, with their spike maps in memory."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import torch
from torch import Tensor

from ..models.golden.chunk_slot import chunk_words
from ..rtl.config import AcceleratorConfig, beat_slot_bits
from ..rtl.soc.descriptor import Mode, descriptor_layout
from .payload import unpack

__all__ = ["Traffic", "layer_traffic", "random_layer"]

_KERNELS = ((1, 1), (1, 1), (3, 3), (5, 5), (1, 3), (2, 2))


@dataclass
class Traffic:
    """A layer and the maps that it reads.

    Attributes
    ----------
    layer : dict
        All fields of its descriptor.
    maps : list[Tensor[T, passes, N, H, W]]
        Spikes of each source.
    memory : dict[int, int]
        The words that may be read: masks, and values that are there.
    """

    layer: dict[str, Any]
    maps: list[Tensor]
    memory: dict[int, int] = field(default_factory=dict)


def random_layer(rng: random.Random, config: AcceleratorConfig) -> Traffic:
    """Return a small random layer that is possible, its maps in memory."""
    passes = rng.randint(1, min(4, config.tile_rows))
    out = {"out_height": rng.randint(1, 3), "out_width": rng.randint(1, 4)}
    sources = rng.choice((1, 1, 2))
    kinds, left = [], config.max_chunks
    for index in range(sources):
        most = left - (sources - 1 - index)  # leave a chunk for the next one
        height, width = rng.choice([kernel for kernel in _KERNELS])
        channels = rng.choice((1, 2, 3, config.chunk // 4, config.chunk // 2, config.chunk - 1,
                               config.chunk, config.chunk + 1, 3 * config.chunk))
        channels = max(1, channels)
        shared = rng.randint(1, max(1, config.chunk // channels))
        if _chunks(height, width, channels, shared, config) > most:
            height, width, channels, shared = 1, 1, config.chunk, 1
        kinds.append((height, width, channels, shared))
        left -= _chunks(height, width, channels, shared, config)
    return layer_traffic(
        rng, config, kinds, passes=passes, pool=rng.choice((1, 1, 2, 3)),
        blocks=rng.choice((1, 1, 2, 3)), mode=rng.choice(list(Mode)), **out)


def layer_traffic(rng: random.Random, config: AcceleratorConfig,
                  kinds: list[tuple[int, int, int, int]], density: float | None = None,
                  **fields: Any) -> Traffic:
    """Return a layer with random maps.

    Parameters
    ----------
    kinds : list of tuple
        Kernel height and width, channels and taps of a chunk for each source.
    density : float, optional
        Share of neurons that are not silent; by default another one for each pixel.
    fields : Any
        Of the descriptor; those of a source as ``sources``, a list of dicts.
    """
    layer = unpack(descriptor_layout(), 0)
    layer |= {"pool": 1, "passes": 1, "out_passes": 1, "blocks": 1, "out_height": 1,
              "out_width": 1, "mode": Mode.SPIKES.value, "columns": rng.randint(1, 999),
              "source_count": len(kinds)}
    layer["silent_steps"] = [rng.choice((0, 0, rng.getrandbits(16))) for _ in range(2)]
    layer |= {name: value for name, value in fields.items() if name != "sources"}
    if isinstance(layer["mode"], Mode):
        layer["mode"] = layer["mode"].value
    _tile(rng, layer, config)
    for name in ("out_address", "out_tile_pitch", "out_block_pitch"):
        layer[name] = rng.randrange(1 << 16) if name != "out_address" else rng.getrandbits(32)
    traffic, chunks, given = Traffic(layer, []), 0, fields.get("sources", [{}, {}])
    for index, (height, width, channels, shared) in enumerate(kinds):
        source = layer["sources"][index]
        source |= {
            "height": rng.randint(1, 6), "width": rng.randint(1, 6), "kernel_height": height,
            "kernel_width": width, "stride": rng.choice((1, 1, 2, 3)),
            "padding_top": rng.randint(0, height), "padding_left": rng.randint(0, width + 1),
            "chunks": -(-channels // config.chunk), "taps_per_chunk": shared,
            "tap_positions": rng.randint(min(channels, config.chunk), config.chunk // shared),
        }
        source |= given[index]
        _place(rng, config, source, passes=layer["passes"], base=index << 24)
        traffic.maps.append(_spikes(rng, config, layer, source, channels, density))
        _store(traffic.memory, config, source, traffic.maps[-1])
        chunks += _chunks(height, width, channels, shared, config)
    layer["chunks"] = chunks
    return traffic


def _chunks(height: int, width: int, channels: int, shared: int,
            config: AcceleratorConfig) -> int:
    """Return the chunks of a fiber that a source makes."""
    return -(-height * width // shared) * -(-channels // config.chunk)


def _tile(rng: random.Random, layer: dict[str, Any], config: AcceleratorConfig) -> None:
    """Set how the layer is cut into tiles."""
    area, tppes = layer["pool"] ** 2, config.tile_rows
    windows = layer["out_height"] * layer["out_width"]
    if layer["mode"] == Mode.INTEGERS.value:
        layer["out_passes"] = rng.randint(1, min(4, tppes))
    if area * layer["passes"] > tppes:
        part = min(tppes // layer["passes"], area - 1)
        layer |= {"windows_per_tile": 1, "members_per_tile": part,
                  "tiles": windows * -(-area // part)}
    else:
        whole = min(tppes // (area * layer["passes"]), tppes // layer["out_passes"])
        whole = rng.choice((whole, rng.randint(1, whole)))
        layer |= {"windows_per_tile": whole, "members_per_tile": area,
                  "tiles": -(-windows // whole)}


def _place(rng: random.Random, config: AcceleratorConfig, source: dict[str, Any], passes: int,
           base: int) -> None:
    """Set where the map is: chunk slots of full size, random gaps between them."""
    beats = config.chunk // config.beat_values
    slot_bits = beat_slot_bits(config.beat_values, config.timesteps)
    capacity = config.mask_words - (-beats * slot_bits // config.memory_bits)
    source["chunk_pitch"] = capacity + rng.randint(0, 3)
    source["pixel_pitch"] = source["chunks"] * source["chunk_pitch"] + rng.randint(0, 3)
    source["row_pitch"] = source["width"] * source["pixel_pitch"] + rng.randint(0, 9)
    source["pass_pitch"] = source["height"] * source["row_pitch"] + rng.randint(0, 9)
    source["address"] = base + rng.randint(0, 1 << 20)


def _spikes(rng: random.Random, config: AcceleratorConfig, layer: Mapping[str, Any],
            source: Mapping[str, Any], channels: int, density: float | None) -> Tensor:
    """Return a random map; some pixels are silent, some full, unless ``density`` says more."""
    generator = torch.Generator().manual_seed(rng.getrandbits(32))
    shape = (layer["passes"], channels, source["height"], source["width"])
    words = torch.randint(1, 1 << config.timesteps, shape, generator=generator)
    share = torch.rand(shape[0], 1, *shape[2:], generator=generator) * 1.4 - 0.2
    if density is not None:
        share = torch.full_like(share, density)
    words *= torch.rand(shape, generator=generator) < share
    return (words >> torch.arange(config.timesteps).view(-1, 1, 1, 1, 1) & 1).bool()


def _store(memory: dict[int, int], config: AcceleratorConfig, source: Mapping[str, Any],
           spikes: Tensor) -> None:
    """Put the chunk slots of a map into the memory."""
    steps, passes, channels, height, width = spikes.shape
    words = (spikes.long() << torch.arange(steps).view(-1, 1, 1, 1, 1)).sum(0)
    for one, y, x, index in product(range(passes), range(height), range(width),
                                    range(source["chunks"])):
        lanes = words[one, index * config.chunk:(index + 1) * config.chunk, y, x].tolist()
        lanes += [0] * (config.chunk - len(lanes))
        address = (source["address"] + one * source["pass_pitch"] + y * source["row_pitch"]
                   + x * source["pixel_pitch"] + index * source["chunk_pitch"])
        slot = chunk_words([int(lane != 0) for lane in lanes], [lane for lane in lanes if lane],
                           steps, config)
        assert not memory.keys() & range(address, address + len(slot)), "slots must not overlap"
        memory.update(enumerate(slot, address))
