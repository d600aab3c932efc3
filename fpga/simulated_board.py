# SPDX-License-Identifier: Apache-2.0
"""A simulated board: the system in Verilator, its serial line on a pseudo-terminal.

``python -m spikeloom.fpga.simulated_board --config tiny`` prints the path of the terminal, and
runs until it is interrupted.
"""

import hashlib
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from ..gen.emit import verilog_modules
from ..gen.presets import load_unit_config
from ..gen.run_app import run_app
from ..rtl.config import ConfigError, LinkConfig
from ..verif.build import Design, blank_memories, locked
from ..verif.toolchain import ToolError, run
from .designs import make_system
from .netlist import system_netlist

__all__ = ["SimulatedBoard", "main"]

_OUT = Path("out/fpga").resolve()
_MAIN = Path(__file__).parent / "board_main.cpp"
_ARGUMENTS = ("--cc", "--exe", "--build", "-j", "2", "--top-module", "system", "--prefix",
              "Vsystem", "-o", "board", "--no-timing", "-Wno-lint", "-Wno-style", "--x-assign",
              "fast", "--x-initial", "fast", "--output-split", "50000", "-CFLAGS", "-O1")
_app = App(name="python -m spikeloom.fpga.simulated_board", help="Run a simulated board.",
           version_flags=[], result_action="return_value")


class SimulatedBoard:
    """A board in simulation, for hosts that know boards only.

    Parameters
    ----------
    system : wiring.Component
        As of a board: with ``rx``, ``tx`` and the attribute ``link``.
    family : str
        Simulate the netlist for FPGAs of this family, "ice40" or "ecp5".

    Attributes
    ----------
    path : str
        Of its serial line.

    Raises
    ------
    ToolError
        It cannot be built or does not start.
    """

    def __init__(self, system: Any, family: str = ""):
        program = _built(system, family)
        self._process = subprocess.Popen(
            [str(program), str(system.link.divisor)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True)
        assert self._process.stdout
        self.path = self._process.stdout.readline().strip()
        if not self.path:
            raise ToolError(f"{program} ended with status {self._process.wait()}")

    def __enter__(self) -> "SimulatedBoard":
        return self

    def __exit__(self, *details: object) -> None:
        self.close()

    def wait(self) -> None:
        """Wait until it ends by itself."""
        self._process.wait()

    def close(self) -> None:
        """Switch it off."""
        self._process.communicate()  # its input ends


def _built(system: Any, family: str) -> Path:
    """Return the program of a board, built unless it is there; memories begin with anything."""
    folder = _OUT / "-".join(filter(None, (
        "simulated", system.config.hash(), system.link.hash(), family)))
    if family:
        design = system_netlist(system, family, folder / "netlist")
    else:
        design = Design(top="system", verilog=blank_memories(
            "\n".join(verilog_modules("system", system).values())))
    key = hashlib.sha256("\0".join(
        [design.key(waves=False), _MAIN.read_text(), *_ARGUMENTS]).encode()).hexdigest()
    program, done = folder / "obj" / "board", folder / "done"
    with locked(folder):
        if not (done.exists() and done.read_text() == key):
            done.unlink(missing_ok=True)
            source, log = folder / "system.v", folder / "build.log"
            log.unlink(missing_ok=True)
            source.write_text(design.verilog)
            run(["verilator", *_ARGUMENTS, "-Mdir", str(folder / "obj"), *design.arguments,
                 *map(str, design.libraries), str(source), str(_MAIN)], log)
            done.write_text(key)
    return program


@_app.default
def _serve(*, config: str = "tiny",
           overrides: Annotated[tuple[str, ...], Parameter(name="--set", negative="")] = (),
           divisor: int = 4) -> None:
    """Run a simulated board until it is interrupted.

    Parameters
    ----------
    config
        Preset, or path of a TOML file.
    overrides
        field=value, in place of the preset's; again for more.
    divisor
        Clock cycles of one bit on the serial line.
    """
    system = make_system(load_unit_config(config, overrides), LinkConfig(divisor=divisor))
    with SimulatedBoard(system) as board, suppress(KeyboardInterrupt):
        print(f"serial line: {board.path}", flush=True)
        board.wait()


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit status, 2 if the user is to mend a thing."""
    return run_app(_app, words, ConfigError, ToolError, fold=False)


if __name__ == "__main__":
    sys.exit(main())
