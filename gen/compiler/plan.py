# SPDX-License-Identifier: Apache-2.0
"""How each layer of a network runs on a configuration: fibers, tiles, weight blocks, maps."""

from dataclasses import dataclass, replace

import msgspec
import numpy as np

from ...models.golden.layer import PIXEL_BITS, IntegerLayer
from ...models.golden.network import IntegerNetwork
from ...models.golden.source import IMAGE
from ...rtl.config import AcceleratorConfig
from .blocks import choose_blocks, stays
from .bounds import check_bounds
from .chunks import ChunkFormat
from .crossbars import cell_weights
from .errors import CompileError
from .fibers import fiber_weights, lay_source
from .layer_plan import LayerPlan
from .maps import Residual, SpikeMap, TileOrder
from .predict import predict_layer
from .records import channel_records
from .weights import Weights, weight_formats

__all__ = ["NetworkPlan", "plan_network"]

_TILE_LIMIT = 255  # of windows and members, fields of 8 bits


@dataclass(frozen=True, kw_only=True)
class NetworkPlan:
    """How a network runs, or why it does not.

    Attributes
    ----------
    network : IntegerNetwork
    config : AcceleratorConfig
    image : SpikeMap or None
        The encoded image; None if no layer reads it.
    layers : dict
        A `LayerPlan` for each name of a layer that can run.
    refusals : list of CompileError
        What stands in the way of the others.
    """

    network: IntegerNetwork
    config: AcceleratorConfig
    image: SpikeMap | None
    layers: dict[str, LayerPlan]
    refusals: list[CompileError]


def plan_network(network: IntegerNetwork, config: AcceleratorConfig) -> NetworkPlan:
    """Plan each layer; those that cannot run are refused, the others planned all the same."""
    refusals: list[CompileError] = []
    if network.timesteps != config.timesteps:
        refusals.append(CompileError(network.name, "timesteps", f"{config.timesteps}, as built",
                                     network.timesteps, f"set timesteps={network.timesteps}"))
    plans: dict[str, LayerPlan] = {}
    for layer in network.layers:
        try:
            plans[layer.name] = _draft(layer, network.timesteps, config)
        except CompileError as error:
            refusals.append(error)
    for names in _residual_groups(network):
        group = [plans[name] for name in names if name in plans]
        try:
            planned = _arrange(group, config)
        except CompileError as error:
            refusals.append(error)
            planned = []
        for plan in group:
            del plans[plan.layer.name]
        plans |= {plan.layer.name: plan for plan in planned}
    reads_image = any(source.input == IMAGE for layer in network.layers
                      for source in layer.sources)
    image = SpikeMap.planned(ChunkFormat.of_spikes(config), IMAGE, network.input_shape,
                             PIXEL_BITS) if reads_image else None
    return NetworkPlan(
        network=network, config=config, image=image, refusals=refusals,
        layers={layer.name: plans[layer.name] for layer in network.layers
                if layer.name in plans})


def _draft(layer: IntegerLayer, timesteps: int, config: AcceleratorConfig) -> LayerPlan:
    """Plan a layer by itself; tiles and blocks are final once its residuals are known."""
    sources = tuple(lay_source(layer.name, source, config) for source in layer.sources)
    chunks = sum(source.fiber_chunks for source in sources)
    if chunks > config.max_chunks:
        raise CompileError(
            layer.name, "chunks of a fiber", f"at most {config.max_chunks} (max_fan_in / chunk)",
            chunks, f"set max_fan_in={chunks * config.chunk} or higher")
    psum_range = check_bounds(layer, timesteps, config)
    passes = max(1, -(-layer.input_bits // config.timesteps))
    stored = None
    if layer.output != "readout":
        stored = SpikeMap.planned(
            ChunkFormat.of_spikes(config), layer.name, layer.outputs,
            layer.out_bits if layer.output == "integers" else 0,
            layer.output == "integers" and layer.out_signed)
    out_passes = stored.passes if stored else 1
    for field, value in (("lane passes of the input", passes),
                         ("lane passes of the output", out_passes)):
        if value > config.tile_rows:
            raise CompileError(layer.name, field, f"at most {config.tile_rows}, the rows of a tile",
                               value, f"set tppes={-(-value // config.rows_per_pe)} or higher")
    if layer.crossbars is None:
        formats = weight_formats(fiber_weights(sources, config.chunk), config)
    else:
        formats: list[Weights] = [cell_weights(layer, sources, config)]
    multiplier, shift = layer.requantize or (np.zeros(layer.channels),) * 2
    threshold = np.zeros(layer.channels) if layer.threshold is None else layer.threshold
    return LayerPlan(
        layer=layer, sources=sources, passes=passes, psum_range=psum_range, formats=formats,
        weights=formats[0],
        channels=channel_records(*(np.asarray(x, dtype=np.int64)
                                   for x in (layer.bias, threshold, multiplier, shift))),
        order=_tiles(layer, passes, out_passes, config), stream_weights=False, map=stored,
        residual=None)


def _tiles(layer: IntegerLayer, passes: int, out_passes: int, config: AcceleratorConfig
           ) -> TileOrder:
    """Return the largest tiles that hold whole windows, else parts of a window."""
    _, height, width = layer.outputs
    members = layer.pool ** 2
    windows = config.tile_rows // (members * passes)
    if windows and members <= _TILE_LIMIT:
        windows = min(windows, config.tile_rows // out_passes, height * width, _TILE_LIMIT)
    else:
        windows, members = 1, min(config.tile_rows // passes, members, _TILE_LIMIT)
    return TileOrder(
        columns=layer.channels, block_columns=layer.channels, height=height, width=width,
        pool=layer.pool, windows_per_tile=windows, members_per_tile=members)


def _residual_groups(network: IntegerNetwork) -> list[list[str]]:
    """Return the names of the layers, those together whose residuals depend on one another."""
    group_of: dict[str, list[str]] = {}
    for layer in network.layers:
        group = group_of[layer.residual] if layer.residual else []
        group.append(layer.name)
        group_of[layer.name] = group
    return list({id(group): group for group in group_of.values()}.values())


def _arrange(group: list[LayerPlan], config: AcceleratorConfig) -> list[LayerPlan]:
    """Give layers that share residuals the same tiles and weight blocks."""
    if not group:
        return []
    members = min(plan.order.members_per_tile for plan in group)
    windows = min(plan.order.windows_per_tile for plan in group)
    orders = [msgspec.structs.replace(plan.order, members_per_tile=members,
                              windows_per_tile=windows if members == plan.order.pool ** 2 else 1)
              for plan in group]
    fixed = [plan.layer.crossbars.block_outputs for plan in group if plan.layer.crossbars]
    block_columns = choose_blocks([(plan.layer.name, plan.formats, order.tiles)
                                   for plan, order in zip(group, orders, strict=True)], config,
                                  fixed[0] if fixed else None)
    planned = []
    for plan, order in zip(group, orders, strict=True):
        order = msgspec.structs.replace(order, block_columns=block_columns)
        residual = None
        if plan.layer.keep_residual:
            words = -(-order.neurons * config.residual_bits // config.memory_bits)
            residual = Residual(order=order, slot_bits=config.residual_bits, words=words)
        planned.append(_choose_format(replace(plan, order=order, residual=residual), config))
    return planned


def _choose_format(plan: LayerPlan, config: AcceleratorConfig) -> LayerPlan:
    """Return the plan with the weights in the format of the fewest cycles, then words."""
    order = plan.order
    ways = [replace(plan, weights=weights, stream_weights=not stays(
        weights, order.tiles, order.block_columns, config)) for weights in plan.formats]
    legal = [way for way in ways if order.blocks == 1 or not way.stream_weights]
    return min(legal, key=lambda way: (predict_layer(way, config), way.weight_words))
