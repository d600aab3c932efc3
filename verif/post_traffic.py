# SPDX-License-Identifier: Apache-2.0
"""Layers for the post-processor: what goes in on each stream, and what comes out."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ..models.golden.compressor import compress
from ..models.golden.plif import LIF
from ..models.golden.post_processor import (
    Channels,
    PostStep,
    PostTile,
    Processed,
    post_process,
)
from ..rtl.config import AcceleratorConfig
from ..rtl.soc.descriptor import Mode, Operation, descriptor_layout
from .fiber_traffic import word_slices
from .fibers import Beat, spike_beats
from .payload import unpack

__all__ = ["PostLayer", "PostTraffic", "encoded_words", "random_layer"]

_MODES = {"spikes": Mode.SPIKES, "integers": Mode.INTEGERS, "readout": Mode.READOUT}


@dataclass(frozen=True, eq=False, kw_only=True)
class PostLayer:
    """A layer from its psums on.

    Parameters
    ----------
    step : PostStep
    tiles : list[PostTile]
        In the order in which they are computed.
    pool : int
        Side of a window.
    drop_single : bool
        Whether words with fewer than two spikes are silent.
    """

    step: PostStep
    tiles: list[PostTile]
    pool: int = 1
    drop_single: bool = False

    def descriptor(self) -> dict[str, Any]:
        """Return what the hardware must know of the layer."""
        step = self.step
        layer = unpack(descriptor_layout(), 0)
        columns = [tile.psums.shape[2] for tile in self.tiles]
        layer |= {
            "operation": Operation.LAYER.value, "mode": _MODES[step.mode].value,
            "passes": step.passes, "pool": self.pool, "members_per_tile": step.members_per_tile,
            "out_passes": step.out_passes, "out_bits": step.out_bits,
            "columns": sum(columns) if step.mode == "readout" else max(columns),
            "lif": {"gain": step.lif.gain, "shift": step.lif.shift,
                    "decay_input": int(step.lif.decay_input),
                    "soft_reset": int(step.lif.reset == "soft")},
        }
        layer["flags"] |= {name: int(getattr(step, name)) for name in (
            "combine", "signed_input", "requantize", "residual_in", "residual_out", "out_signed")}
        layer |= {name: int(getattr(step, name)) for name in ("input_each_step", "out_each_step")}
        layer["flags"]["drop_single"] = int(self.drop_single)
        return layer

    def golden(self, config: AcceleratorConfig) -> Processed:
        """Return what the layer gives out."""
        return post_process(self.tiles, self.step, config.psum_bits)


@dataclass
class PostTraffic:
    """Payloads of each stream for a layer; by the name of the port."""

    inputs: dict[str, list] = field(default_factory=dict)
    outputs: dict[str, list] = field(default_factory=dict)

    @classmethod
    def of(cls, layer: PostLayer, config: AcceleratorConfig) -> "PostTraffic":
        """Return the traffic of a layer."""
        found, golden = cls(), layer.golden(config)
        results, channels, residuals = [], [], []
        for tile in layer.tiles:
            results += _results(tile)
            channels += _records(tile.channels)
            if layer.step.residual_in and tile.residuals is not None:
                residuals += _in_order(tile.residuals)
        found.inputs = {"i": results, "i_channel": channels, "i_residual": residuals,
                        "i_encoded": []}
        beats = [beat for words in golden.words
                 for beat in _beats(words, config, layer.drop_single)]
        record = [{"value": logit % (1 << 32), "last": 0} for logit in golden.logits.tolist()]
        if layer.step.mode == "readout":
            record.append({"value": golden.winner, "last": 1})
        found.outputs = {"o": beats, "o_result": record, "o_residual": [
            values for stored in golden.residuals for values in _in_order(stored)]}
        return found


def encoded_words(rng: random.Random, config: AcceleratorConfig) -> tuple[dict, PostTraffic]:
    """Return an ``ENCODE`` step with words of a few fibers: its descriptor and its traffic."""
    fibers = torch.tensor([[rng.choice((0, rng.randrange(1 << config.timesteps)))
                            for _ in range(config.chunk + 3)] for _ in range(3)])
    slices = [each for words in fibers.tolist() for each in word_slices(words, config)]
    layer = unpack(descriptor_layout(), 0)
    layer["operation"] = Operation.ENCODE.value
    beats = [beat for words in fibers for beat in _beats(words[None], config, False)]
    return layer, PostTraffic(
        {"i": [], "i_channel": [], "i_residual": [], "i_encoded": slices},
        {"o": beats, "o_result": [], "o_residual": []})


def random_layer(rng: random.Random, config: AcceleratorConfig, **wanted: Any) -> PostLayer:
    """Return a layer of any kind, but for ``wanted``: fields of its step, ``pool``, ``columns``.

    With ``columns`` there is one block of so many, and all its tiles are alike.
    """
    rows, size = config.tile_rows, wanted.pop("columns", None)
    built = bool(config.requantize)
    mode = wanted.pop("mode", rng.choice(("spikes", "spikes", "integers", "readout")
                                         if built else ("spikes", "readout")))
    combine = wanted.pop("combine", rng.random() < 0.4)
    most = min(4, rows, 32 // config.timesteps)
    passes = wanted.pop("passes", rng.randint(1, most) if combine else 1)
    positions = rows // passes
    pool = wanted.pop("pool", rng.choice((1, 1, 2, 3)) if mode == "spikes" else 1)
    if pool**2 <= positions:
        members = pool**2
        windows = rng.randint(1, positions // members) if mode == "spikes" else 1
    else:
        members, windows = rng.randint(1, positions), 1
    out_passes = wanted.pop("out_passes", rng.randint(1, min(4, rows)))
    if mode == "integers":
        windows = rng.randint(1, min(positions, rows // out_passes))
    step = PostStep(
        mode=mode, passes=passes, combine=combine, members_per_tile=members,
        **{name: possible and bool(config.each_step) and rng.random() < 0.5
           for name, possible in (("input_each_step", combine),
                                  ("out_each_step", mode == "integers"))},
        out_passes=out_passes if mode == "integers" else 1,
        **{"signed_input": rng.random() < 0.5, "out_bits": rng.randint(1, 16),
           "out_signed": rng.random() < 0.5, "lif": _random_lif(rng),
           **{name: built and rng.random() < 0.5
              for name in ("requantize", "residual_in", "residual_out")}, **wanted})
    return PostLayer(step=step, tiles=list(_tiles(rng, config, step, pool, windows, size)),
                     pool=pool, drop_single=mode == "spikes" and rng.random() < 0.5)


def _tiles(rng: random.Random, config: AcceleratorConfig, step: PostStep, pool: int,
           windows: int, size: int | None) -> Iterator[PostTile]:
    """Yield the tiles of one or two weight blocks; the last ones may be smaller."""
    for _ in range(1 if size else rng.randint(1, 2)):
        columns = size or rng.randint(1, min(2 * config.chunk + 1, config.max_columns))
        channels = _random_channels(rng, config, columns)
        for number in range(1 if step.mode == "readout" else rng.randint(1, 2)):
            if step.members_per_tile < pool**2:
                left = pool**2
                while left:
                    count = min(left, step.members_per_tile)
                    yield _random_tile(rng, config, step, channels, count,
                                       opens=left == pool**2, closes=left == count)
                    left -= count
            else:
                count = windows if size or not number else rng.randint(1, windows)
                yield _random_tile(rng, config, step, channels, count * pool**2)


def _random_tile(rng: random.Random, config: AcceleratorConfig, step: PostStep,
                 channels: Channels, positions: int, **place: bool) -> PostTile:
    columns = len(channels.bias)
    reach = 1 << rng.randint(0, config.psum_bits - 1)
    residuals = None
    if step.residual_in:
        residuals = _draw(rng, (config.timesteps, positions, columns),
                          1 << rng.choice((4, 10, 15)))
    return PostTile(psums=_draw(rng, (config.timesteps, positions * step.passes, columns), reach),
                    channels=channels, residuals=residuals, **place)


def _draw(rng: random.Random, shape: tuple[int, ...], reach: int) -> Tensor:
    """Return integers from ``-reach`` to ``reach - 1``, the limits often among them."""
    generator = torch.Generator().manual_seed(rng.getrandbits(32))
    values = torch.randint(-reach, reach, shape, generator=generator)
    extreme = torch.randint(0, 16, shape, generator=generator)
    values[extreme == 0] = -reach
    values[extreme == 1] = reach - 1
    return values


def _random_channels(rng: random.Random, config: AcceleratorConfig, columns: int) -> Channels:
    limit = config.psum_bits - 1
    multipliers, shifts = [], []
    for _ in range(columns):
        multipliers.append(rng.choice((0, 1, 65535, rng.randrange(65536))))
        shifts.append(rng.choice((0, 1, 31, 16, 18, rng.randrange(32))))
    return Channels(
        bias=_draw(rng, (columns,), 1 << rng.randint(0, limit)),
        threshold=_draw(rng, (columns,), 1 << rng.randint(0, limit)),
        multiplier=torch.tensor(multipliers), shift=torch.tensor(shifts))


def _random_lif(rng: random.Random) -> LIF:
    return LIF(gain=rng.choice((1, 1, 3, 15)), shift=rng.choice((0, 1, 2, 4)),
               reset=rng.choice(("hard", "soft")), decay_input=bool(rng.getrandbits(1)))


def _results(tile: PostTile) -> list[dict[str, Any]]:
    """Return what the array gives, column by column."""
    _, rows, columns = tile.psums.shape
    description = {"rows": rows, "opens": int(tile.opens), "closes": int(tile.closes)}
    return [{"psums": tile.psums[:, row, column].tolist(), "row": row,
             "column_end": int(row == rows - 1), "last": int(column == columns - 1),
             "tile": description}
            for column in range(columns) for row in range(rows)]


def _records(channels: Channels) -> list[dict[str, int]]:
    names = ("bias", "threshold", "multiplier", "shift")
    tables = [getattr(channels, name).tolist() for name in names]
    return [dict(zip(names, values, strict=True)) for values in zip(*tables, strict=True)]


def _in_order(values: Tensor) -> list[list[int]]:
    """Return values of all timesteps, column by column."""
    return values.permute(2, 1, 0).reshape(-1, len(values)).tolist()


def _beats(words: Tensor, config: AcceleratorConfig, drop_single: bool) -> list[Beat]:
    """Return the fibers of a tile's rows, interleaved chunk by chunk."""
    queues = []
    for row, fiber_words in enumerate(words):
        fiber = compress(fiber_words, config.chunk, 2 if drop_single else 1)
        chunks: list[list[Beat]] = [[]]
        for beat in spike_beats(fiber, config, row=row, offsets=True):
            chunks[-1].append(beat)
            if beat["end"]:
                chunks.append([])
        queues.append(chunks[:-1])
    return [beat for block in zip(*queues, strict=True) for chunk in block for beat in chunk]
