# SPDX-License-Identifier: Apache-2.0
"""Fixtures that several tests share."""

from pathlib import Path

import pytest
import torch

from spikeloom.gen.emit import Emitted, emit
from spikeloom.gen.presets import load_config
from spikeloom.gen.units import UNITS
from spikeloom.verif.unit_configs import smallest_config

torch.set_num_threads(1)  # tests share the cores, and the products are small

_EMITTED: dict[str, Emitted] = {}


@pytest.fixture(params=UNITS)
def unit(request) -> str:
    """Each unit in turn."""
    return request.param


@pytest.fixture
def tiny():
    """The smallest preset."""
    return load_config("tiny")


@pytest.fixture
def smallest(unit):
    """The smallest configuration of the unit."""
    return smallest_config(unit)


@pytest.fixture
def emitted(unit, smallest) -> Emitted:
    """The unit, emitted once for all tests of this process."""
    if unit not in _EMITTED:
        _EMITTED[unit] = emit(unit, smallest)
    return _EMITTED[unit]


@pytest.fixture
def root() -> Path:
    """The folder of the package: the root of the repository in a checkout."""
    return Path(__file__).parent.parent
