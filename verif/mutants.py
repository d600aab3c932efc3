# SPDX-License-Identifier: Apache-2.0
"""Designs broken on purpose: patches of the emitted Verilog that the benches must notice.

A patch finds its line by the names of module, nets and ports, and by the place of a field in its
layout; where the generator numbers a net the pattern takes any number.
"""

import re
from dataclasses import dataclass
from typing import Any

from amaranth.lib import data

from .unit_configs import odd_config

__all__ = ["CONFIG", "NET", "ZERO", "Mutant", "PatchError", "bits", "patched"]

CONFIG: Any = odd_config("accelerator")

NET = r"\\\$(?:(?:signal\$)?\d+|signal) "  # a net without a name of its own
ZERO = r"\d+'[dh]0+"


class PatchError(ValueError):
    """The Verilog does not have the line that a mutant changes as often as it should."""


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """One way to break a unit.

    Parameters
    ----------
    unit : str
    module : str
        Path of the broken module in the unit; empty for the unit itself.
    pattern : str
        Regular expression of what is replaced.
    replacement : str
        As of ``re.sub``.
    count : int
        How often the pattern is in the module.
    killed_by : str
        Regular expression of the tests of the bench that are run; one must fail.
    config : Config
    bench : str
        Module of this package; empty for the unit's own.
    """

    unit: str
    module: str
    pattern: str
    replacement: str
    count: int = 1
    killed_by: str = "matches_golden"
    config: Any = CONFIG
    bench: str = ""


def patched(mutant: Mutant, verilog: str) -> str:
    """Return the Verilog of the mutant's unit, broken.

    Raises
    ------
    PatchError
        Module or pattern is not there as often as it should be.
    """
    name = f"\\{mutant.unit}.{mutant.module} " if mutant.module else mutant.unit
    modules = re.findall(rf"^module {re.escape(name)}\s*\(.*?^endmodule", verilog,
                         re.DOTALL | re.MULTILINE)
    if len(modules) != 1:
        raise PatchError(f"module {name} must be there once, not {len(modules)} times")
    broken, count = re.subn(mutant.pattern, mutant.replacement, modules[0], flags=re.DOTALL)
    if count != mutant.count:
        raise PatchError(f"module {name} must have {mutant.pattern!r} {mutant.count} times, "
                         f"not {count}")
    return verilog.replace(modules[0], broken)


def bits(layout: data.StructLayout, name: str, width: int | None = None) -> str:
    """Return a regular expression of the index of a field, or of its lowest bits."""
    low, width = layout[name].offset, width or layout[name].width
    return rf"\[{low + width - 1}:{low}\]" if width > 1 else rf"\[{low}\]"
