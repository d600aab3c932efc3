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

__all__ = ["LayerReport", "Mismatch", "NetworkError", "array_layers", "check_fit", "run_network"]

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


def array_layers(network: IntegerNetwork) -> tuple[IntegerLayer, ...]:
    """Return the layers that read spikes, which the array computes."""
    return tuple(layer for layer in network.layers if not layer.input_bits)


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
    for layer in array_layers(network):
        if layer.weight_bits > config.weight_bits:
            raise NetworkError(f"{network.name}, layer {layer.name}: weights have "
                               f"{layer.weight_bits} bits, weight_bits is {config.weight_bits}")
        if layer.row_length > config.max_fan_in:
            raise NetworkError(f"{network.name}, layer {layer.name}: rows have "
                               f"{layer.row_length} positions, max_fan_in is "
                               f"{config.max_fan_in}: --set max_fan_in={layer.row_length}")


def run_network(network: IntegerNetwork, images: Tensor, config: FTPConfig, folder: Path,
                run_layer: RunLayer = run_on_array) -> Iterator[tuple[LayerReport, Tensor]]:
    """Run all layers that read spikes; each takes in what the RTL gave out before.

    The golden model encodes the images, and does what comes between the partial sums and the
    neurons where there is more than a bias.

    Parameters
    ----------
    images : Tensor[B, H, W] or Tensor[B, C, H, W]
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
        Output of the RTL: spikes bool[T, M, N], or psums int64[T, M, N] where it gives these
        only.

    Raises
    ------
    NetworkError
        The network does not fit.
    """
    check_fit(network, config)
    golden = network.run(images)
    encoded = {layer.name for layer in network.layers if layer.input_bits}
    maps = {trace.name: trace.maps for trace in golden.layers
            if trace.name in encoded and trace.maps is not None}
    kept = {name: golden[name].currents for name in encoded}
    for layer in array_layers(network):
        trace = golden[layer.name]
        inputs = [maps[source.input] for source in layer.sources]
        job = _job(layer, layer.rows(inputs))
        try:
            result = run_layer(job, config, folder / layer.name)
        except ArrayRunError as error:
            yield _report(layer, inputs, job, config, None, str(error)), trace.psums
            return
        report = _report(layer, inputs, job, config, result, _difference(layer, trace, job,
                                                                         result))
        yield report, result.psums if result.spikes is None else result.spikes
        if not report.exact:
            return
        if layer.output == "readout":
            return
        kept[layer.name] = currents = layer.currents(
            result.psums, kept[layer.residual] if layer.residual else None)
        spikes = result.spikes
        if spikes is None and layer.output == "spikes":
            spikes = layer.spikes(currents)
        maps[layer.name] = layer.stored(currents if spikes is None else spikes, len(images))


def _job(layer: IntegerLayer, rows: Tensor) -> ArrayJob:
    """Let the array fire the neurons if nothing but the bias comes before them."""
    plain = layer.requantize is None and layer.residual is None and layer.output == "spikes"
    return ArrayJob(rows=rows, weights=layer.weight_matrix(), bias=layer.bias if plain else None,
                    threshold=layer.threshold if plain else None,
                    lif=layer.lif if plain else None)


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


def _report(layer: IntegerLayer, inputs: list[Tensor], job: ArrayJob, config: FTPConfig,
            result: ArrayResult | None, mismatch: str) -> LayerReport:
    counters = dict(result.counters) if result else {"cycles": 0, "match": 0}
    cycles, matches = counters.pop("cycles"), counters.pop("match")
    timesteps, rows, positions = job.rows.shape
    spikes_in = torch.cat([maps.flatten(1) for maps in inputs], 1)
    return LayerReport(
        name=layer.name, shape=(timesteps, rows, positions, job.weights.shape[1]),
        weight_sparsity=layer.sparsity,
        spike_sparsity=1 - float(spikes_in.to(torch.float64).mean()),
        silent_ratio=1 - float(spikes_in.any(dim=0).to(torch.float64).mean()),
        cycles=cycles, matches=matches,
        utilisation=matches / (config.tppes * cycles) if cycles else 0.0,
        stalls=counters, exact=not mismatch, mismatch=mismatch,
    )
