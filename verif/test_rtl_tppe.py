# SPDX-License-Identifier: Apache-2.0
"""The TPPE in Verilator against the golden op, with both inner joins."""

import pytest
from amaranth.sim import Simulator

from spikeloom.rtl.config import FTPConfig
from spikeloom.rtl.ftp.accumulator import Accumulator
from spikeloom.verif.mutants import CONFIG
from spikeloom.verif.runner import Run, run_bench

CONFIGS = {
    "loas": FTPConfig(max_fan_in=512),
    "one_timestep": FTPConfig(timesteps=1, chunk=8, laggy_adders=8, match_fifo_depth=2,
                              beat_values=1, column_fifo_depth=2, max_fan_in=40),
    "short_queue": CONFIG,
    "sparten": FTPConfig(inner_join="fast_fast", timesteps=16, chunk=24, laggy_adders=1,
                         beat_values=8, weight_bits=2, max_fan_in=80),
}


@pytest.mark.parametrize("bench", ["tb_tppe", "tb_tppe_errors"])
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_bench(config, bench):
    run_bench(Run(unit="tppe", config=config, bench=bench))


@pytest.mark.parametrize("sign", [-1, 1])
def test_pseudo_sum_wraps(sign):
    """The pseudo sum overflows ``psum_bits`` in both directions, and every psum is exact.

    No legal fibers make it do that, because all weights of the longest fiber fit.
    """
    config = FTPConfig(chunk=8, max_fan_in=8, beat_values=1, laggy_adders=8, weight_bits=4)
    weight = -8 if sign < 0 else 7
    words = [1, 2, 4, 8] * 6
    assert not -64 <= weight * len(words) < 64 and config.psum_bits == 7
    dut = Accumulator(config)

    async def testbench(ctx):
        ctx.set(dut.o.ready, 1)
        for last_of in (words, words[:8]):
            for stream, extra in ((dut.i_speculation, {}), (dut.i, {"final": 0})):
                for index, word in enumerate(last_of):
                    pair = {"weight": weight, "hit": 1, "last": index == len(last_of) - 1, **extra}
                    ctx.set(stream.payload, pair | ({"word": word} if extra else {}))
                    ctx.set(stream.valid, 1)
                    await ctx.tick().until(stream.ready)
                ctx.set(stream.valid, 0)
            assert ctx.get(dut.o.valid)
            expected = weight * len(last_of) // 4
            assert [ctx.get(dut.o.p.psums[t]) for t in range(4)] == [expected] * 4

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()
