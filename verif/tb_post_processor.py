# SPDX-License-Identifier: Apache-2.0
"""Bench of the post-processor: layers of all kinds one after another, against the golden op."""

import itertools
from dataclasses import dataclass, replace
from typing import Any

import cocotb
import torch

from ..models.golden.plif import LIF
from ..models.golden.post_processor import Channels, PostStep, PostTile
from ..rtl.soc.descriptor import Mode, Operation, descriptor_layout
from .bench import Bench
from .payload import unpack
from .post_ports import OUTPUTS, Ports, input_streams
from .post_traffic import PostLayer, PostTraffic, encoded_words, random_layer

__all__ = ["covers_corner", "follows_with_other_flags", "has_its_latency", "keeps_its_pace",
           "matches_golden", "pools", "restarts_after_reset", "says_what_is_not_built"]

@cocotb.test()
@cocotb.parametrize(inputs=[0.0, 0.5], outputs=[0.0, 0.5])
async def matches_golden(dut: Any, inputs: float, outputs: float) -> None:
    """Layers of all modes and flags give the golden results under any stalls."""
    bench = await Bench.start(dut)
    ports = Ports(bench, inputs, outputs)
    for _ in range(4):
        await ports.run_layers([random_layer(bench.rng, bench.config) for _ in range(4)])
        await ports.run(*encoded_words(bench.rng, bench.config))


@cocotb.test()
@cocotb.parametrize(pool=[2, 3], passes=[1, 2])
async def pools(dut: Any, pool: int, passes: int) -> None:
    """Windows in one tile and over several, the last one smaller, spike where a member does."""
    bench = await Bench.start(dut)
    config = bench.config
    passes = min(passes, config.tppes)
    lif = LIF(gain=1, shift=0)
    layers = [random_layer(bench.rng, config, mode="spikes", pool=pool, passes=passes,
                           combine=passes > 1, lif=lif) for _ in range(5)]
    await Ports(bench, 0.2, 0.2).run_layers(layers)


@cocotb.test()
async def follows_with_other_flags(dut: Any) -> None:
    """Each mode follows each other one, with and without each step."""
    bench = await Bench.start(dut)
    ports = Ports(bench, 0.1, 0.1)
    modes = ("spikes", "integers", "readout") if bench.config.requantize else (
        "spikes", "readout")
    for modes_in_turn in itertools.permutations(modes, 2):
        for mode, flag in zip(modes_in_turn, (True, False), strict=True):
            built = flag and bool(bench.config.requantize)
            await ports.run_layers([random_layer(
                bench.rng, bench.config, mode=mode, combine=flag, requantize=built,
                residual_in=built, residual_out=not flag and bool(bench.config.requantize))])


def _tile(psums: list[list[int]], timesteps: int, **channels: int) -> PostTile:
    """Return a tile by rows and columns; the same psums at all timesteps, all channels alike."""
    values = torch.tensor(psums).expand(timesteps, -1, -1)
    columns = values.shape[2]
    tables = {"bias": 0, "threshold": 1, "multiplier": 1, "shift": 0} | channels
    return PostTile(psums=values, channels=Channels(**{
        name: torch.full((columns,), value) for name, value in tables.items()}))


def _clamps(bench: Bench) -> list[PostLayer]:
    """Requantization, residuals and integers saturate at both ends; shift 0 among them."""
    config, step = bench.config, PostStep(mode="integers", requantize=True, residual_out=True)
    high = (1 << (config.psum_bits - 1)) - 1
    layers = []
    psums = [[high, -high - 1, 1, -1, 0, high // 2]]
    for multiplier, shift in ((65535, 0), (65535, 4), (1, 0), (3, 31), (32767, 0)):
        tile = _tile(psums, config.timesteps, multiplier=multiplier, shift=shift)
        for residual in (32767, -32768):
            residuals = torch.full_like(tile.psums, residual)
            for signed, bits in ((True, 4), (False, 4), (True, 16), (False, 16), (True, 1)):
                layers.append(PostLayer(
                    step=replace(step, residual_in=residual > 0, out_signed=signed,
                                 out_bits=bits, out_passes=min(2, config.tppes)),
                    tiles=[replace(tile, residuals=residuals)]))
    stored = torch.cat([values.reshape(-1) for layer in layers
                        for values in layer.golden(config).residuals])
    assert {-32768, 32767} <= set(stored.tolist()), "values must saturate at both ends"
    return layers


def _ties(bench: Bench) -> list[PostLayer]:
    """The first of the largest logits wins, also if all are negative."""
    rows = ([3, 7, 7, 1], [-5, -4, -4, -9], [0], [2, 2, 2], [-8, -8], [1, 2, 3, 4, 5])
    layers = [PostLayer(step=PostStep(mode="readout"),
                        tiles=[_tile([row], bench.config.timesteps)]) for row in rows]
    assert [layer.golden(bench.config).winner for layer in layers] == [1, 1, 0, 0, 0, 4]
    return layers


def _thresholds(bench: Bench) -> list[PostLayer]:
    """Thresholds below zero fire without input; the extreme ones do not overflow."""
    limit = 1 << (bench.config.psum_bits - 1)
    psums = [[0, -limit, limit - 1, -1]]
    return [PostLayer(step=PostStep(lif=LIF(gain=gain, shift=0, reset=reset)),
                      tiles=[_tile(psums, bench.config.timesteps, threshold=threshold, bias=bias)])
            for gain in (1, 15) for reset in ("hard", "soft")
            for threshold in (-limit, -1, 0, limit - 1) for bias in (-limit, limit - 1)]


def _single_spikes(bench: Bench) -> list[PostLayer]:
    """Words of one spike are dropped after the pooling, not before."""
    config = bench.config
    members = min(4, config.tppes)
    psums = torch.zeros(config.timesteps, 4, 2, dtype=torch.int64)
    for member in range(4):  # each member spikes once, at another time in column 0
        psums[member % config.timesteps, member, 0] = 1
        psums[0, member, 1] = 1
    channels = _tile([[0, 0]], 1).channels
    tiles = [PostTile(psums=psums[:, start:start + members], channels=channels, opens=not start,
                      closes=start + members >= 4) for start in range(0, 4, members)]
    layers = [PostLayer(step=PostStep(members_per_tile=members, lif=LIF(gain=1, shift=0)),
                        tiles=tiles, pool=2, drop_single=drop) for drop in (False, True)]
    words = layers[0].golden(config).words[0].tolist()
    assert words == [[(1 << min(4, config.timesteps)) - 1, 1]]
    return layers


def _planes(bench: Bench) -> list[PostLayer]:
    """Bit planes of a few bits add up to the integer, at either sign."""
    config = bench.config
    layers = []
    for passes in range(1, min(4, config.tppes, 32 // config.timesteps) + 1):
        psums = torch.ones(config.timesteps, passes, 3, dtype=torch.int64)
        psums[:, :, 1] = torch.tensor([-1] + [0] * (passes - 1))
        for signed in (False, True):
            layers.append(PostLayer(
                step=PostStep(mode="readout", combine=True, passes=passes, signed_input=signed),
                tiles=[PostTile(psums=psums, channels=_tile([[0] * 3], 1).channels)]))
    return layers


CORNERS = {"clamps": _clamps, "ties": _ties, "thresholds": _thresholds,
           "single_spikes": _single_spikes, "planes": _planes}


@cocotb.test()
@cocotb.parametrize(corner=[cocotb.Param(name, name=name) for name in CORNERS])
async def covers_corner(dut: Any, corner: str) -> None:
    """Each named corner case gives the golden results."""
    bench = await Bench.start(dut)
    if corner != "clamps" or bench.config.requantize:
        await Ports(bench, 0.1, 0.2).run_layers(CORNERS[corner](bench))


@dataclass(frozen=True)
class Pace:
    """A layer for `keeps_its_pace`, and the cycles of a neuron."""

    wanted: dict[str, Any]
    cycles: int = 1


_FLAGS = {"requantize": True, "residual_in": True, "residual_out": True}
_PACES = {
    "spikes": Pace({"mode": "spikes", "pool": 1, **_FLAGS}),
    "pooled": Pace({"mode": "spikes", "pool": 3, **_FLAGS}),
    "planes": Pace({"mode": "spikes", "pool": 1, "combine": True, **_FLAGS}),
    "integers": Pace({"mode": "integers", "out_passes": 1, **_FLAGS}),
    "split": Pace({"mode": "integers", "out_passes": 2, "combine": False, **_FLAGS}, 2),
    "readout": Pace({"mode": "readout", **_FLAGS}),
}


@cocotb.test()
@cocotb.parametrize(kind=[cocotb.Param(name, name=name) for name in _PACES])
async def keeps_its_pace(dut: Any, kind: str) -> None:
    """A neuron per cycle without a gap, or a lane word of an integer."""
    bench = await Bench.start(dut)
    wanted, pace = dict(_PACES[kind].wanted), _PACES[kind].cycles
    if not bench.config.requantize:
        if wanted["mode"] == "integers":
            return
        wanted |= dict.fromkeys(_FLAGS, False)
    if pace > bench.config.tppes:
        return
    ports = Ports(bench)
    for _ in range(3):
        layer = random_layer(bench.rng, bench.config, columns=2 * bench.config.chunk, **wanted)
        before = len(ports.sources["i"].cycles)
        await ports.run_layers([layer])
        cycles = ports.sources["i"].cycles[before:]
        steps = [later - now for now, later in itertools.pairwise(cycles)]
        # The first neurons fill the stages in front of the splitter.
        assert set(steps[8:]) <= {pace} and set(steps[:8]) <= {1, pace}


@cocotb.test()
@cocotb.parametrize(mode=["spikes", "readout"])
async def has_its_latency(dut: Any, mode: str) -> None:
    """A neuron alone takes as long as the docstring says."""
    bench = await Bench.start(dut)
    ports = Ports(bench)
    layer = PostLayer(step=PostStep(mode=mode), tiles=[_tile([[1]], bench.config.timesteps)])
    await ports.run_layers([layer])
    out = ports.sinks["o" if mode == "spikes" else "o_result"].cycles[0]
    config = bench.config
    saved = 0 if config.requantize else 3
    if mode == "spikes" and config.tile_rows == config.beat_values == 1:
        saved += 2  # nothing to transpose
    expected = {"spikes": config.timesteps + 12, "readout": 7}[mode] - saved
    assert out - ports.sources["i"].cycles[0] == expected


@cocotb.test()
@cocotb.parametrize(held=["readout", "column", "chunk", "window", "plane"])
async def restarts_after_reset(dut: Any, held: str) -> None:
    """A reset in the middle of a layer forgets everything; the next layer is as after a start."""
    bench = await Bench.start(dut)
    config = bench.config
    if held == "plane" and config.tppes < 2:
        return
    columns = {"readout": 2, "chunk": config.chunk + 1, "window": 2}.get(held, 1)
    passes, wanted = 1, {}
    if held == "plane":  # with a scale a wrong first neuron may look right
        passes, wanted = 2, {"combine": True, "requantize": False}
    step = PostStep(mode="readout" if held == "readout" else "spikes", passes=passes,
                    lif=LIF(gain=1, shift=0), **wanted)
    tile = replace(_tile([[5] * columns] * passes, config.timesteps), closes=held != "window")
    layer = PostLayer(step=step, tiles=[tile])
    bench.write("layer", layer.descriptor() | {"columns": 8})
    traffic = PostTraffic.of(replace(layer, tiles=[replace(tile, closes=True)]), config)
    results, channels = traffic.inputs["i"], traffic.inputs["i_channel"]
    for result in results:
        result["tile"]["closes"] = int(tile.closes)
    if held in ("column", "window"):
        results[-1]["last"] = 0  # more columns should come
    sources = input_streams(bench)
    if held == "plane":
        results.pop()
    else:  # with its last plane a neuron takes its channel
        sources["i_channel"].put(channels)
    await sources["i"].send(results)
    await bench.edge(20)
    assert bench.read("busy") or held == "window"
    dut.rst.value = 1
    await bench.edge()
    dut.rst.value = 0
    await bench.edge()
    assert not bench.read("busy")
    assert not any(int(getattr(dut, f"{name}__valid").value) for name in OUTPUTS)
    await Ports(bench, sources=sources).run_layers([
        random_layer(bench.rng, config, mode=mode, **wanted) for mode in ("readout", "spikes")])


@cocotb.test()
async def says_what_is_not_built(dut: Any) -> None:
    """Only without ``requantize``, and only for a layer that asks for it."""
    bench = await Bench.start(dut)
    missing = not bench.config.requantize
    for operation in Operation:
        for flag in ("", "requantize", "residual_in", "residual_out", "combine"):
            for mode in Mode:
                layer = unpack(descriptor_layout(), 0)
                layer |= {"operation": operation.value, "mode": mode.value}
                if flag:
                    layer["flags"][flag] = 1
                bench.write("layer", layer)
                await bench.edge(2)
                asks = flag not in ("", "combine") or mode == Mode.INTEGERS
                assert bench.read("unsupported") == int(
                    missing and asks and operation == Operation.LAYER)
