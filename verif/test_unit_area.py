# SPDX-License-Identifier: Apache-2.0
"""Area of a unit: small ones through Yosys, and what users may get wrong."""

import importlib.util

import pytest

from spikeloom.rtl.config import TTFSConfig
from spikeloom.verif import unit_area
from spikeloom.verif.area import Area

CORE = TTFSConfig(
    lanes=2, time_bits=5, max_tau_shift=2, weight_bits=4, charge_bits=10, guard_bits=4,
    delay_bits=3, neuron_groups=64, time_groups=128, weight_words=256, maps=8, edges=16,
    channel_entries=64, max_side=8, max_kernel=4, image_bytes=128, first_groups=4,
    accumulator_bits=20)
EXPECTED = Area(luts=4156, ffs=1744, brams=23)  # look at a change beyond TOLERANCE
TOLERANCE = 0.15
needs_yosys = pytest.mark.skipif(importlib.util.find_spec("pyosys") is None, reason="no Yosys")


@needs_yosys
def test_small_unit(capsys):
    assert unit_area.main(["ttfs_neuron", "--set", "lanes=2", "--set", "charge_bits=6"]) == 0
    rows = {words[0]: [int(word.replace(",", "")) for word in words[1:]]
            for line in capsys.readouterr().out.splitlines()
            if (words := line.split()) and words[0] in unit_area.TARGETS}
    assert rows.keys() == unit_area.TARGETS.keys()
    for luts, flip_flops, *others in rows.values():
        assert luts > 100 and flip_flops == 1 + 2 + 8 and others == [0, 0]


@needs_yosys
def test_core_is_as_large_as_expected():
    found = unit_area.unit_area("ttfs_core", CORE, "iCE40")
    for field in ("luts", "ffs", "brams"):
        expected = getattr(EXPECTED, field)
        assert getattr(found, field) == pytest.approx(expected, rel=TOLERANCE), found


@pytest.mark.parametrize("words, text", [
    (["ttfs_neurons"], "did you mean 'ttfs_neuron'?"),
    (["ttfs_neuron", "--config", "tiny"], "no unit 'ttfs_neuron' in this configuration"),
    (["ttfs_neuron", "--set", "lanes=3"], "lanes must be a power of two, not 3"),
    ([], "unit"),
])
def test_mistakes_are_named(words, text, capsys):
    assert unit_area.main(words) == 2
    assert text in capsys.readouterr().err
