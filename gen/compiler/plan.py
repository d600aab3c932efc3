# SPDX-License-Identifier: Apache-2.0
"""How each layer of a network runs on a configuration: fibers, tiles, weight blocks, maps."""

import itertools
from dataclasses import dataclass, replace

import msgspec
import numpy as np

from ...models.golden.layer import AttentionLayer, IntegerLayer, PoolLayer, PsumLayer
from ...models.golden.network import IntegerNetwork
from ...models.golden.source import IMAGE
from ...rtl.config import AcceleratorConfig
from .attention import check_attention, check_pool, token_source
from .blocks import choose_blocks, stays
from .bounds import check_bounds
from .chunks import ChunkFormat
from .crossbars import cell_weights
from .errors import CompileError
from .fibers import FiberSource, fiber_weights, lay_source
from .images import OCTET_BITS
from .layer_plan import LayerPlan
from .maps import Residual, SpikeMap, TileOrder
from .predict import predict_layer
from .records import channel_records
from .weights import NoWeights, Weights, weight_formats

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
    for names in _pooled_groups(network):
        groups = [[plans[name] for name in group if name in plans] for group in names]
        try:
            planned = _arrange([group for group in groups if group], config)
        except CompileError as error:
            refusals.append(error)
            planned = []
        for plan in itertools.chain(*groups):
            del plans[plan.layer.name]
        plans |= {plan.layer.name: plan for plan in planned}
    reads_image = any(reader.input == IMAGE for layer in network.layers
                      for reader in layer.readers)
    image = _image(network, config, refusals) if reads_image else None
    return NetworkPlan(
        network=network, config=config, image=image, refusals=refusals,
        layers={layer.name: plans[layer.name] for layer in network.layers
                if layer.name in plans})


def _image(network: IntegerNetwork, config: AcceleratorConfig,
           refusals: list[CompileError]) -> SpikeMap:
    """Return the encoded image; its spikes, if it is of those, come as bits of octets."""
    if not network.input_bits and network.timesteps > OCTET_BITS:
        refusals.append(CompileError(network.name, "timesteps", f"at most {OCTET_BITS} where the "
                                     "input is spikes", network.timesteps,
                                     "divide the input into shorter ones"))
    return SpikeMap.planned(ChunkFormat.of_spikes(config), IMAGE, network.input_shape,
                            network.input_bits)


def _draft(layer: PsumLayer, timesteps: int, config: AcceleratorConfig) -> LayerPlan:
    """Plan a layer by itself; tiles and blocks are final once its residuals are known."""
    sources = _sources(layer, timesteps, config)
    chunks = sum(source.fiber_chunks for source in sources)
    if chunks > config.max_chunks:
        raise CompileError(
            layer.name, "chunks of a fiber", f"at most {config.max_chunks} (max_fan_in / chunk)",
            chunks, f"set max_fan_in={chunks * config.chunk} or higher")
    psum_range = check_bounds(layer, timesteps, config)
    input_bits = layer.input_bits if isinstance(layer, IntegerLayer) else 0
    passes = max(1, -(-input_bits // config.timesteps))
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
    if not isinstance(layer, IntegerLayer):
        formats: list[Weights] = [NoWeights.of(layer.channels)]
    elif layer.crossbars is None:
        formats = weight_formats(fiber_weights(sources, config.chunk), config)
    else:
        formats = [cell_weights(layer, sources, config)]
    multiplier, shift = layer.requantize or (np.zeros(layer.channels),) * 2
    threshold = np.zeros(layer.channels) if layer.threshold is None else layer.threshold
    return LayerPlan(
        layer=layer, sources=sources, passes=passes, psum_range=psum_range, formats=formats,
        weights=formats[0],
        channels=channel_records(*(np.asarray(x, dtype=np.int64)
                                   for x in (layer.bias, threshold, multiplier, shift))),
        order=_tiles(layer, passes, out_passes, config), stream_weights=False, map=stored,
        residual=None)


def _sources(layer: PsumLayer, timesteps: int, config: AcceleratorConfig
             ) -> tuple[FiberSource, ...]:
    """Return how the layer walks over what it reads; raise `CompileError` if that cannot be."""
    if isinstance(layer, AttentionLayer):
        check_attention(layer, timesteps, config)
        return (token_source(layer, config),)
    if isinstance(layer, PoolLayer):
        check_pool(layer, config)
        return ()
    assert isinstance(layer, IntegerLayer)
    return tuple(lay_source(layer.name, source, config) for source in layer.sources)


def _tiles(layer: PsumLayer, passes: int, out_passes: int, config: AcceleratorConfig
           ) -> TileOrder:
    """Return the largest tiles that hold whole windows, else parts of a window."""
    _, height, width = layer.outputs
    members = layer.pool ** 2
    rows = config.tile_rows
    if isinstance(layer, AttentionLayer) and config.attention:
        rows = min(rows, config.attention.rows)
    windows = rows // (members * passes)
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


def _pooled_groups(network: IntegerNetwork) -> list[list[list[str]]]:
    """Return those groups together of which one pools residuals of another one."""
    groups = _residual_groups(network)
    cluster_of = {name: cluster for cluster in ([group] for group in groups)
                  for name in cluster[0]}
    for layer in network.layers:
        if isinstance(layer, PoolLayer):
            ours, others = cluster_of[layer.name], cluster_of[layer.pooled]
            if ours is not others:
                others += ours
                cluster_of |= {name: others for group in ours for name in group}
    return list({id(cluster): cluster for cluster in cluster_of.values()}.values())


def _arrange(groups: list[list[LayerPlan]], config: AcceleratorConfig) -> list[LayerPlan]:
    """Give layers that add or pool residuals of one another the same weight blocks.

    Those that add have the same tiles, too. Where residuals are pooled these have a power of two
    of rows.
    """
    pooled = {plan.pooled for group in groups for plan in group}
    orders = [order for group in groups for order in _same_tiles(group, pooled)]
    plans = list(itertools.chain(*groups))
    fixed = [plan.layer.crossbars.block_outputs for plan in plans
             if isinstance(plan.layer, IntegerLayer) and plan.layer.crossbars]
    block_columns = choose_blocks([(plan.layer.name, plan.formats, order.tiles)
                                   for plan, order in zip(plans, orders, strict=True)], config,
                                  fixed[0] if fixed else None) if plans else 0
    planned = []
    for plan, order in zip(plans, orders, strict=True):
        order = msgspec.structs.replace(order, block_columns=block_columns)
        if plan.engine == "attention" and order.blocks > 1:
            raise CompileError(plan.layer.name, "weight blocks", "1 where attention shares "
                               "residuals with other layers", order.blocks,
                               "set weight_buffer_beats higher")
        residual = None
        if plan.layer.keep_residual:
            words = -(-order.neurons * config.residual_bits // config.memory_bits)
            residual = Residual(order=order, slot_bits=config.residual_bits, words=words)
        planned.append(_choose_format(replace(plan, order=order, residual=residual), config))
    return planned


def _same_tiles(group: list[LayerPlan], pooled: set[str | None]) -> list[TileOrder]:
    """Return the orders of layers that add residuals of one another, with the same tiles."""
    members = min(plan.order.members_per_tile for plan in group)
    windows = min(plan.order.windows_per_tile for plan in group)
    for plan in group:
        if plan.layer.name in pooled:
            windows = 1 << (windows.bit_length() - 1)
            if plan.layer.pool > 1:
                raise CompileError(plan.layer.name, "pool", "1 where its residuals are pooled",
                                   plan.layer.pool, "pool its spikes in a layer of its own")
    return [msgspec.structs.replace(plan.order, members_per_tile=members,
                                    windows_per_tile=windows if members == plan.order.pool ** 2
                                    else 1) for plan in group]


def _choose_format(plan: LayerPlan, config: AcceleratorConfig) -> LayerPlan:
    """Return the plan with the weights in the format of the fewest cycles, then words."""
    order = plan.order
    ways = [replace(plan, weights=weights, stream_weights=not stays(
        weights, order.tiles, order.block_columns, config)) for weights in plan.formats]
    legal = [way for way in ways if order.blocks == 1 or not way.stream_weights]
    return min(legal, key=lambda way: (predict_layer(way, config), way.weight_words))
