# SPDX-License-Identifier: Apache-2.0
"""What happens on crossbars while a network runs, counted from the golden model's spikes."""

import msgspec
import torch

from ...models.golden.crossbar_layer import CrossbarLayer
from ...models.golden.layer import IntegerLayer
from ...models.golden.network import IntegerNetwork, LayerTrace, Trace

__all__ = ["LayerEvents", "count_events"]


class LayerEvents(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Events of one layer, on average of an image.

    Parameters
    ----------
    name : str
    macros : int
        All blocks and tiles.
    reads : float
        Of each macro, one after the other.
    active_rows : float
        Wordlines with a spike, over all reads.
    cell_reads : float
        Cells on active rows, in columns that outputs use.
    conversions : float
        Of columns that outputs use.
    counts : float
        What the sign correction counts: active rows, or those of negative weights.
    subtractions : float
        One for each result of a macro.
    neuron_updates : float
    buffer_bytes : float
        Spikes read for the wordlines and spikes written.
    interconnect_bytes : float
        Spikes to the macros of each block, results of macros, spikes to the buffer.
    neurons : int
    map_bits : int
        Of the output, all timesteps.
    """

    name: str
    macros: int
    reads: float
    active_rows: float
    cell_reads: float
    conversions: float
    counts: float
    subtractions: float
    neuron_updates: float
    buffer_bytes: float
    interconnect_bytes: float
    neurons: int
    map_bits: int


def count_events(network: IntegerNetwork, trace: Trace, images: int) -> list[LayerEvents]:
    """Return the events of each layer on crossbars, for an image of a trace of ``images``."""
    return [_layer_events(layer, layer.crossbars, trace[layer.name], network.timesteps, images)
            for layer in network.products if layer.crossbars is not None]


def _layer_events(layer: IntegerLayer, crossbars: CrossbarLayer, trace: LayerTrace,
                  timesteps: int, images: int) -> LayerEvents:
    config, tiles, blocks = crossbars.config, crossbars.tiles, len(crossbars.images)
    if layer.input_bits:
        pulses = crossbars.pulses(trace.rows[:1], layer.input_bits, layer.input_signed)
    else:
        pulses = trace.rows
    pulses = pulses.flatten(0, -2)
    spikes = pulses.sum(0).to(torch.float64)  # of each position
    active, reads = float(spikes.sum()), len(pulses)
    columns = layer.channels * config.columns_per_output
    positions = trace.rows.shape[1]
    results = reads * tiles * layer.channels
    line_bytes, map_bytes = reads * layer.row_length / 8, positions * timesteps * (
        layer.channels / 8)
    return LayerEvents(
        name=layer.name, macros=tiles * blocks, reads=reads / images,
        active_rows=active / images, cell_reads=active * columns / images,
        conversions=reads * tiles * columns / images,
        counts=_counts(crossbars, spikes) / images, subtractions=results / images,
        neuron_updates=positions * timesteps * layer.channels / images,
        buffer_bytes=(line_bytes + map_bytes) / images,
        interconnect_bytes=(line_bytes * blocks + results * config.result_bits / 8
                            + map_bytes) / images,
        neurons=positions // images * layer.channels,
        map_bits=positions // images * layer.channels * timesteps // layer.pool ** 2)


def _counts(crossbars: CrossbarLayer, spikes: torch.Tensor) -> float:
    """Return what the counters of the sign correction count."""
    encoding = crossbars.config.encoding
    if encoding == "differential":
        return 0.0
    if encoding == "offset":
        return float(spikes.sum()) * len(crossbars.images)
    negative = sum(torch.cat([image.negative.sum(1) for image in block])
                   for block in crossbars.images)
    assert isinstance(negative, torch.Tensor)
    return float(spikes @ negative[crossbars.positions].to(spikes))
