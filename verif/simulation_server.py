# SPDX-License-Identifier: Apache-2.0
"""A simulation of the accelerator as a process that answers commands."""

import dataclasses
import json
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from ..gen.session.transport import TransportError
from ..rtl.config import AcceleratorConfig
from . import runner
from .accelerator_design import accelerator_design
from .build import QUICK_BUILD, build

__all__ = ["SimulationServer"]

_GRACE = 300  # seconds for what a command does besides waiting


class SimulationServer:
    """The process of ``tb_accelerator_session``; see there for its commands.

    Parameters
    ----------
    config : AcceleratorConfig
    verilog : str or None
        In place of the accelerator's own.
    settings : dict of str to int
        Inputs of the bench that are not zero.
    waves : bool
        Whether it can write waves; then it is slower, and `folder` is kept.
    quick : bool
        Whether it is built in less time and runs slower.

    Attributes
    ----------
    folder : Path
        Working directory; its files are those of the commands.

    Raises
    ------
    ToolError
        It cannot be built.
    """

    def __init__(self, config: AcceleratorConfig, verilog: str | None,
                 settings: dict[str, int], waves: bool, quick: bool):
        self._kept = waves
        design = accelerator_design(config, verilog)
        if quick:
            design = dataclasses.replace(design, arguments=(*design.arguments, *QUICK_BUILD))
        run = runner.Run(unit="accelerator", config=config, bench="tb_accelerator_session",
                         design=design, waves=waves)
        program = build(design, run.folder, waves)
        (run.folder / "runs").mkdir(exist_ok=True)
        self.folder = Path(tempfile.mkdtemp(prefix="session-", dir=run.folder / "runs"))
        self._log = self.folder / "run.log"
        self._socket, theirs = socket.socketpair()
        self._lines = self._socket.makefile("r")
        with theirs, self._log.open("w") as log:
            run = dataclasses.replace(
                run, parameters={"socket": theirs.fileno(), "settings": settings})
            variables = runner.simulation_variables(run, design, self.folder / "results.xml")
            self._process: subprocess.Popen | None = subprocess.Popen(
                [str(program)], cwd=self.folder, stdout=log, stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL, env=variables, pass_fds=(theirs.fileno(),))

    def ask(self, command: str, seconds: float = 0.0, **arguments: Any) -> dict[str, Any]:
        """Give a command and return the answer.

        Parameters
        ----------
        seconds : float
            How long the command may wait.

        Raises
        ------
        TransportError
            The simulation ended, or does not answer.
        """
        if self._process is None:
            raise TransportError("the simulation is closed")
        self._socket.settimeout(_GRACE + seconds)
        timed = {"seconds": seconds} if seconds else {}
        try:
            self._socket.sendall(json.dumps({"command": command, **arguments} | timed).encode()
                                 + b"\n")
            line = self._lines.readline()
        except OSError as error:
            raise TransportError(f"the simulation does not answer to {command}: {error}"
                                 f"{self._tail()}") from None
        if not line:
            raise TransportError(f"the simulation ended at {command}{self._tail()}")
        return json.loads(line)

    def close(self) -> None:
        """End the simulation; remove its files unless there are waves among them."""
        if self._process is None:
            return
        self._lines.close()
        self._socket.close()
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None
        if not self._kept:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _tail(self) -> str:
        lines = self._log.read_text(errors="replace").splitlines()
        return "".join(f"\n{line}" for line in [f", log {self._log}:", *lines[-12:]])
