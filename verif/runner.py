# SPDX-License-Identifier: Apache-2.0
"""Emit a unit, build it, run a cocotb bench on it; from pytest, or by hand with waves.

``python -m spikeloom.verif.runner UNIT --bench tb_UNIT --set chunk=32 --seed 7 --waves``
"""

import hashlib
import json
import shlex
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any
from xml.etree import ElementTree

import find_libpython
from cocotb_tools import config as cocotb_config
from cyclopts import App, CycloptsError, Parameter

from ..gen.emit import emit
from ..gen.files import write_whole
from ..gen.presets import DEFAULT_PRESET, load_unit_config
from ..gen.units import check_unit, family_of
from ..rtl.config import Config, ConfigError
from .bench import CONFIG_VARIABLE, PARAMETERS_VARIABLE, UNIT_VARIABLE
from .build import OUT, Design, build, locked
from .toolchain import ToolError, environment

__all__ = ["BenchFailure", "Run", "emitted", "main", "run_bench", "simulation_variables"]

_EMITTING = threading.Lock()  # elaboration is not made for several threads
_TIME_LIMIT = 900  # seconds of one run; a bench gives up by itself long before


class BenchFailure(AssertionError):
    """A bench found a mismatch; the message names it, the seed and the command to see it."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of one bench on one configured unit."""

    unit: str
    config: Config
    bench: str                     # module of this package, such as "tb_plif"
    seed: int = 1
    parameters: dict[str, Any] = field(default_factory=dict)  # for the bench
    tests: str = ""                # regular expression on the names of tests; empty: all
    design: Design | None = None   # other Verilog in place of the unit's own
    waves: bool = False

    @property
    def folder(self) -> Path:
        """Where the build lies; its runs below."""
        name = f"{self.unit}-{self.config.hash()}"
        if self.design:
            name += f"-{_digest(self.design.verilog)}"
        return OUT / (name + "-waves" if self.waves else name)

    def command(self) -> str:
        """Return the shell command that repeats this run with waves."""
        preset = family_of(self.unit).preset
        defaults = load_unit_config(preset).flat()
        python = Path(sys.executable)
        if python.is_relative_to(Path.cwd()):
            python = python.relative_to(Path.cwd())
        words = [str(python), "-m", "spikeloom.verif.runner", self.unit, "--bench", self.bench,
                 "--seed", str(self.seed), "--waves"]
        if preset != DEFAULT_PRESET:
            words += ["--config", preset]
        for name, value in self.config.flat().items():
            if value != defaults.get(name):
                words += ["--set", f"{name}={value}"]
        if self.parameters:
            words += ["--parameters", json.dumps(self.parameters)]
        if self.tests:
            words += ["--tests", self.tests]
        if self.design:
            words += ["--verilog", str(self.folder / f"{self.design.top}.v")]
            words += [word for path in self.design.libraries for word in ("--library", str(path))]
            words += [f"--argument={text}" for text in self.design.arguments]
        return shlex.join(words)


def emitted(unit: str, config: Config) -> str:
    """Return the Verilog of a unit; emitted anew only when the generator's sources changed.

    Raises
    ------
    ConfigError
        There is no such unit.
    """
    check_unit(unit)
    package = Path(__file__).parent.parent
    sources = sorted([*package.glob("rtl/**/*.py"), *package.glob("gen/*.py")])
    key = _digest(version("amaranth"), version("spikeloom"), *(
        path.read_text() for path in sources))
    path = OUT / "emitted" / f"{unit}-{config.hash()}-{key}.v"
    with locked(path.with_suffix("")):
        if not path.exists():
            with _EMITTING:
                write_whole(path, emit(unit, config).verilog)
    return path.read_text()


def run_bench(run: Run) -> Path:
    """Run a bench and return its log.

    Raises
    ------
    BenchFailure
        A test of the bench failed, or the simulation ended without a result.
    ToolError
        A tool is missing or failed.
    """
    design = run.design or Design(top=run.unit, verilog=emitted(run.unit, run.config))
    program = build(design, run.folder, run.waves)
    place = run.folder / "runs" / f"{run.bench}-{run.seed}-{_digest(run.command())}"
    place.mkdir(parents=True, exist_ok=True)
    results, log = place / "results.xml", place / "run.log"
    results.unlink(missing_ok=True)
    trace = ["--trace", "--trace-file", str(place / "waves.vcd")] if run.waves else []
    with log.open("w") as file:
        try:
            subprocess.run([str(program), *trace], cwd=place, stdout=file,
                           stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                           env=simulation_variables(run, design, results),
                           timeout=_TIME_LIMIT, check=False)
        except subprocess.TimeoutExpired:
            raise BenchFailure(_report(run, log, f"no end in {_TIME_LIMIT} s")) from None
    problem = _problem(results)
    if problem:
        raise BenchFailure(_report(run, log, problem))
    return log


def simulation_variables(run: Run, design: Design, results: Path) -> dict[str, str]:
    """Return the environment of the simulation."""
    library = find_libpython.find_libpython()
    if library is None:
        name = f"libpython{sys.version_info.major}.{sys.version_info.minor}"
        raise ToolError(f"{name} is not installed: apt-get install {name}")
    return environment() | {
        "GPI_USERS": f"{library};{cocotb_config.pygpi_entry_point()}",
        "PYGPI_PYTHON_BIN": sys.executable,
        "TOPLEVEL_LANG": "verilog",
        "COCOTB_TOPLEVEL": design.top,
        "COCOTB_TEST_MODULES": f"{__package__}.{run.bench}",
        "COCOTB_REWRITE_ASSERTION_FILES": "tb_*.py",  # by default all of torch, for seconds
        "COCOTB_TEST_FILTER": run.tests,
        "COCOTB_RANDOM_SEED": str(run.seed),
        "COCOTB_RESULTS_FILE": str(results),
        "COCOTB_TRUST_INERTIAL_WRITES": "1",
        "COCOTB_ANSI_OUTPUT": "0",
        UNIT_VARIABLE: run.unit,
        CONFIG_VARIABLE: json.dumps(run.config.as_dict()),
        PARAMETERS_VARIABLE: json.dumps(run.parameters),
    }


def _problem(results: Path) -> str:
    """Return what went wrong, or nothing."""
    if not results.exists():
        return "the simulation ended without a result"
    cases = list(ElementTree.parse(results).getroot().iter("testcase"))
    ran = [case for case in cases if case.find("skipped") is None]
    wrong = [f"{case.get('name')}: {item.get('message')}" for case in ran
             for item in case if item.tag in ("failure", "error")]
    return "\n".join(wrong) if wrong or ran else "no test ran"


def _report(run: Run, log: Path, problem: str) -> str:
    return (f"{run.bench} on {run.unit} {run.config.hash()}, seed {run.seed}:\n{problem}\n"
            f"log: {log}\nwith waves: {run.command()}")


def _digest(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:12]



_app = App(name="python -m spikeloom.verif.runner", help="Run one bench on one unit.",
           version_flags=[], result_action="return_value")


@_app.default
def _run(
    unit: str,
    *,
    bench: str,
    config: str = DEFAULT_PRESET,
    overrides: Annotated[tuple[str, ...], Parameter(
        name="--set", negative="", show_default=False,
        help="field=value, in place of the preset's; again for more.")] = (),
    seed: int = 1,
    parameters: str = "{}",
    tests: str = "",
    waves: bool = False,
    verilog: Path | None = None,
    library: Annotated[tuple[Path, ...], Parameter(
        negative="", show_default=False, help="Further Verilog source that it needs.")] = (),
    argument: Annotated[tuple[str, ...], Parameter(
        negative="", show_default=False, help="Further Verilator argument for it.")] = (),
) -> Path:
    """Run one bench on one unit.

    Parameters
    ----------
    bench
        Module of the bench, such as tb_plif.
    config
        Preset, or path of a TOML file.
    parameters
        JSON object for the bench.
    tests
        Regular expression: only the tests it finds.
    waves
        Write a VCD file beside the log.
    verilog
        Verilog to run in place of the unit's own.
    """
    design = verilog and Design(top=unit, verilog=verilog.read_text(), libraries=library,
                                arguments=argument)
    return run_bench(Run(unit=unit, config=load_unit_config(config, overrides), bench=bench,
                         seed=seed, parameters=json.loads(parameters), tests=tests,
                         design=design, waves=waves))


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line; return 1 if the bench failed, 2 if it could not run."""
    try:
        log = _app(sys.argv[1:] if words is None else words, exit_on_error=False,
                   print_error=False)
    except BenchFailure as failure:
        print(failure, file=sys.stderr)
        return 1
    except (ConfigError, CycloptsError, ToolError, OSError, json.JSONDecodeError) as error:
        print(error, file=sys.stderr)
        return 2
    if log:  # not after --help
        print(f"passed, log: {log}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
