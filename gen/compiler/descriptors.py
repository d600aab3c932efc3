# SPDX-License-Identifier: Apache-2.0
"""Descriptors of a program, from plans and addresses."""

from dataclasses import dataclass
from typing import Any

from ...models.golden.layer import AttentionLayer, IntegerLayer, PoolLayer
from ...models.golden.source import IMAGE, Source
from ...rtl.config import AcceleratorConfig
from ...rtl.soc.descriptor import DESCRIPTOR_WORDS, Mode, Operation, descriptor_layout
from ...rtl.soc.field_limits import field_limits
from .fibers import FiberSource
from .fields import pack_fields
from .layer_plan import LayerPlan
from .maps import Residual, SpikeMap

__all__ = ["DESCRIPTOR_BYTES", "Places", "encode_descriptor", "layer_descriptor"]

DESCRIPTOR_BYTES = 4 * DESCRIPTOR_WORDS
_MODES = {"spikes": Mode.SPIKES, "integers": Mode.INTEGERS, "readout": Mode.READOUT}


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where everything lies; word addresses.

    Attributes
    ----------
    weights, channels : dict
        Of each layer.
    maps : dict
        `SpikeMap` of each layer and of the image, with its address.
    residuals : dict
        `Residual` of each layer that keeps it, with its address.
    input, result : int
        First image, first result record.
    input_words, result_words : int
        Of an image, of a result record.
    """

    weights: dict[str, int]
    channels: dict[str, int]
    maps: dict[str, SpikeMap]
    residuals: dict[str, Residual]
    input: int
    input_words: int
    result: int
    result_words: int


def encode_descriptor(image: SpikeMap, places: Places, config: AcceleratorConfig) -> bytes:
    """Return the descriptor that encodes the image."""
    target = places.maps[IMAGE]
    return _packed(config, IMAGE, {
        "operation": Operation.ENCODE, "mode": Mode.SPIKES,
        "passes": image.passes, "out_passes": image.passes, "columns": image.channels,
        "flags": {"signed_input": int(image.signed)}, "out_bits": image.bits,
        "out_address": target.address, "out_pass_pitch": _pass_pitch(image),
        "out_pixel_pitch": image.pixel_pitch, "out_chunk_pitch": image.chunk_pitch,
        "weight_address": places.input, "image_pitch": places.input_words,
        "weight_words": places.input_words, "tiles": image.height * image.width,
    })


def layer_descriptor(plan: LayerPlan, places: Places, config: AcceleratorConfig) -> bytes:
    """Return the descriptor of a layer."""
    layer, order = plan.layer, plan.order
    name = layer.name
    lif = layer.lif
    residual_in = places.residuals[layer.residual] if layer.residual else None
    residual_out = places.residuals[name] if layer.keep_residual else None
    residual = residual_in or residual_out
    return _packed(config, name, {
        "operation": Operation.LAYER, "mode": _MODES[layer.output],
        "source_count": max(1, len(plan.sources)), "pool": layer.pool,
        "out_height": order.height, "out_width": order.width,
        "passes": plan.passes, "windows_per_tile": order.windows_per_tile,
        "members_per_tile": order.members_per_tile, "out_passes": plan.out_passes,
        "columns": order.columns, "block_columns": order.block_columns,
        "blocks": order.blocks, "tiles": order.tiles,
        "chunks": max(1, sum(source.fiber_chunks for source in plan.sources)),
        "weight_address": places.weights[name],
        "weight_words": plan.weight_words,
        "channel_address": places.channels[name],
        "flags": {
            "stream_weights": int(plan.stream_weights), "combine": int(plan.input_bits > 0),
            "signed_input": int(isinstance(layer, IntegerLayer) and layer.input_signed),
            "requantize": int(layer.requantize is not None),
            "residual_in": int(residual_in is not None),
            "residual_out": int(residual_out is not None),
            "drop_single": int(layer.drop_single), "out_signed": int(layer.out_signed),
        },
        "lif": {
            "gain": lif.gain, "shift": lif.shift, "decay_input": int(lif.decay_input),
            "soft_reset": int(lif.reset == "soft"),
        } if lif else {},
        "weight_list": int(plan.weights.delta_bits is not None),
        "input_each_step": int(plan.input_each_step),
        "out_each_step": int(layer.out_each_step),
        "silent_steps": [_silent_steps(fiber.source, config.timesteps) for fiber in plan.sources],
        "delta_bits": plan.weights.delta_bits or 0, "crossbar": int(plan.engine == "crossbar"),
        "out_bits": layer.out_bits if layer.output == "integers" else 0,
        "residual_in": residual_in.address if residual_in else 0,
        "residual_out": residual_out.address if residual_out else 0,
        "residual_words": residual.words if residual else 0,
        "sources": [_source(fiber, places.maps[fiber.source.input]) for fiber in plan.sources],
        **_attention(plan, places), **_residual_pool(plan, places),
        **_output(plan, places, config.chunk),
    })


def _output(plan: LayerPlan, places: Places, chunk: int) -> dict[str, int]:
    if plan.map is None:
        return {"out_address": places.result, "image_pitch": places.result_words}
    target, order = places.maps[plan.layer.name], plan.order
    return {
        "out_address": target.address, "out_pass_pitch": _pass_pitch(target),
        "out_tile_pitch": order.windows_per_tile * target.pixel_pitch,
        "out_block_pitch": order.block_columns // chunk * target.chunk_pitch
        if order.blocks > 1 else 0,
        "out_pixel_pitch": target.pixel_pitch, "out_chunk_pitch": target.chunk_pitch,
    }


def _attention(plan: LayerPlan, places: Places) -> dict[str, Any]:
    """Return the fields of attention, if the layer is that."""
    layer = plan.layer
    if not isinstance(layer, AttentionLayer):
        return {}
    fiber = plan.sources[0]
    heads = {"heads": layer.heads, "head_channels": layer.channels // layer.heads}
    return {"attention": 1, "chunk_steps": layer.chunk_steps,
            "sources": [_source(fiber, places.maps[fiber.source.input]) | heads]}


def _residual_pool(plan: LayerPlan, places: Places) -> dict[str, Any]:
    """Return the fields of pooling of residuals, if the layer is that."""
    layer = plan.layer
    if not isinstance(layer, PoolLayer):
        return {}
    stored = places.residuals[layer.pooled]
    source = {
        "address": stored.address, "pass_pitch": layer.height * layer.width,
        "height": layer.height, "width": layer.width, "kernel_height": layer.window[0],
        "kernel_width": layer.window[1], "stride": layer.stride,
        "padding_top": layer.padding[0], "padding_left": layer.padding[1],
        "chunks": 1, "taps_per_chunk": 1,
    }
    return {"residual_pool": 1, "pool_sum": int(layer.kind == "sum"), "sources": [source],
            "tile_bits": stored.order.windows_per_tile.bit_length() - 1}


def _source(fiber: FiberSource, read: SpikeMap) -> dict[str, int]:
    source = fiber.source
    return {
        "address": read.address, "pass_pitch": _pass_pitch(read), "row_pitch": read.row_pitch,
        "pixel_pitch": read.pixel_pitch, "chunk_pitch": read.chunk_pitch,
        "height": read.height, "width": read.width,
        "kernel_height": source.kernel[0], "kernel_width": source.kernel[1],
        "stride": source.pixel_stride, "padding_top": source.pixel_padding[0],
        "padding_left": source.pixel_padding[1], "chunks": fiber.chunks,
        "taps_per_chunk": fiber.taps_per_chunk, "tap_positions": fiber.tap_positions,
    }


def _silent_steps(source: Source, timesteps: int) -> int:
    return 0 if source.time_mask is None else (1 << timesteps) - 1 & ~source.time_mask


def _pass_pitch(stored: SpikeMap) -> int:
    """Return the words from one lane pass to the next, if there is one."""
    return stored.pass_pitch if stored.passes > 1 else 0


def _packed(config: AcceleratorConfig, layer: str, fields: dict[str, Any]) -> bytes:
    content = pack_fields(descriptor_layout(), fields, layer, limits=field_limits(config))
    return content.to_bytes(DESCRIPTOR_BYTES, "little")
