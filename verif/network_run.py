# SPDX-License-Identifier: Apache-2.0
"""A network on the RTL, layer by layer, every psum and every spike compared."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..models.golden.ftp_array import count_matches
from ..models.golden.lane_word import pack
from ..models.golden.layer import IntegerLayer
from ..models.golden.network import IntegerNetwork, LayerTrace
from ..rtl.config import FTPConfig
from .array_run import ArrayJob, ArrayResult, ArrayRunError, run_on_array

__all__ = ["LayerReport", "Mismatch", "NetworkError", "check_fit", "run_network"]

RunLayer = Callable[[ArrayJob, FTPConfig, Path], ArrayResult]


class NetworkError(ValueError):
    """A network that the configuration cannot run; the message names layer, value and limit."""


@dataclass(frozen=True, kw_only=True)
class Mismatch:
    """The first value of a layer in which the RTL differs from the golden model."""

    kind: str      # "psum" or "spike"
    image: int
    y: int
    x: int
    channel: int
    timestep: int
    cycle: int     # of the layer, in which the value left the array
    expected: int
    got: int

    def __str__(self) -> str:
        return (f"{self.kind} of neuron (image {self.image}, y {self.y}, x {self.x}, channel "
                f"{self.channel}), timestep {self.timestep}, cycle {self.cycle}: "
                f"expected {self.expected}, got {self.got}")


@dataclass(frozen=True, kw_only=True)
class LayerReport:
    """What a layer is, what it cost, and whether it was exact."""

    name: str
    shape: tuple[int, int, int, int]  # T, M, K, N of all images together
    weight_sparsity: float            # share of zero weights
    spike_sparsity: float             # share of (neuron, timestep) without a spike, at the input
    silent_ratio: float               # share of input neurons that never fire
    cycles: int
    matches: int                      # found by the RTL
    utilisation: float                # matches per TPPE and cycle
    stalls: dict[str, int]            # TPPE cycles by cause
    exact: bool
    mismatch: str                     # empty if exact


def check_fit(network: IntegerNetwork, config: FTPConfig) -> None:
    """Refuse a network that the configuration cannot run.

    Raises
    ------
    NetworkError
        Its timesteps differ, or its weights or rows are too large. Bias and threshold of a layer
        fit its psum, and so that of the array.
    """
    if network.timesteps != config.timesteps:
        raise NetworkError(f"{network.name} has {network.timesteps} timesteps, the configuration "
                           f"{config.timesteps}: --set timesteps={network.timesteps}")
    for layer in network.layers[1:]:
        if layer.weight_bits > config.weight_bits:
            raise NetworkError(f"{network.name}, layer {layer.name}: weights have "
                               f"{layer.weight_bits} bits, weight_bits is {config.weight_bits}")
        if layer.row_length > config.max_fan_in:
            raise NetworkError(f"{network.name}, layer {layer.name}: rows have "
                               f"{layer.row_length} positions, max_fan_in is "
                               f"{config.max_fan_in}: --set max_fan_in={layer.row_length}")


def run_network(network: IntegerNetwork, images: Tensor, config: FTPConfig, folder: Path,
                run_layer: RunLayer = run_on_array) -> Iterator[tuple[LayerReport, Tensor]]:
    """Run all layers behind the encoder; each takes in what the RTL gave out before.

    Parameters
    ----------
    images : Tensor[B, H, W]
        uint8.
    folder : Path
        Where the files of the layers go.
    run_layer : callable
        Runs one layer on the hardware.

    Yields
    ------
    LayerReport
        One layer after another; none follows one that is not exact.
    Tensor
        Output of the RTL: spikes bool[T, M, N], or psums int64[T, M, N] of the readout.

    Raises
    ------
    NetworkError
        The network does not fit.
    """
    check_fit(network, config)
    golden = network.run(images)
    spikes_in = network.encode(images)
    for layer, trace in zip(network.layers[1:], golden.layers[1:], strict=True):
        job = ArrayJob(rows=layer.rows(spikes_in), weights=layer.weight_matrix(),
                       bias=layer.bias if layer.lif else None, threshold=layer.threshold,
                       lif=layer.lif)
        try:
            result = run_layer(job, config, folder / layer.name)
        except ArrayRunError as error:
            yield _report(layer, spikes_in, job, config, None, str(error)), trace.psums
            return
        report = _report(layer, spikes_in, job, config, result, _difference(layer, trace, job,
                                                                            result))
        yield report, result.psums if result.spikes is None else result.spikes
        if not report.exact:
            return
        if result.spikes is not None:
            spikes_in = layer.spatial(result.spikes, len(images))


def _difference(layer: IntegerLayer, trace: LayerTrace, job: ArrayJob,
                result: ArrayResult) -> str:
    """Say in what the result differs from the golden trace; nothing if it is exact."""
    mismatch = _compare(layer, trace, result)
    expected = count_matches(pack(job.rows), job.weights)
    if mismatch is None and result.counters["match"] != expected:
        return f"matches must be {expected}, not {result.counters['match']}"
    return str(mismatch or "")


def _compare(layer: IntegerLayer, trace: LayerTrace, result: ArrayResult) -> Mismatch | None:
    """Return the first difference from the golden trace: psums before spikes, in time."""
    pairs = [("psum", trace.psums, result.psums, result.psum_cycles)]
    if trace.spikes is not None and result.spikes is not None and result.spike_cycles is not None:
        pairs.append(("spike", trace.spikes, result.spikes, result.spike_cycles))
    for kind, expected, got, cycles in pairs:
        wrong = (expected != got).any(dim=0)
        if not wrong.any():
            continue
        row, channel = min(wrong.nonzero().tolist(), key=lambda at: int(cycles[at[0], at[1]]))
        step = int((expected != got)[:, row, channel].nonzero()[0])
        height, width = layer.maps
        image, place = divmod(row, height * width)
        return Mismatch(kind=kind, image=image, y=place // width, x=place % width,
                        channel=channel, timestep=step, cycle=int(cycles[row, channel]),
                        expected=int(expected[step, row, channel]),
                        got=int(got[step, row, channel]))
    return None


def _report(layer: IntegerLayer, spikes_in: Tensor, job: ArrayJob, config: FTPConfig,
            result: ArrayResult | None, mismatch: str) -> LayerReport:
    counters = dict(result.counters) if result else {"cycles": 0, "match": 0}
    cycles, matches = counters.pop("cycles"), counters.pop("match")
    timesteps, rows, positions = job.rows.shape
    return LayerReport(
        name=layer.name, shape=(timesteps, rows, positions, job.weights.shape[1]),
        weight_sparsity=layer.sparsity,
        spike_sparsity=1 - float(spikes_in.to(torch.float64).mean()),
        silent_ratio=1 - float(spikes_in.any(dim=0).to(torch.float64).mean()),
        cycles=cycles, matches=matches,
        utilisation=matches / (config.tppes * cycles) if cycles else 0.0,
        stalls=counters, exact=not mismatch, mismatch=mismatch,
    )
