# SPDX-License-Identifier: Apache-2.0
"""Run one image that goes wrong again, with waves around the cycle in which it does."""

import dataclasses
import shutil
from pathlib import Path

from torch import Tensor

from ..gen.compiler.program import Program
from ..gen.session.errors import SessionError
from ..gen.session.session import Session
from ..models.golden.network import IntegerNetwork
from .divergence import Divergence
from .program_run import run_program
from .verilator_transport import BusTiming, VerilatorTransport

__all__ = ["show_divergence"]


def show_divergence(program: Program, network: IntegerNetwork, image: Tensor, folder: Path, *,
                    timing: BusTiming | None = None, verilog: str | None = None,
                    margin: int = 200, timeout: float = 600.0) -> Divergence | None:
    """Run an image from reset, find the first wrong value, run again and dump waves around it.

    Parameters
    ----------
    program : Program
        Compiled with ``keep_all=True``.
    image : Tensor[1, C, H, W] or Tensor[1, H, W]
        uint8.
    folder : Path
        Where the waves go, as ``NETWORK-LAYER.vcd``.
    timing, verilog
        As of `VerilatorTransport`.
    margin : int
        Cycles before and behind.

    Returns
    -------
    Divergence or None
        None if the image is exact when it is run by itself. Without waves if no log tells the
        cycle; ``cycle`` counts from the start of the run, in the waves the signal ``cycle`` from
        that of the simulation.
    """
    with VerilatorTransport(program.config, timing=timing, verilog=verilog) as transport:
        found = run_program(program, network, image, transport, timeout=timeout).divergence
    if found is None or found.cycle is None:
        return found
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{network.name}-{found.layer}.vcd"
    with VerilatorTransport(program.config, timing=timing, verilog=verilog,
                            waves=True) as transport:
        session = Session(transport, timeout=timeout)
        session.load(program)
        transport.log_writes(True)  # as before, to the cycle
        at = transport.cycle + found.cycle
        waves = transport.dump_waves(max(transport.cycle + 1, at - margin), at + margin)
        try:
            session.run(image.numpy())
        except SessionError:
            pass  # the wait ends with the waves
    if not waves.exists():
        return found
    shutil.move(waves, path)
    shutil.rmtree(waves.parent)
    return dataclasses.replace(found, waves=path)
