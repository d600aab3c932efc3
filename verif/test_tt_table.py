# SPDX-License-Identifier: Apache-2.0
"""The table of tensor-train networks on the RTL."""

import dataclasses
import json

import pytest
from rich.console import Console

from spikeloom.gen.presets import load_config
from spikeloom.models.zoo.tt_variants import VARIANTS
from spikeloom.verif import tt_table
from spikeloom.verif.verilator_transport import VerilatorTransport


def entry(variant, cycles=1000, exact=True):
    return tt_table.Entry(
        network=variant.name, trained=variant.recipe.name, unmerged=variant.unmerged,
        weight_bits=variant.weight_bits, images=2, right=2, cycles=cycles, matches=5, exact=exact,
        error="" if exact else "psum must be 1, not 2")


def shown(entries):
    console = Console(width=120)
    with console.capture() as capture:
        console.print(tt_table.side_by_side(entries))
    return [line.split() for line in capture.get().splitlines()]


def test_table_puts_networks_side_by_side():
    lines = shown([entry(VARIANTS["tt_digits_dense"], 2000), entry(VARIANTS["tt_digits_ptt"], 500),
                   entry(VARIANTS["tt_digits_ptt_unmerged"], 3000, exact=False)])
    rows = {line[1]: line for line in lines if line and line[0] == "│"}
    assert rows["tt_digits_dense"][3:5] == ["2,000", "(1.00)"]
    assert rows["tt_digits_ptt"][3:5] == ["500", "(0.25)"]
    assert rows["tt_digits_ptt"][6:8] == ["3,000", "(1.50)"]
    assert "exact" in rows["tt_digits_dense"] and "mismatch" in rows["tt_digits_ptt"]


@pytest.mark.parametrize("wrong", ["", "tt_quadrants_stt_unmerged"])
def test_command_runs_all_networks_on_one_accelerator(wrong, tmp_path, monkeypatch, capsys):
    built, ran = [], []

    class Transport:
        def __init__(self, config):
            built.append(config)

        def close(self):
            built.append("closed")

    def measure(variant, config, images, transport):
        assert config == built[0] and images == 3
        ran.append(variant.name)
        return entry(variant, exact=variant.name != wrong)

    monkeypatch.setattr(tt_table, "VerilatorTransport", Transport)
    monkeypatch.setattr(tt_table, "measure", measure)
    out = tmp_path / "table.json"
    code = tt_table.main(["--data", "quadrants", "--images", "3", "--set", "tppes=32", "--out",
                          str(out)])
    assert code == bool(wrong)
    assert built == [load_config("tt", ["tppes=32"]), "closed"]
    assert ran == [name for name in VARIANTS if "quadrants" in name]
    assert [found["network"] for found in json.loads(out.read_text())] == ran
    assert (f"{wrong}: psum must be 1, not 2" in capsys.readouterr().out) == bool(wrong)
    assert tt_table.main(["--data", "letters", "--out", str(out)]) == 2


@pytest.mark.long
def test_cores_on_the_rtl():
    """Masks, and integers of each timestep, of trained networks; equal in every layer."""
    config = load_config("tt")
    with VerilatorTransport(config) as transport:
        for name in ("tt_digits_htt", "tt_digits_htt_unmerged_int4"):
            found = tt_table.measure(VARIANTS[name], config, 1, transport)
            assert found.exact, found.error
            assert found.cycles > 10_000 and found.matches > 1000
            assert dataclasses.asdict(found)["network"] == name
