# SPDX-License-Identifier: Apache-2.0
"""Results of a comparison: what was counted and what was simulated, layer by layer."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from . import bound, gamma, gospa, loas, sparten
from .trace import Trace

__all__ = ["ACCOUNTING", "Element", "Layer", "Results", "ResultsError", "account", "load_results",
           "parse_results", "total"]

ACCOUNTING = {"loas": loas, "sparten": sparten, "gospa": gospa, "gamma": gamma}


class ResultsError(ValueError):
    """Results that are not of the schema; the message names the field."""


class Element(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """One simulated kind of processing element in one layer.

    Parameters
    ----------
    cycles : int
    adders : int
        Of all elements together: weights that can be added into the sum of one timestep in one
        cycle.
    exact : bool
        Whether every result was that of the golden model.
    luts, ffs, brams, dsps : int or None
        Of all elements after synthesis; None if not measured.
    fmax_mhz : float or None
        Of one element by itself.
    array_luts, array_ffs, array_brams, array_dsps : int or None
        Of the whole array: elements, output lanes and what lies around them.
    array_fmax_mhz : float or None
        Of such an array of fewer elements.
    activity : dict
        Element cycles by what went on in them.
    dram_bytes : dict
        Bytes by kind.
    events : dict
        How often what costs energy happened, by its name in `energy.load_table`.
    energy_pj : dict
        Energy of each of them.
    mismatch : str
        The first one; empty if all was exact.
    """

    cycles: int
    adders: int
    exact: bool
    luts: int | None = None
    ffs: int | None = None
    brams: int | None = None
    dsps: int | None = None
    fmax_mhz: float | None = None
    array_luts: int | None = None
    array_ffs: int | None = None
    array_brams: int | None = None
    array_dsps: int | None = None
    array_fmax_mhz: float | None = None
    activity: dict[str, int] = {}
    dram_bytes: dict[str, int] = {}
    events: dict[str, int] = {}
    energy_pj: dict[str, float] = {}
    mismatch: str = ""


class Layer(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """One layer, or all of them.

    Parameters
    ----------
    name : str
    bound : int
        Match lower bound, in cycles.
    accounting : dict
        Cycles by design.
    dram_bytes : dict
        Traffic by design and kind; see `traffic.Traffic`.
    pes : dict
        Simulated kinds by name.
    """

    name: str
    bound: int
    accounting: dict[str, int] = {}
    dram_bytes: dict[str, dict[str, int]] = {}
    pes: dict[str, Element] = {}


class Results(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A comparison of designs on one trace.

    Parameters
    ----------
    trace : str
    elements : int
        Processing elements of each design.
    timesteps : int
    bandwidth : int or None
        Bytes per cycle of the memory of what was simulated.
    notes : list of str
    layers : list of Layer
    total : Layer
        See `total`.
    """

    trace: str
    elements: int
    timesteps: int
    notes: list[str]
    layers: list[Layer]
    total: Layer
    bandwidth: int | None = None


def account(trace: Trace, elements: int = 16) -> Results:
    """Count bound, cycles and traffic of every design; `Layer.pes` stays empty.

    ``K`` is put in the authors' order, channel-major: pixel-major it costs LoAS 4 % and Gamma 8 %
    more cycles on AlexNet, because neighbours in a chunk are then alike. The bound is the same.
    """
    layers = []
    for pixel_major in trace.workloads:
        workload = pixel_major.channel_major()
        layers.append(Layer(
            name=workload.name, bound=bound.cycles(workload, elements),
            accounting={name: design.cycles(workload, elements)
                        for name, design in ACCOUNTING.items()},
            dram_bytes={name: design.traffic(workload, elements).as_dict()
                        for name, design in ACCOUNTING.items()}))
    notes = [*trace.notes, "accounting: K is channel-major, as in its authors' simulations"]
    return Results(trace=trace.name, elements=elements, timesteps=trace.timesteps, notes=notes,
                   layers=layers, total=total(layers))


def total(layers: Iterable[Layer]) -> Layer:
    """Add up layers: cycles, traffic, activity, energy; hardware as of the first layer.

    A kind is exact if it is so in every layer. A kind or design that misses in a layer has no
    total.
    """
    layers = list(layers)

    def common(field: str) -> list[str]:
        tables = [getattr(layer, field) for layer in layers]
        return [name for name in tables[0] if all(name in table for table in tables)]

    return Layer(
        name="total", bound=sum(layer.bound for layer in layers),
        accounting={name: sum(layer.accounting[name] for layer in layers)
                    for name in common("accounting")},
        dram_bytes={name: _sums(layer.dram_bytes[name] for layer in layers)
                    for name in common("dram_bytes")},
        pes={name: _total_element([layer.pes[name] for layer in layers])
             for name in common("pes")})


def _total_element(parts: list[Element]) -> Element:
    return msgspec.structs.replace(
        parts[0], cycles=sum(part.cycles for part in parts),
        exact=all(part.exact for part in parts),
        mismatch=next((part.mismatch for part in parts if part.mismatch), ""),
        **{table: _sums(getattr(part, table) for part in parts)
           for table in ("activity", "dram_bytes", "events", "energy_pj")})


_Number = TypeVar("_Number", int, float)


def _sums(tables: Iterable[Mapping[str, _Number]]) -> dict[str, _Number]:
    sums: dict[str, _Number] = {}
    for table in tables:
        for name, value in table.items():
            sums[name] = sums[name] + value if name in sums else value
    return sums


def parse_results(values: Mapping[str, Any]) -> Results:
    """Return results from a dict, such as ``msgspec.to_builtins`` or JSON gives.

    Raises
    ------
    ResultsError
        A field is missing, unknown or of another type.
    """
    try:
        return msgspec.convert(values, Results)
    except msgspec.ValidationError as error:
        raise ResultsError(f"results: {error}") from None


def load_results(path: Path) -> Results:
    """Read results from a JSON file.

    Raises
    ------
    ResultsError
        The file cannot be read, or as of `parse_results`.
    """
    try:
        return parse_results(msgspec.json.decode(path.read_bytes()))
    except (OSError, ResultsError, msgspec.DecodeError) as error:
        raise ResultsError(f"{path}: {error}") from None
