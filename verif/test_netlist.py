# SPDX-License-Identifier: Apache-2.0
"""Every unit synthesizes: no latch, no state lost by mistake, and the netlist still works."""

import re

import pytest

from spikeloom.gen.units import UNITS
from spikeloom.verif import random_vit, train_traffic
from spikeloom.verif.build import OUT, blank_memories
from spikeloom.verif.netlist import FAMILIES, synthesize
from spikeloom.verif.runner import Run, emitted, run_bench
from spikeloom.verif.toolchain import ToolError
from spikeloom.verif.unit_configs import odd_config

# Look-up tables, flip-flop bits, block RAMs at `odd_config`; look at a change beyond TOLERANCE.
CELLS = {
    "prefix_sum_fast": (27, 23, 0),
    "prefix_sum_laggy": (30, 62, 0),
    "inner_join": (177, 170, 0),
    "tppe": (591, 524, 2),
    "plif": (1160, 373, 0),
    "serial_lif": (256, 23, 0),
    "compressor": (104, 67, 0),
    "decompressor": (106, 95, 1),
    "ftp_array": (2899, 1923, 5),
    "lookup_array": (2232, 1569, 11),
    "post_processor": (5703, 1365, 2),
    "csr": (1310, 203, 0),
    "weight_loader": (869, 372, 2),
    "cell_loader": (263, 81, 0),
    "crossbar_array": (4578, 2139, 20),
    "attention_array": (1779, 1253, 10),
    "residual_pool": (2900, 920, 2),
    "chunk_writer": (405, 186, 2),
    "spike_loader": (3129, 1286, 0),
    "element": (948, 712, 4),
    "spiking_array": (3618, 2328, 9),
    "adc": (40, 11, 0),
    "crossbar": (1069, 519, 6),
    "imc_engine": (3689, 1680, 15),
    "membrane_lif": (489, 75, 2),
    "imc_core": (4184, 1837, 19),
    "uart": (49, 38, 0),
    "slip_decoder": (14, 1, 0),
    "slip_encoder": (14, 1, 0),
    "host_link": (520, 230, 2),
    "ttfs_neuron": (1221, 12, 0),
    "layer_norm": (2281, 282, 1),
    "softmax": (912, 162, 1),
    "gelu": (14, 21, 1),
    "rescaler": (730, 46, 0),
}
TOLERANCE = 0.15
QUICK = 700  # look-up tables that Verilator is through with in seconds
# Whole cores: a configuration, and what of their benches a netlist is through with in minutes.
WHOLE = {
    "ttfs_core": (odd_config("ttfs_core"), r"matches_golden.*shape=res/pauses=0.4"),
    "vit_core": (random_vit.CONFIG, r"matches_golden.*pattern=AR/.*"),
    "train_core": (train_traffic.CONFIG, r"matches_golden.*number=0/pauses=0.4"),
}

# Register bits that may go, with the reason.
DISPENSABLE = {
    r"(.*\.)?o__payload\.offsets\[(?P<position>\d+)\]":
        "the offset of position p is at most p, so its highest bits are zero",
    r"(.*\.)?(weight|spike)_ranks\.o__payload\.count":
        "the scanner needs only the offsets of a prefix sum",
    r"(.*\.)?lif_4\.soft_reset":
        "nobody needs the membrane behind the last of 5 timesteps",
    r"(.*\.)?array\.error\.tile_groups":
        "the lookup array has one group",
    r"left":
        "the cell loader's rows have whole chunks",
    r"(.*\.)?expander\.over":
        "the crossbar array stops at a row too long",
}


@pytest.fixture(params=CELLS)
def unit(request):
    """Each unit in turn, but the whole."""
    return request.param


@pytest.fixture(scope="module")
def netlists():
    """Netlists by unit, each made once."""
    return {}


@pytest.fixture
def netlist(unit, netlists):
    if unit not in netlists:
        netlists[unit] = synthesize(unit, emitted(unit, odd_config(unit)), OUT / "netlist" / unit)
    return netlists[unit]


def _may_go(register, bits):
    reason = next(filter(None, (re.fullmatch(text, register) for text in DISPENSABLE)), None)
    if reason and "position" in reason.groupdict():
        return min(bits) >= int(reason["position"]).bit_length()
    return bool(reason)


def test_every_unit_has_an_expectation():
    # the accelerator runs a network as part of a system, see fpga/test_simulated_board.py
    assert set(CELLS) | {*WHOLE, "accelerator"} == set(UNITS)


def test_nothing_is_lost(netlist):
    assert not netlist.latches
    assert not netlist.lost_memories
    lost = {name: bits for name, bits in netlist.lost.items() if not _may_go(name, bits)}
    assert not lost, f"synthesis removed {lost}"


def test_size_is_as_expected(unit, netlist):
    cells = netlist.cells
    flip_flops = sum(count for kind, count in cells.items() if kind.startswith("SB_DFF"))
    found = (cells["SB_LUT4"], flip_flops, cells["SB_RAM40_4K"])
    for got, expected in zip(found, CELLS[unit], strict=True):
        assert got == pytest.approx(expected, rel=TOLERANCE, abs=4), f"{found} cells"


@pytest.mark.parametrize("unit", [
    pytest.param(unit, marks=pytest.mark.long if luts > QUICK else ())
    for unit, (luts, *_) in CELLS.items()])
def test_netlist_passes_the_bench(unit, netlist):
    bench = UNITS[unit].__module__.rpartition(".")[2]
    run_bench(Run(unit=unit, config=odd_config(unit), bench=f"tb_{bench}", design=netlist.design,
                  tests=r"matches_golden(/\w+=0\.[1-9]\d*)+$"))


@pytest.mark.parametrize("name", [pytest.param(name, marks=() if name == "uart" else
                                               pytest.mark.long) for name in CELLS])
def test_ecp5_netlist_passes_the_bench(name):
    netlist = synthesize(name, emitted(name, odd_config(name)), OUT / "netlist" / f"{name}-ecp5",
                         "ecp5")
    assert not netlist.latches
    bench = UNITS[name].__module__.rpartition(".")[2]
    run_bench(Run(unit=name, config=odd_config(name), bench=f"tb_{bench}", design=netlist.design,
                  tests=r"matches_golden(/\w+=0\.[1-9]\d*)+$"))


@pytest.mark.long
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", WHOLE)
def test_netlist_of_a_core_passes_the_bench(name, family):
    config, tests = WHOLE[name]
    verilog = blank_memories(emitted(name, config))  # block RAMs begin with anything
    netlist = synthesize(name, verilog, OUT / "netlist" / f"{name}-{family}-core", family)
    assert not netlist.latches and not netlist.lost_memories
    run_bench(Run(unit=name, config=config, bench=f"tb_{name}", design=netlist.design,
                  tests=tests))


def test_lost_state_is_noticed():
    verilog = """module unit(clk, i, o);
  input clk;
  input [1:0] i;
  output o;
  reg [1:0] used;
  reg [2:0] stuck = 0;
  reg unread;
  always @(posedge clk) begin
    used <= i;
    stuck <= stuck & {2'b0, i[0]};
    unread <= i[0] ^ i[1];
  end
  assign o = ^{used, stuck};
endmodule
"""
    lost = synthesize("unit", verilog, OUT / "netlist" / "lost").lost
    assert lost == {"stuck": [1, 2], "unread": [0]}


@pytest.mark.parametrize("statement, text", [
    ("always @* if (i) o = 1;", ""),
    ("assign o = o ^ i;", "logic loop"),
])
def test_bad_logic_is_noticed(statement, text, tmp_path):
    kind = "reg" if statement.startswith("always") else "wire"
    verilog = f"module unit(i, o);\ninput i;\noutput o;\n{kind} o;\n{statement}\nendmodule\n"
    if text:
        with pytest.raises(ToolError, match=text):
            synthesize("unit", verilog, tmp_path)
    else:
        assert synthesize("unit", verilog, tmp_path).latches
