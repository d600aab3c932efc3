# SPDX-License-Identifier: Apache-2.0
"""Whether a configuration of the time-to-first-spike core can run a network."""

from typing import Any

from ...models.golden.ttfs_layers import TTFSDelay, TTFSFirst, TTFSNeurons
from ...models.golden.ttfs_network import TTFSNetwork
from ...rtl.config import TTFSConfig
from ...rtl.ttfs.descriptors import EdgeKind
from .errors import CompileError
from .ttfs_graph import Graph

__all__ = ["check_fits"]

_MOST_STRIDE = 8
_MOST_PADDING = 15
_PIXEL = 255


def check_fits(network: TTFSNetwork, config: TTFSConfig, graph: Graph) -> None:
    """Raise `CompileError` unless the configuration can run the network."""
    exponential = [layer for layer in network.layers
                   if isinstance(layer, TTFSNeurons) and layer.kernel == "exponential"]
    _equal(network.name, "time_bits", network.time_bits, config.time_bits)
    _limit(network.name, "tau_shift", network.tau_shift, config.max_tau_shift, "max_tau_shift")
    if exponential:
        _equal(network.name, "guard_bits", network.guard_bits, config.guard_bits)
    for layer in network.layers:
        if isinstance(layer, TTFSNeurons):
            _check_neurons(layer, config)
        elif isinstance(layer, TTFSDelay):
            _limit(layer.name, "delay", int(layer.delays.max()), (1 << config.delay_bits) - 1,
                   "delay_bits")
        elif isinstance(layer, TTFSFirst):
            _check_first(layer, network, config)
    for edge in graph.edges:
        if edge.stride & (edge.stride - 1) or edge.stride > _MOST_STRIDE:
            raise CompileError(edge.target, "stride", f"a power of two up to {_MOST_STRIDE}",
                               edge.stride, "choose another stride")
        if edge.kind != EdgeKind.SYNAPSE:
            _equal(edge.target, "skips", 1, config.skips)
        _limit(edge.target, "kernel", max(edge.kernel), config.max_kernel, "max_kernel")
        _limit(edge.target, "padding", edge.padding, _MOST_PADDING)
    for name, times in graph.maps.items():
        _limit(name, "groups of a pixel", times.pixel_groups, config.pixel_groups, "pixel_groups")
        _limit(name, "side of the map", max(times.shape[1:]), config.max_side, "max_side")
    entries = sum(graph.maps[edge.source].shape[0] for edge in graph.edges)
    for field, value, most in (
            ("groups of neurons", graph.neuron_groups, "neuron_groups"),
            ("groups of other maps", graph.time_groups, "time_groups"),
            ("maps", len(graph.maps), "maps"), ("edges", len(graph.edges), "edges"),
            ("channels of all edges", entries, "channel_entries"),
            ("words of weights", _weight_words(network, config, graph), "weight_words")):
        _limit(network.name, field, value, getattr(config, most), most)


def _check_neurons(layer: TTFSNeurons, config: TTFSConfig) -> None:
    if config.kernel not in ("both", layer.kernel):
        raise CompileError(layer.name, "kernel", config.kernel, layer.kernel,
                           "choose a configuration with both kernels")
    _limit(layer.name, "|weight|", int(layer.weight.abs().max()),
           (1 << (config.weight_bits - 1)) - 1, "weight_bits")
    _limit(layer.name, "sum of the |weights| of a neuron", layer.charge,
           (1 << (config.charge_bits - 1)) - 1, "charge_bits")


def _check_first(layer: TTFSFirst, network: TTFSNetwork, config: TTFSConfig) -> None:
    channels, height, width = network.input_shape
    _limit(layer.name, "side of an image", max(height, width), config.max_side, "max_side")
    _limit(layer.name, "channels of an image", channels, config.max_channels, "max_channels")
    _limit(layer.name, "kernel", max(layer.weight.shape[2:]), config.max_kernel, "max_kernel")
    _limit(layer.name, "padding", layer.padding, _MOST_PADDING)
    bank = channels << sum((-(-side // 2) - 1).bit_length() for side in (height, width))
    _limit(layer.name, "bytes of an image, sides rounded up", 4 * bank, config.image_bytes,
           "image_bytes")
    _limit(layer.name, "groups of channels", -(-layer.weight.shape[0] // config.lanes),
           config.first_groups, "first_groups")
    low = -(1 << (config.weight_bits - 1))
    if int(layer.weight.min()) < low or int(layer.weight.max()) >= -low:
        raise CompileError(layer.name, "weight", f"in {low}..{-low - 1}",
                           f"{int(layer.weight.min())}..{int(layer.weight.max())}",
                           "choose more weight_bits")
    reach = (layer.weight.abs().sum((1, 2, 3)) * _PIXEL + layer.bias.abs()).max()
    _limit(layer.name, "largest sum", int(reach), (1 << (config.accumulator_bits - 1)) - 1,
           "accumulator_bits")


def _weight_words(network: TTFSNetwork, config: TTFSConfig, graph: Graph) -> int:
    first: Any = network.layers[0]
    words = -(-first.weight.shape[0] // config.lanes) * first.weight[0].numel()
    for times in graph.maps.values():
        if isinstance(times.layer, TTFSNeurons):
            words += times.layer.weight[0].numel() << times.g_bits
    return words


def _limit(layer: str, field: str, value: int, most: int, option: str = "") -> None:
    if value > most:
        raise CompileError(layer, field, f"at most {most}", value,
                           f"choose a larger {option}" if option else "choose another layer")


def _equal(layer: str, field: str, value: int, wanted: int) -> None:
    if value != wanted:
        raise CompileError(layer, field, str(wanted), value,
                           f"choose a configuration with this {field}")
