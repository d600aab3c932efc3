# SPDX-License-Identifier: Apache-2.0
"""The test equipment itself: pauses as asked for, and rule breakers are caught."""

import itertools
import random
import shlex
from pathlib import Path

import pytest

from spikeloom.rtl.config import FTPConfig
from spikeloom.verif.build import Design
from spikeloom.verif.runner import BenchFailure, Run, main, run_bench
from spikeloom.verif.stand_in import stand_in
from spikeloom.verif.streams import pauses

CONFIG = FTPConfig(chunk=8, laggy_adders=8, beat_values=1)
BODY = """
  reg [7:0] count;
  always @(posedge clk) count <= rst ? 0 : count + 1;
  assign i__ready = {ready};
  assign o__valid = {valid};
  assign o__payload = {payload};
"""


def _take(probability, burst, count=20000):
    return list(itertools.islice(pauses(random.Random(1), probability, burst), count))


@pytest.mark.parametrize("probability", [0, 0.1, 0.5, 0.9, 1])
@pytest.mark.parametrize("burst", [1, 4])
def test_share_of_pauses(probability, burst):
    found = _take(probability, burst)
    assert sum(found) / len(found) == pytest.approx(probability, abs=0.03)


def test_length_of_pauses():
    runs = [len(list(group)) for paused, group in itertools.groupby(_take(0.5, 8)) if paused]
    assert sum(runs) / len(runs) == pytest.approx(8, rel=0.1)


def test_pauses_repeat_with_their_seed():
    assert _take(0.3, 2) == _take(0.3, 2)


@pytest.mark.parametrize("probability, burst", [(-0.1, 1), (1.1, 1), (0.5, 0.5)])
def test_pauses_out_of_range(probability, burst):
    with pytest.raises(ValueError, match="pauses need a probability in 0..1 and a burst of at"):
        next(pauses(random.Random(1), probability, burst))


@pytest.mark.parametrize("text, ready, valid, payload", [
    (r"o: valid withdrawn in cycle \d+", "1", "count[0]", "0"),
    (r"o: payload changed in cycle \d+ from 0x\w+ to 0x\w+", "1", "1", "{20'b0, count}"),
    (r"o: 0 of 100 transfers, none in 100000 cycles", "0", "0", "0"),
])
def test_rule_breakers_are_caught(text, ready, valid, payload):
    verilog = stand_in("prefix_sum_fast", CONFIG,
                       BODY.format(ready=ready, valid=valid, payload=payload))
    with pytest.raises(BenchFailure, match=text) as failure:
        run_bench(Run(unit="prefix_sum_fast", config=CONFIG, bench="tb_prefix_sum", seed=5,
                      design=Design(top="prefix_sum_fast", verilog=verilog),
                      tests="matches_golden.*stalls=0.5"))
    message = str(failure.value)
    assert "seed 5" in message
    assert "with waves: " in message
    assert (" -m spikeloom.verif.runner prefix_sum_fast --bench tb_prefix_sum --seed 5 --waves "
            "--set chunk=8") in message


def test_no_test_is_no_success():
    with pytest.raises(BenchFailure, match="no test ran|without a result"):
        run_bench(Run(unit="prefix_sum_fast", config=CONFIG, bench="tb_prefix_sum",
                      tests="no_such_test"))


def test_the_printed_command_works(capsys):
    run = Run(unit="prefix_sum_fast", config=CONFIG, bench="tb_prefix_sum", seed=7,
              parameters={"latency": 2}, tests="keeps_its_pace")
    with pytest.raises(BenchFailure, match="keeps_its_pace: ") as failure:
        run_bench(run)
    words = shlex.split(str(failure.value).rpartition("with waves: ")[2])
    assert Path(words[0]).exists()
    assert main(words[3:]) == 1
    again = capsys.readouterr().err
    assert "keeps_its_pace: " in again
    log = Path(again.rpartition("log: ")[2].splitlines()[0])
    assert (log.parent / "waves.vcd").stat().st_size > 1000
    assert main([*words[3:], "--set", "chunk=9"]) == 2
    assert capsys.readouterr().err == "preset loas: chunk must be a multiple of 8, not 9\n"
