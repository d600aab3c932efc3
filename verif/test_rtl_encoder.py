# SPDX-License-Identifier: Apache-2.0
"""The encoder against its golden twin, in Amaranth's simulator."""

import random

import pytest
import torch
from amaranth.sim import Simulator

from spikeloom.models.golden.encoder import encode
from spikeloom.models.golden.errors import GoldenError
from spikeloom.rtl.config import AcceleratorConfig
from spikeloom.rtl.soc.descriptor import Operation
from spikeloom.rtl.soc.encoder import Encoder
from spikeloom.verif.fiber_traffic import word_slices

CONFIGS = {
    "loas": AcceleratorConfig(),
    "one_timestep": AcceleratorConfig(timesteps=1, memory_bits=64),
    "five_timesteps": AcceleratorConfig(timesteps=5, chunk=24, laggy_adders=8, beat_values=4,
                                        memory_bits=32, max_columns=24),
    "sixteen_timesteps": AcceleratorConfig(timesteps=16, memory_bits=128),
}
BASE = 40


def run(config, layer, octets, pause, seed):
    """Return the slices and the slots that come of an image."""
    width = config.memory_bits // 8
    memory = [int.from_bytes(octets[at:at + width], "little")
              for at in range(0, len(octets), width)]
    layer |= {"weight_words": len(memory)}
    encoder, rng = Encoder(config), random.Random(seed)
    slices, slots = [], []

    async def serve(ctx):
        """Play the memory and take what comes, with pauses."""
        queue = []
        for name, value in layer.items():
            if name == "signed_input":
                ctx.set(encoder.layer.flags.signed_input, value)
            else:
                ctx.set(encoder.layer[name], value)
        ctx.set(encoder.image_address, BASE)
        ctx.set(encoder.start, 1)
        await ctx.tick()
        ctx.set(encoder.start, 0)
        for _ in range(200_000):
            go = [rng.random() >= pause for _ in range(4)]
            request, data = encoder.memory.request, encoder.memory.data
            offered = ctx.get(data.valid)  # data that waits goes on waiting
            ctx.set(request.ready, go[0])
            ctx.set(data.valid, bool(queue) and (go[1] or offered))
            ctx.set(data.payload, queue[0] if queue else 0)
            ctx.set(encoder.o.ready, go[2])
            ctx.set(encoder.o_slots.ready, go[3])
            if not ctx.get(encoder.busy):
                return
            if go[0] and ctx.get(request.valid):
                assert ctx.get(request.p.address) == BASE
                assert ctx.get(request.p.words) == len(memory)
                queue += memory
            if ctx.get(data.valid) and ctx.get(data.ready):
                queue.pop(0)
            if go[2] and ctx.get(encoder.o.valid):
                slices.append((list(ctx.get(encoder.o.p.words)), ctx.get(encoder.o.p.last)))
            if go[3] and ctx.get(encoder.o_slots.valid):
                slots.append((len(slices), ctx.get(encoder.o_slots.p.address)))
                assert ctx.get(encoder.o_slots.p.rows) == 1
            await ctx.tick()
        raise AssertionError("the encoder does not end")

    simulator = Simulator(encoder)
    simulator.add_clock(1e-6)
    simulator.add_testbench(serve)
    simulator.run()
    return slices, slots


@pytest.mark.parametrize("pause", [0.0, 0.5])
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_encoder_matches_golden(config, signed, pause):
    for seed, channels in enumerate((1, 3, 16)):
        pixels, passes = 7, -(-8 // config.timesteps)
        generator = torch.Generator().manual_seed(seed)
        image = torch.randint(-128 * signed, 256 - 128 * signed, (pixels, channels),
                              generator=generator)
        layer = {"operation": Operation.ENCODE, "passes": passes, "columns": channels,
                 "tiles": pixels, "out_address": 1000, "out_pass_pitch": 300,
                 "out_pixel_pitch": 9, "signed_input": signed}
        octets = bytes((image & 255).flatten().tolist())
        slices, slots = run(config, layer, octets, pause, seed)
        expected = encode(image, config.timesteps, passes, signed).flatten(0, -2).tolist()
        wanted = [word_slices(words, config) for words in expected]
        assert slices == [(part["words"], part["last"]) for parts in wanted for part in parts]
        assert [address for _, address in slots] == [
            1000 + 300 * one + 9 * pixel for one in range(passes) for pixel in range(pixels)]
        for pixel, (sent, _) in enumerate(slots):  # no pixel ends before its slot is known
            assert sent < (pixel + 1) * len(wanted[0])


def test_golden_encoder_refuses():
    with pytest.raises(GoldenError, match=r"integers must be in 0\.\.255, not -1\.\.3"):
        encode(torch.tensor([-1, 3]), 4, 2, False)
    with pytest.raises(GoldenError, match=r"integers must be in -128\.\.127, not 0\.\.128"):
        encode(torch.tensor([0, 128]), 4, 2, True)
    with pytest.raises(GoldenError, match="passes must be"):
        encode(torch.tensor([0]), 4, 0, True)
