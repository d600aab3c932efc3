# SPDX-License-Identifier: Apache-2.0
"""A host of the time-to-first-spike core in cocotb, on AXI4-Streams that others wrote."""

import random
import warnings
from typing import Any

import numpy as np
import torch
from cocotb.triggers import SimTimeoutError, with_timeout
from cocotbext.axi import AxiStreamBus, AxiStreamFrame, AxiStreamSink, AxiStreamSource

from ..gen.compiler.ttfs_program import TTFSProgram, TTFSResult, compile_ttfs
from ..models.golden.ttfs_network import TTFSNetwork
from .bench import Bench
from .streams import PERIOD_NS
from .streams import pauses as pause_pattern
from .ttfs_compare import compare

__all__ = ["TTFSHost"]

warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"cocotbext\.axi\.")


class TTFSHost:
    """Sends frames, takes results.

    Parameters
    ----------
    bench : Bench
    pauses : float
        Share of cycles in which either stream pauses.
    """

    def __init__(self, bench: Bench, pauses: float = 0.0):
        dut = bench.dut
        self.bench = bench
        self.source: Any = AxiStreamSource(
            AxiStreamBus.from_prefix(dut, "s_axis"), dut.clk, dut.rst)
        self.sink: Any = AxiStreamSink(AxiStreamBus.from_prefix(dut, "m_axis"), dut.clk, dut.rst)
        if pauses:
            for stream in (self.source, self.sink):
                stream.set_pause_generator(
                    pause_pattern(random.Random(bench.rng.getrandbits(64)), pauses, 4.0))

    async def send(self, *frames: np.ndarray) -> None:
        """Queue frames of 32-bit words."""
        for frame in frames:
            await self.source.send(AxiStreamFrame(frame.astype("<u4").tobytes()))

    async def receive(self, cycles: int = 100_000) -> np.ndarray:
        """Return the next frame; raise if none comes in that many cycles."""
        try:
            frame = await with_timeout(self.sink.recv(), cycles * PERIOD_NS, "ns")
        except SimTimeoutError:
            raise AssertionError(f"no frame in {cycles} cycles") from None
        return np.frombuffer(bytes(frame.tdata), "<u4")

    async def load(self, network: TTFSNetwork) -> TTFSProgram:
        """Queue the frames of a network."""
        program = compile_ttfs(network, self.bench.config)
        await self.send(*program.frames)
        return program

    async def check(self, network: TTFSNetwork, program: TTFSProgram,
                    images: torch.Tensor) -> list[TTFSResult]:
        """Run images in both modes; compare all; return the results, to the end first."""
        trace = network.run(images)
        results = []
        for image in images:
            for early in (False, True):
                await self.send(program.image_frame(image.numpy(), early_exit=early,
                                                    dump=not early))
        for index in range(len(images)):
            for early in (False, True):
                result = program.result(await self.receive())
                problem = compare(network, trace, index, result)
                assert not problem, f"{'early exit' if early else 'to the end'}: {problem}"
                assert result.early_exit == early
                results.append(result)
        return results
