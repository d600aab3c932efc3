# SPDX-License-Identifier: Apache-2.0
"""The benches notice designs that are broken on purpose."""

import itertools

import pytest

from spikeloom.verif import (
    mutants_attention,
    mutants_ftp,
    mutants_imc,
    mutants_link,
    mutants_pe,
    mutants_soc,
    mutants_train,
    mutants_ttfs,
    mutants_vit,
)
from spikeloom.verif.build import QUICK_BUILD, Design
from spikeloom.verif.mutants import CONFIG, Mutant, PatchError, patched
from spikeloom.verif.runner import BenchFailure, Run, emitted, run_bench

TABLES = (mutants_attention.MUTANTS, mutants_ftp.MUTANTS, mutants_link.MUTANTS,
          mutants_pe.MUTANTS, mutants_soc.MUTANTS, mutants_train.MUTANTS, mutants_ttfs.MUTANTS,
          mutants_vit.MUTANTS, mutants_imc.MUTANTS)
MUTANTS = {name: mutant for table in TABLES for name, mutant in table.items()}


def bench_of(mutant):
    return mutant.bench or f"tb_{mutant.unit}"


BENCHES = {bench: list(mutants) for bench, mutants in itertools.groupby(
    sorted(MUTANTS.values(), key=bench_of), key=bench_of)}


def run(mutant, **extra):
    short = {"positions": 20 * CONFIG.chunk} if mutant.unit == "compressor" else {}
    run_bench(Run(unit=mutant.unit, config=mutant.config, bench=bench_of(mutant),
                  parameters=short, **extra))


FIRST = {mutants[0] for mutants in BENCHES.values()}


def test_names_differ():
    assert len(MUTANTS) == sum(map(len, TABLES))


@pytest.mark.parametrize("mutants", BENCHES.values(), ids=BENCHES)
def test_patches_find_their_place(mutants):
    for mutant in mutants:
        patched(mutant, emitted(mutant.unit, mutant.config))


@pytest.mark.long
@pytest.mark.parametrize("mutants", BENCHES.values(), ids=BENCHES)
def test_design_itself_passes(mutants):
    run(mutants[0], tests="|".join(sorted({mutant.killed_by for mutant in mutants})))


@pytest.mark.parametrize("mutant", [
    pytest.param(mutant, id=name, marks=() if mutant in FIRST else pytest.mark.long)
    for name, mutant in MUTANTS.items()])
def test_bench_kills(mutant):
    design = Design(top=mutant.unit, verilog=patched(mutant, emitted(mutant.unit, mutant.config)),
                    arguments=QUICK_BUILD)
    with pytest.raises(BenchFailure, match=rf"\n({mutant.killed_by})\S*: \S"):
        run(mutant, design=design, tests=mutant.killed_by)


@pytest.mark.parametrize("changes", [{"module": "other"}, {"pattern": "no such line"}])
def test_stale_patch_is_refused(changes):
    fields = {"unit": "tppe", "module": "row", "pattern": "= ~ bank;", "replacement": ""} | changes
    with pytest.raises(PatchError, match="must"):
        patched(Mutant(**fields), emitted("tppe", CONFIG))
