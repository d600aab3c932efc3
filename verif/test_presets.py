# SPDX-License-Identifier: Apache-2.0
"""Presets: each loads, and each mistake in one is named."""

import dataclasses
import re
import tomllib

import pytest

from spikeloom.gen.presets import DEFAULT_PRESET, load_config, preset_names
from spikeloom.rtl.config import ConfigError, FTPConfig


def _refused(text, *arguments):
    with pytest.raises(ConfigError, match=re.escape(text)):
        load_config(*arguments)


def test_the_presets():
    assert preset_names() == ["loas", "sparten", "tiny"]
    assert DEFAULT_PRESET in preset_names()


@pytest.mark.parametrize("name", preset_names())
def test_preset_spells_out_every_field(name, root):
    written = tomllib.loads((root / "gen" / "presets" / f"{name}.toml").read_text())
    assert list(written) == [field.name for field in dataclasses.fields(FTPConfig)]
    assert load_config(name).as_dict() == written


def test_loas_is_the_default():
    assert load_config("loas") == FTPConfig()
    assert load_config() == FTPConfig()


def test_sparten_differs_in_its_inner_join():
    assert load_config("sparten") == FTPConfig(inner_join="fast_fast")


def test_overrides():
    assert load_config("loas", ["tppes=4", "inner_join=fast_fast"]) == FTPConfig(
        tppes=4, inner_join="fast_fast")


def test_file(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("tppes = 3\n")
    assert load_config(str(path)) == FTPConfig(tppes=3)


def test_mistakes_are_named(tmp_path):
    _refused("no preset 'laos', did you mean 'loas'?; there are loas, sparten, tiny", "laos")
    _refused("override: no field 'tpes', did you mean 'tppes'?", "loas", ["tpes=3"])
    _refused("override: no field 'xyzzy'", "loas", ["xyzzy=3"])
    _refused("an override must read field=value, not 'tppes'", "loas", ["tppes"])
    _refused("preset loas: tppes must be an int in 1..64, not 'many'", "loas", ["tppes=many"])
    _refused("preset tiny: chunk must be a multiple of 8, not 33", "tiny", ["chunk=33"])
    path = tmp_path / "mine.toml"
    _refused(f"preset {path}: ", str(path))
    path.write_text("timestep = 4\n")
    _refused(f"preset {path}: no field 'timestep', did you mean 'timesteps'?", str(path))
    path.write_text("timesteps = \n")
    _refused(f"preset {path}: Invalid value", str(path))
    path.write_text("timesteps = 4.0\n")
    _refused(f"preset {path}: timesteps must be an int in 1..16, not 4.0", str(path))
