# SPDX-License-Identifier: Apache-2.0
"""Energy tables, results and what is printed and drawn of them."""

import tomllib

import msgspec
import pytest
from rich.console import Console

from spikeloom.verif.accounting import report
from spikeloom.verif.accounting.energy import (
    DEFAULT_TABLES,
    EnergyError,
    energy,
    load_table,
)
from spikeloom.verif.accounting.results import (
    ACCOUNTING,
    Element,
    Layer,
    Results,
    ResultsError,
    load_results,
    parse_results,
    total,
)


def layer(name, bound, cycles, exact=True):
    return Layer(
        name=name, bound=bound, accounting={design: 2 * bound for design in ACCOUNTING},
        dram_bytes={"loas": {"weight_values": bound, "partial_sums": 1}},
        pes={"scan": Element(cycles=cycles, adders=64, exact=exact, luts=1200, ffs=900, brams=4,
                             fmax_mhz=100.0, array_luts=1500, array_fmax_mhz=90.0,
                             dram_bytes={"weights": 7},
                             activity={"add": bound, "wait": cycles - bound},
                             events={"add_32_bit": 5000}, energy_pj={"add_32_bit": 500.0},
                             mismatch="" if exact else f"layer {name}: wrong"),
             "bcast": Element(cycles=cycles + 1, adders=256, exact=True)})


@pytest.fixture
def results():
    layers = [layer("conv2", 1000, 1200), layer("conv3", 3000, 3300, exact=False)]
    return Results(trace="net", elements=16, timesteps=4, notes=["at random"], layers=layers,
                   total=total(layers))


def printed(table):
    console = Console(width=200, record=True, file=open("/dev/null", "w"))
    console.print(table)
    console.file.close()
    return [" ".join(line.split()) for line in console.export_text().splitlines()]


def test_total(results):
    assert (results.total.name, results.total.bound) == ("total", 4000)
    assert results.total.accounting == dict.fromkeys(ACCOUNTING, 8000)
    assert results.total.dram_bytes == {"loas": {"weight_values": 4000, "partial_sums": 2}}
    scan = results.total.pes["scan"]
    assert (scan.cycles, scan.adders, scan.luts, scan.exact) == (4500, 64, 1200, False)
    assert scan.activity == {"add": 4000, "wait": 500}
    assert (scan.dram_bytes, scan.events) == ({"weights": 14}, {"add_32_bit": 10000})
    assert (scan.energy_pj, scan.mismatch) == ({"add_32_bit": 1000.0}, "layer conv3: wrong")
    assert results.total.pes["bcast"].cycles == 4502
    del results.layers[1].pes["bcast"]
    assert list(total(results.layers).pes) == ["scan"]


def test_results_as_json(results, tmp_path):
    assert parse_results(msgspec.to_builtins(results)) == results
    path = tmp_path / "results.json"
    path.write_bytes(msgspec.json.encode(results))
    assert load_results(path) == results
    path.write_text("{")
    with pytest.raises(ResultsError, match="results.json: "):
        load_results(path)
    with pytest.raises(ResultsError, match="none.json"):
        load_results(tmp_path / "none.json")


@pytest.mark.parametrize("field, value, message", [
    ("cycles", "many", r"got `str` - at `\$\.total\.pes\[\.\.\.\]\.cycles`"),
    ("lutts", 3, "unknown field `lutts`"),
])
def test_results_refused(results, field, value, message):
    values = msgspec.to_builtins(results)
    values["total"]["pes"]["scan"][field] = value
    with pytest.raises(ResultsError, match=message):
        parse_results(values)


def test_cycles_table(results):
    lines = printed(report.cycles_table(results))
    assert "cycles, net, 16 elements" in lines
    assert "match bound bound 1,000 3,000 4,000" in lines
    assert "SparTen accounting 2,000 6,000 8,000" in lines
    assert "scan simulation 1,200 3,300 4,500" in lines


def test_ratios_table(results):
    lines = printed(report.ratios_table(results))
    assert "match bound bound 1.00 1.00 1.00" in lines
    assert "SparTen accounting 2.00 2.00 2.00" in lines
    assert "scan simulation 1.20 1.10 1.12" in lines


def test_hardware_tables(results):
    lines = printed(report.element_table(results))
    assert "scan 4 75 56 0 100.0" in lines and "bcast 16 - - - -" in lines
    lines = printed(report.hardware_table(results))
    assert "scan wrong 4,500 64 1,500 - - - 90.0 0.050 7" in lines  # 4500 / 90 MHz = 50 us
    assert "bcast exact 4,502 256 - - - - - - -" in lines


def test_activity_table(results):
    lines = printed(report.activity_table(results))
    assert "scan 88.9 11.1" in lines and "bcast 0.0 0.0" in lines


def test_summary(results):
    assert report.summary(results.total) == []
    results.total.pes["loas"] = Element(cycles=9000, adders=80, exact=True, array_luts=3000)
    assert report.summary(results.total) == [
        "scan is the fastest with at most the adders of loas: 64 of 80",
        "scan takes 1.12 times the cycles of the match bound",
        "scan takes 1.78 times fewer cycles than LoAS by the accounting of its authors",
        "scan takes 2.00 times fewer cycles than loas",
        "cycles x LUTs of the array of scan are 4.00 times fewer than of loas"]
    results.total.pes["scan"].array_luts = None
    assert len(report.summary(results.total)) == 4


def test_traffic_table(results):
    lines = printed(report.traffic_table(results))
    assert "LoAS accounting 4,000 0 0 2 4,002" in lines
    assert "scan simulation 14 0 0 0 14" in lines
    assert not any(line.startswith(("bcast", "SparTen")) for line in lines)


def test_energy_table(results):
    lines = printed(report.energy_table(results))
    assert "element add 32 bit total" in lines
    assert "scan 1.0 1.0" in lines and "bcast 0.0 0.0" in lines


@pytest.mark.parametrize("suffix, magic", [(".png", b"\x89PNG"), (".svg", b"<?xml")])
def test_draw(results, tmp_path, suffix, magic):
    path = tmp_path / f"cycles{suffix}"
    report.draw(results, path)
    assert path.read_bytes().startswith(magic)


def test_bars_stack_to_the_total(results):
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    report._draw_cycles(axes, results)
    bars = len(ACCOUNTING) + 3  # the bound and two simulated kinds
    tops = [patch.get_y() + patch.get_height() for patch in axes.patches]
    assert tops[:bars] == [1000, *[2000] * len(ACCOUNTING), 1200, 1201]
    assert tops[bars:] == [4000, *[8000] * len(ACCOUNTING), 4500, 4502]
    assert [text.get_text() for text in axes.texts][0] == "1.00"
    axes = Figure().subplots()
    report._draw_activity(axes, results.total)
    assert [patch.get_height() for patch in axes.patches] == pytest.approx([800 / 9, 100 / 9])


def test_draw_without_simulation(results, tmp_path):
    for one in (*results.layers, results.total):
        one.pes.clear()
        one.accounting.clear()
        one.bound = 0
    report.draw(results, tmp_path / "bound.png")
    assert "match bound bound - - -" in printed(report.ratios_table(results))


def test_energy():
    table = load_table()
    assert energy({"add_8_bit": 1000, "dram_byte": 2}, table) == pytest.approx(
        {"add_8_bit": 30, "dram_byte": 325})
    loas = load_table("loas")
    for design in ACCOUNTING:
        assert energy({f"match_{design}": 1}, loas)[f"match_{design}"] > 1
    # 32 bytes cost what CACTI says.
    cacti = energy({"cache_read_byte": 32, "cache_write_byte": 32}, load_table("cacti_32nm"))
    assert cacti == pytest.approx({"cache_read_byte": 64.8, "cache_write_byte": 71.2})


def test_every_energy_has_a_source():
    for table in tomllib.loads(DEFAULT_TABLES.read_text()).values():
        assert table and all(event["source"] for event in table.values())


def test_own_energies(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text('[mine]\nadd = { picojoules = 2, source = "measured" }')
    assert energy({"add": 3}, load_table("mine", path)) == {"add": 6}


@pytest.mark.parametrize("text, message", [
    ("[a]\nadd = 3", "own.toml: .*got `int`"),
    ('[a]\nadd = { picojoules = -1, source = "x" }', "own.toml: .*>= 0"),
    ('[a]\nadd = { picojoules = 1, source = "" }', "own.toml: .*length >= 1"),
    ('[a]\nadd = { picojoules = 1, source = "x", unit = "pJ" }', "unknown field `unit`"),
    ("[a", "own.toml: "),
    ('[mime]\nadd = { picojoules = 1, source = "x" }',
     "own.toml: no table 'mine', did you mean 'mime'?"),
])
def test_energy_table_refused(tmp_path, text, message):
    path = tmp_path / "own.toml"
    path.write_text(text)
    with pytest.raises(EnergyError, match=message):
        load_table("mine", path)


@pytest.mark.parametrize("counts, message", [
    ({"add_9_bit": 1}, "no event 'add_9_bit' in the table, did you mean 'add_8_bit'?"),
    ({"zzz": 1}, "no event 'zzz' in the table; there are add_8_bit, "),
    ({"add_8_bit": -1}, "count of add_8_bit must be 0 or more, not -1"),
])
def test_events_refused(counts, message):
    with pytest.raises(EnergyError, match=message):
        energy(counts, load_table())
    with pytest.raises(EnergyError, match="none.toml"):
        load_table(path=DEFAULT_TABLES.parent / "none.toml")
