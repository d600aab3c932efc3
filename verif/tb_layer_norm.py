# SPDX-License-Identifier: Apache-2.0
"""Bench of the layer norm: tokens of every length and magnitude, against the golden op."""

from typing import Any

import cocotb
import torch

from ..models.golden.layer_norm import layer_norm
from .bench import Bench

__all__ = ["covers_corners", "keeps_its_pace", "matches_golden", "restarts_after_reset"]

Token = list[int]
Affine = list[tuple[int, int]]


def _golden(bench: Bench, token: Token, affine: Affine, shift: int) -> list[int]:
    config = bench.config
    gamma, beta = torch.tensor(affine).T.contiguous()
    return layer_norm(
        torch.tensor(token), gamma, beta, shift, value_bits=config.value_bits,
        token_bits=config.token_bits, fraction_bits=config.norm_fraction_bits,
        reciprocal_bits=config.reciprocal_bits).tolist()


def _token(bench: Bench) -> Token:
    """Return a token of any length, around any mean, as wide as any."""
    config, rng = bench.config, bench.rng
    limit = 1 << (config.token_bits - 1)
    centre, reach = rng.randrange(-limit, limit), 1 << rng.randint(0, config.token_bits - 1)
    length = rng.choice((config.max_channels, rng.randint(1, config.max_channels)))
    return [min(max(centre + rng.randint(-reach, reach), -limit), limit - 1)
            for _ in range(length)]


def _affine(bench: Bench, length: int, shift: int) -> Affine:
    config, rng = bench.config, bench.rng
    high = (1 << (config.value_bits - 1)) - 1
    most = (1 << (config.beta_bits - 1)) - 1
    reach = min(most, 1 << (shift + config.value_bits - 1))
    return [(rng.randint(-high, high), rng.randint(-reach, reach)) for _ in range(length)]


async def _run(bench: Bench, tokens: list[Token], shift: int, gaps: float, stalls: float,
               affines: list[Affine] | None = None) -> tuple[Any, Any]:
    affines = affines or [_affine(bench, len(token), shift) for token in tokens]
    bench.write("shift", shift)
    source, sink = bench.source("i", gaps, burst=3), bench.sink("o", stalls, burst=3)
    other = bench.source("i_affine", gaps, burst=3)
    await bench.edge(2)
    source.put([{"value": value, "last": int(index == len(token) - 1)}
                for token in tokens for index, value in enumerate(token)])
    other.put([{"gamma": gamma, "beta": beta} for affine in affines for gamma, beta in affine])
    found = await sink.take(sum(map(len, tokens)))
    start = 0
    for token, affine in zip(tokens, affines, strict=True):
        values = found[start:start + len(token)]
        want = _golden(bench, token, affine, shift)
        assert values == want, (
            f"token {token} with {affine} and shift {shift} must give {want}, not {values}")
        start += len(token)
    await bench.edge(10)
    assert len(sink.values) == start, "values were repeated"
    return source, sink


@cocotb.test()
@cocotb.parametrize(gaps=[0.0, 0.5], stalls=[0.0, 0.5])
async def matches_golden(dut: Any, gaps: float, stalls: float) -> None:
    """Random tokens give the golden values; some clip at either end."""
    bench = await Bench.start(dut)
    for shift in (bench.config.norm_fraction_bits + 1, 2, 31):
        tokens = [_token(bench) for _ in range(6)]
        _, sink = await _run(bench, tokens, shift, gaps, stalls)
        if shift == 2:
            high = (1 << (bench.config.value_bits - 1)) - 1
            assert {high, -high - 1} < set(sink.values)


@cocotb.test()
async def covers_corners(dut: Any) -> None:
    """Constant tokens, single channels, one channel apart from the others, the widest spread."""
    bench = await Bench.start(dut)
    config = bench.config
    low, high = -(1 << (config.token_bits - 1)), (1 << (config.token_bits - 1)) - 1
    most = config.max_channels
    tokens = [[low] * most, [high] * most, [0] * most, [low], [high], [0, 1], [high, low],
              [low] * (most - 1) + [high], [high] * (most - 1) + [low],
              [high, low] * (most // 2), [0] * (most - 1) + [1], [low, low + 1]]
    top, beta = (1 << (config.value_bits - 1)) - 1, (1 << (config.beta_bits - 1)) - 1
    for shift, pair in ((0, (top, 0)), (config.norm_fraction_bits, (1, 0)),
                        (config.value_bits, (-top, beta)), (31, (top, beta)), (0, (0, -beta - 1))):
        await _run(bench, tokens, shift, 0.0, 0.0, [[pair] * len(token) for token in tokens])


@cocotb.test()
async def keeps_its_pace(dut: Any) -> None:
    """Latency and a channel or value per cycle, as the component's docstring says."""
    bench = await Bench.start(dut)
    config = bench.config
    length = config.max_channels
    tokens = [_token(bench) for _ in range(2)] + [[0] * length, [1, *[0] * (length - 1)]]
    source, sink = await _run(bench, tokens, 3, 0.0, 0.0)
    start = latency = 0
    for token in tokens:
        into, out = (stream.cycles[start:start + len(token)] for stream in (source, sink))
        assert into == list(range(into[0], into[0] + len(token)))
        assert out == list(range(out[0], out[0] + len(token)))
        latency = out[0] - into[-1]
        assert latency <= 2 * config.root_bits + config.reciprocal_bits + 13
        start += len(token)
    assert latency > 2 * config.root_bits + config.reciprocal_bits, "the bound must be near"


@cocotb.test()
async def restarts_after_reset(dut: Any) -> None:
    """A reset drops the token at work; those after it are right."""
    bench = await Bench.start(dut)
    await bench.source("i").send([{"value": 5, "last": 0}, {"value": -3, "last": 0}])
    await bench.reset(1)
    await _run(bench, [_token(bench) for _ in range(3)], 4, 0.0, 0.3)
