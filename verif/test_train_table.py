# SPDX-License-Identifier: Apache-2.0
"""Table of ways to train: events out of counters, and what makes it fail."""

import json

import pytest

from spikeloom.rtl.config import TrainConfig
from spikeloom.rtl.train.train_core import COUNTERS
from spikeloom.verif import train_table
from spikeloom.verif.accounting.energy import energy, load_table
from spikeloom.verif.train_course import Course
from spikeloom.verif.train_host import TrainRun


def test_events_are_words_times_their_bytes():
    counters = {name: 10 ** (index % 5) for index, name in enumerate(COUNTERS)}
    found = train_table.events(counters, TrainConfig())
    assert found == {
        "accumulate_for_spike": 10000, "multiply_accumulate": 1, "neuron_step": 8 * 10000,
        "neuron_back_step": 8, "weight_byte": 8 * 100, "activation_byte": 8 * (1000 + 100),
        "error_byte": 8 * (1 + 1000 + 1), "spike_byte": 10000 + 2 * 10000 + 2,
        "gradient_byte": 64 * 10}
    charged = energy(found, load_table("sata"))
    assert charged["multiply_accumulate"] == 0.2779 and charged["weight_byte"] == 800 * 0.139


@pytest.fixture
def perfect(monkeypatch):
    """Let a core that does what the golden model does stand in for the RTL."""
    spoilt = []

    def run(config, instructions, folder):
        sent, words, place = list(instructions), [], 0
        course = Course.last
        logits = [word & 0xFFFFFFFF for row in course.logits[-16:] for word in row]
        state = course.host.state(course.trainers[-1])
        for one in sent:
            if one["kind"] == 1:
                words.append(one["address"])
        place = len(words) - len(COUNTERS) - len(state)
        words[:place] = logits
        words[place:-len(COUNTERS)] = [one["word"] for one in state]
        words[place] += len(spoilt)
        return TrainRun(words=words, cycles=5, error=0, stuck=False)

    init = Course.__post_init__

    def remember(self):
        init(self)
        Course.last = self

    monkeypatch.setattr(Course, "last", None, raising=False)
    monkeypatch.setattr(Course, "__post_init__", remember)
    monkeypatch.setattr(train_table, "run_instructions", run)
    monkeypatch.setattr(train_table, "_TRAINED", 2)
    monkeypatch.setattr(train_table, "WAYS", {
        name: way for name, way in train_table.WAYS.items()
        if name in ("dense, one array of all lanes", "HTT, clusters")})
    return spoilt


def test_command_prints_all_ways(perfect, capsys, tmp_path):
    assert train_table.main(["--layer", "tt_unit", "--out", str(tmp_path)]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "dense, one array of all lanes 32" in text and "HTT, clusters 32" in text
    rows = json.loads((tmp_path / "tt_unit.json").read_text())
    assert [row["config"]["lanes"] for row in rows] == [32, 8]
    assert rows[0]["counters"]["multiplies"] == COUNTERS.index("multiplies") / 16
    perfect.append(1)
    assert train_table.main(["--layer", "tt_unit", "--out", str(tmp_path)]) == 2
    assert "dense, one array of all lanes: step 2: shift of dy must be" in (
        capsys.readouterr().err)


@pytest.mark.parametrize("words, text", [
    (["--layer", "tt_net"], "layer must be one of tt_unit, tt_layer, not 'tt_net'"),
    (["--table", "stata"], "no table 'stata', did you mean 'sata'?"),
])
def test_bad_arguments(words, text, capsys):
    assert train_table.main(words) == 2
    assert text in capsys.readouterr().err


