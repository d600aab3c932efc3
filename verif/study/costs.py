# SPDX-License-Identifier: Apache-2.0
"""What events of crossbars cost: a file of numbers, each with its source."""

import tomllib
from pathlib import Path
from typing import Annotated

import msgspec

from ..accounting.energy import Event

__all__ = ["DEFAULT_COSTS", "Adc", "Area", "Costs", "CostsError", "Number", "Time", "load_costs"]

DEFAULT_COSTS = Path(__file__).parent / "costs.toml"

_Positive = Annotated[float, msgspec.Meta(gt=0)]
_Amount = Annotated[float, msgspec.Meta(ge=0)]
_Source = Annotated[str, msgspec.Meta(min_length=1)]


class CostsError(ValueError):
    """A file of costs that cannot be used; the message names file and field."""


class Area(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """Area of one."""

    um2: _Amount
    source: _Source


class Time(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """Time of an event."""

    ns: _Amount
    source: _Source


class Number(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """A number of the system."""

    value: _Positive
    source: _Source


class Adc(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """An ADC: energy of a conversion, and area."""

    bits: Annotated[int, msgspec.Meta(ge=1)]
    picojoules: _Amount
    um2: _Amount
    source: _Source


class EnergyCosts(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """Energies of events; see ``costs.toml``."""

    cell_read: Event
    column_mux: Event
    shift_add: Event
    count: Event
    subtraction: Event
    neuron_update: Event
    buffer_byte: Event
    interconnect_byte: Event


class AreaCosts(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """Areas; see ``costs.toml``."""

    cell: Area
    column_mux: Area
    shift_add: Area
    sign_counter: Area
    neuron_lane: Area
    memory_bit: Area
    macro_buffer: Area
    macro_interconnect: Area


class LatencyCosts(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """Times; see ``costs.toml``."""

    settle: Time
    adc_bit: Time
    neuron_update: Time
    transfer: Time


class System(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """What is built beside the macros; see ``costs.toml``."""

    neuron_lanes: Number
    word_bytes: Number
    membrane_bits: Number


class Costs(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """A file of costs."""

    energy: EnergyCosts
    area: AreaCosts
    latency: LatencyCosts
    system: System
    adc: Annotated[list[Adc], msgspec.Meta(min_length=1)]

    def conversion(self, bits: int) -> float:
        """Return the picojoules of a conversion to so many bits."""
        low, high, share = self._between(bits)
        if low is high:
            return low.picojoules * bits / low.bits
        return low.picojoules + share * (high.picojoules - low.picojoules)

    def adc_area(self, bits: int) -> float:
        """Return the area of an ADC of so many bits, in square micrometres."""
        low, high, share = self._between(bits)
        return low.um2 + share * (high.um2 - low.um2)

    def _between(self, bits: int) -> tuple[Adc, Adc, float]:
        """Return the nearest ADCs on both sides, the same twice if there is none on one."""
        known = sorted(self.adc, key=lambda adc: adc.bits)
        low = max((adc for adc in known if adc.bits <= bits), key=lambda adc: adc.bits,
                  default=known[0])
        high = min((adc for adc in known if adc.bits >= bits), key=lambda adc: adc.bits,
                   default=known[-1])
        if low.bits >= high.bits:
            return low, low, 0.0
        return low, high, (bits - low.bits) / (high.bits - low.bits)


def load_costs(path: Path = DEFAULT_COSTS) -> Costs:
    """Return the costs of a TOML file, or of a JSON file of the same structure.

    Raises
    ------
    CostsError
        The file cannot be read or is malformed.
    """
    try:
        if path.suffix == ".json":
            return msgspec.json.decode(path.read_bytes(), type=Costs)
        return msgspec.convert(tomllib.loads(path.read_text()), Costs)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.DecodeError) as error:
        raise CostsError(f"{path}: {error}") from None
