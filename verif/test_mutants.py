# SPDX-License-Identifier: Apache-2.0
"""The benches notice designs that are broken on purpose."""

import pytest

from spikeloom.verif.build import Design
from spikeloom.verif.mutants import CONFIG, MUTANTS, Mutant, PatchError, patched
from spikeloom.verif.runner import BenchFailure, Run, emitted, run_bench

UNITS = sorted({mutant.unit for mutant in MUTANTS.values()})


def run(unit, **extra):
    run_bench(Run(unit=unit, config=CONFIG, bench=f"tb_{unit}",
                  parameters={"positions": 20 * CONFIG.chunk} if unit == "compressor" else {},
                  **extra))


@pytest.mark.parametrize("unit", UNITS)
def test_design_itself_passes(unit):
    run(unit)


@pytest.mark.parametrize("mutant", MUTANTS.values(), ids=MUTANTS)
def test_bench_kills(mutant):
    verilog = patched(mutant, emitted(mutant.unit, CONFIG))
    with pytest.raises(BenchFailure, match=rf"\n({mutant.killed_by})\S*: \S"):
        run(mutant.unit, design=Design(top=mutant.unit, verilog=verilog), tests=mutant.killed_by)


@pytest.mark.parametrize("changes", [{"module": "other"}, {"pattern": "no such line"}])
def test_stale_patch_is_refused(changes):
    fields = {"unit": "tppe", "module": "row", "pattern": "= ~ bank;", "replacement": ""} | changes
    with pytest.raises(PatchError, match="must"):
        patched(Mutant(**fields), emitted("tppe", CONFIG))
