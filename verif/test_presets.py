# SPDX-License-Identifier: Apache-2.0
"""Presets: each loads, and each mistake in one is named."""

import dataclasses
import re
import tomllib

import pytest

from spikeloom.gen.presets import (
    DEFAULT_PRESET,
    as_toml,
    load_config,
    load_unit_config,
    preset_names,
)
from spikeloom.gen.units import FAMILIES
from spikeloom.rtl.config import AcceleratorConfig, ConfigError, CrossbarConfig


def _refused(text, *arguments):
    with pytest.raises(ConfigError, match=re.escape(text)):
        load_config(*arguments)


def test_the_presets():
    assert preset_names("accelerator") == [
        "bcast", "imc", "loas", "micro", "scan", "small", "sparten", "statten", "tiny", "tt"]
    assert DEFAULT_PRESET in preset_names()


@pytest.mark.parametrize("name", preset_names())
def test_preset_spells_out_every_field(name, root):
    written = tomllib.loads((root / "gen" / "presets" / f"{name}.toml").read_text())
    kind = FAMILIES[written.pop("family", "accelerator")].config
    for part in kind.parts:
        assert list(written.get(part, {})) in ([], _names(kind.parts[part]))
    names = [name for name in _names(kind) if name in written or name not in kind.parts]
    assert list(written) == names
    assert load_unit_config(name).as_dict() == written


def _names(kind):
    return [field.name for field in dataclasses.fields(kind)]


def test_loas_is_the_default():
    assert load_config("loas") == AcceleratorConfig()
    assert load_config() == AcceleratorConfig()


def test_sparten_differs_in_its_inner_join():
    assert load_config("sparten") == AcceleratorConfig(inner_join="fast_fast")


def test_overrides():
    assert load_config("loas", ["tppes=4", "inner_join=fast_fast"]) == AcceleratorConfig(
        tppes=4, inner_join="fast_fast")


def test_overrides_of_a_part():
    config = load_config("imc", ["crossbar.adc_bits=7", "tppes=2"])
    assert config == dataclasses.replace(load_config("imc"), tppes=2, crossbar=dataclasses.replace(
        load_config("imc").crossbar, adc_bits=7))
    made = load_config("loas", ["chunk=8", "laggy_adders=8", "crossbar.rows=16"])
    assert made.crossbar == CrossbarConfig(rows=16)
    assert load_config("loas").crossbar is None


def test_file(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("tppes = 3\n")
    assert load_config(str(path)) == AcceleratorConfig(tppes=3)


@pytest.mark.parametrize("name", preset_names())
def test_text_of_a_configuration_gives_it_back(name, tmp_path):
    config = load_unit_config(name)
    path = tmp_path / "config.toml"
    path.write_text(as_toml(config))
    assert load_unit_config(str(path)) == config
    assert config.hash() in path.read_text()


def test_small_memories_fit_their_devices():
    """The memories alone; the buffers take the rest."""
    small, tiny = load_config("small"), load_config("tiny")
    assert (small.memory, tiny.memory) == ("on_chip", "on_chip")
    assert small.memory_words * small.memory_bits <= 0.8 * 1008 * 1024
    assert tiny.memory_words * tiny.memory_bits == 4 * 256 * 1024


def test_mistakes_are_named(tmp_path):
    _refused("no preset 'laos', did you mean 'loas'?; there are array, bcast, crossbar, "
             "crossbar_tile, imc, link, loas, micro, scan, small, sparten, statten, tiny", "laos")
    _refused("preset array: family must be accelerator here, not that of ArrayConfig", "array")
    _refused("override: no field 'tpes', did you mean 'tppes'?", "loas", ["tpes=3"])
    _refused("override: no field 'xyzzy'", "loas", ["xyzzy=3"])
    _refused("override: no field 'crossbar.adc_bit', did you mean 'crossbar.adc_bits'?", "imc",
             ["crossbar.adc_bit=3"])
    _refused("preset imc: crossbar: adc_bits must be an int in 3..10, not 11", "imc",
             ["crossbar.adc_bits=11"])
    _refused("preset imc: crossbar must be a table of parameters, not 3", "imc", ["crossbar=3"])
    _refused("override: crossbar must be a table of parameters, not 3", "imc",
             ["crossbar=3", "crossbar.rows=16"])
    _refused("an override must read field=value, not 'tppes'", "loas", ["tppes"])
    _refused("preset loas: tppes must be an int in 1..64, not 'many'", "loas", ["tppes=many"])
    _refused("preset tiny: chunk must be a multiple of 8, not 33", "tiny", ["chunk=33"])
    path = tmp_path / "mine.toml"
    _refused(f"preset {path}: ", str(path))
    path.write_text("timestep = 4\n")
    _refused(f"preset {path}: no field 'timestep', did you mean 'timesteps'?", str(path))
    path.write_text("[crossbar]\nrow = 4\n")
    _refused(f"preset {path}: no field 'crossbar.row', did you mean 'crossbar.rows'?", str(path))
    path.write_text("timesteps = \n")
    _refused(f"preset {path}: Invalid value", str(path))
    path.write_text("timesteps = 4.0\n")
    _refused(f"preset {path}: timesteps must be an int in 1..16, not 4.0", str(path))
