# SPDX-License-Identifier: Apache-2.0
"""All kinds of processing elements on one trace: simulated, beside what is counted of it."""

import dataclasses
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import msgspec

from ..rtl.config import FTPConfig
from .accounting.energy import Event, energy
from .accounting.results import Element, Results, account, total
from .accounting.trace import Trace
from .accounting.workload import Workload
from .area import DEVICE, PLACED_ELEMENTS, Area, array_clock, clock, measure
from .array_layer import QUANTILE, Layer, as_layer
from .array_run import BANDWIDTH, CACHE, LayerRun, run_layer
from .pe_kinds import EVENTS, NOT_COUNTED, adders, events
from .toolchain import ToolError

__all__ = ["FREE", "compare", "cut", "measure_hardware"]

FREE = (
    "joining the pixels of a row (im2col), and adding up their counts, which the compressor of "
    "the layer before has made and by which rows are dealt; taking the fields of a weight list "
    "apart; the memory's latency, and conflicts of the cache's banks: scan and bcast get a beat "
    "of spikes a cycle in each element, loas and sparten one in all")
_JOBS = 2  # runs side by side, each on a core


def cut(trace: Trace, rows: int, columns: int) -> Trace:
    """Return the first rows and columns of each layer as a trace of its own."""
    return Trace(name=f"{trace.name}_quick", notes=(
        *trace.notes, f"only {rows} rows and {columns} columns of each layer"),
        workloads=tuple(workload.cut(rows, columns) for workload in trace.workloads))


def compare(trace: Trace, configs: Mapping[str, FTPConfig], folder: Path, *,
            table: Mapping[str, Event], bandwidth: int = BANDWIDTH,
            progress: Callable[[str, LayerRun], None] = lambda kind, run: None) -> Results:
    """Count each layer and run it on the RTL of each array.

    Parameters
    ----------
    configs : Mapping
        By the name of the kind; all of as many elements.
    folder : Path
        For the files of the runs.
    table : Mapping
        Energy of `EVENTS`.
    bandwidth : int
        Bytes per cycle of the memory of each array.
    progress : Callable
        Called after each run of a layer.

    Raises
    ------
    ValueError
        A layer does not fit a configuration.
    BenchFailure, ToolError
        As `runner.run_bench`.
    """
    elements = next(iter(configs.values())).tppes
    results = account(trace, elements)
    results.bandwidth = bandwidth
    results.notes += [
        f"simulation: memory of {bandwidth} bytes per cycle, cache of {CACHE} bytes",
        f"simulation: free is {FREE}",
        "simulation: sparten is loas with two fast prefix sums; SparTen itself is timestep-serial",
        "neurons: no leak, reset to 0, outputs with a single spike are dropped",
        f"energy: not counted: {NOT_COUNTED}",
        *(f"energy: {name} {table[name].picojoules} pJ ({table[name].source})"
          for name in EVENTS)]
    layers = [as_layer(workload) for workload in trace.workloads]
    results.notes += map(_neurons, trace.workloads, layers)
    with ThreadPoolExecutor(max_workers=_JOBS) as pool:
        jobs = {pool.submit(run_layer, config, layer, folder / f"{kind}_{index}",
                            bandwidth=bandwidth): (kind, index)
                for index, layer in enumerate(layers) for kind, config in configs.items()}
        try:
            for job in as_completed(jobs):
                progress(jobs[job][0], job.result())
        finally:  # after a failure the rest need not run
            pool.shutdown(wait=False, cancel_futures=True)
    for job, (kind, index) in jobs.items():
        results.layers[index].pes[kind] = _element(
            configs[kind], trace.workloads[index], layers[index], job.result(), table)
    results.total = total(results.layers)
    return results


def measure_hardware(results: Results, configs: Mapping[str, FTPConfig],
                     progress: Callable[[str], None] = lambda text: None) -> None:
    """Enter area and clock of each kind; if a tool is missing or fails, say so in the notes.

    Parameters
    ----------
    progress : Callable
        Called with what was found.
    """
    results.notes.append(
        f"area and clock: {DEVICE}; clocks of one element by itself and of an array of "
        f"{PLACED_ELEMENTS}, as more do not fit, placed and routed without pins: between registers")
    steps = (_areas, lambda config: {"fmax_mhz": clock(config)},
             lambda config: {"array_fmax_mhz": array_clock(config)})
    for step in steps:  # what takes longest comes last
        for kind, config in configs.items():
            try:
                values = step(config)
            except ToolError as error:
                results.notes.append(f"{kind}: not all of area and clock measured: "
                                     f"{str(error).splitlines()[0]}")
                continue
            progress(f"{kind}: {', '.join(f'{name} {value:,}' for name, value in values.items())}")
            for layer in (*results.layers, results.total):
                layer.pes[kind] = msgspec.structs.replace(layer.pes[kind], **values)


def _areas(config: FTPConfig) -> dict[str, int]:
    """Return the cells of all elements, and of the array."""
    def fields(prefix: str, area: Area) -> dict[str, int]:
        return {f"{prefix}{name}": count for name, count in dataclasses.asdict(area).items()}

    hardware = measure(config)
    return fields("", hardware.element * config.tppes) | fields("array_", hardware.array)


def _neurons(workload: Workload, layer: Layer) -> str:
    found = f", {QUANTILE:.0%} of its psums are lower" if workload.threshold is None else ""
    return (f"{layer.name}: bias {int(layer.bias[0])}, threshold {int(layer.threshold[0])}"
            f"{found}")


def _element(config: FTPConfig, workload: Workload, layer: Layer, run: LayerRun,
             table: Mapping[str, Event]) -> Element:
    counted = events(config, workload, layer) | {
        "cache_read_byte": run.cache["read"], "cache_write_byte": run.cache["written"],
        "dram_byte": sum(run.traffic.values())}
    return Element(
        cycles=run.cycles, adders=adders(config), exact=run.exact, mismatch=run.mismatch,
        activity={name: count for name, count in run.counters.items() if name != "cycles"},
        dram_bytes=run.traffic, events=counted, energy_pj=energy(counted, table))
