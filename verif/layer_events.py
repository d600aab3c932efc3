# SPDX-License-Identifier: Apache-2.0
"""How often what costs energy happens in a layer: from its golden trace, and from counters."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ..gen.compiler.fibers import lay_source
from ..models.golden.attention import split_chunks
from ..models.golden.bit_planes import bit_planes
from ..models.golden.conv import lower
from ..models.golden.ftp_array import count_matches
from ..models.golden.lane_word import pack, popcount
from ..models.golden.layer import AttentionLayer, IntegerLayer, PoolLayer, PsumLayer
from ..models.golden.network import LayerTrace
from ..rtl.config import AcceleratorConfig, AttentionConfig
from .pe_kinds import join_additions, join_bits

__all__ = ["NOT_COUNTED", "PARTS", "AttentionWork", "Events", "attention_work", "layer_events",
           "memory_events"]

PARTS = ("compute", "buffers", "neurons", "memory")
NOT_COUNTED = ("crossbars, row and weight buffers, queues, prefix sums, compressors, addresses, "
               "control, clock and wires, and leakage; with scan and bcast also their buffers")
_SMALL = 8192  # bytes of a buffer that counts as one of 8 KB; larger ones as a cache of 256 KB

Events = dict[str, dict[str, int]]  # of each part, by their names in `energy.load_table`


@dataclass(frozen=True, kw_only=True)
class AttentionWork:
    """What the attention unit does for a layer.

    Attributes
    ----------
    common : int
        Pairs of spikes that fire together and are counted: of keys and values, or with scores
        first of queries and keys.
    added : int
        Additions: of those counts to the sums and of the sums that queries select; or of the
        scores that values select.
    entries : int
        Accesses to a group of sums; or to a group of values.
    read, written : int
        Bits of keys, queries, values and sums, out of the unit's memories and into them; of the
        sums alone if they come first.
    """

    common: int
    added: int
    entries: int
    read: int
    written: int


def layer_events(layer: PsumLayer, found: LayerTrace, config: AcceleratorConfig) -> Events:
    """Return the events of all images of a trace, but for those of the memory.

    Additions are those of signed numbers of up to 32 bits; ``add_8_bit`` is a pair of spikes
    that is found and counted.

    - elements: as `pe_kinds.events` has them; integers take a lane pass for each T bits;
    - attention: see `AttentionWork`; pooling: an addition or comparison for each member of a
      window but the first;
    - neurons, for each timestep: bias, membrane, comparison with the threshold, subtraction of
      it where the reset does, residual; for requantization a product and a rounding. Where the
      input is integers, its lanes are added first.

    Parameters
    ----------
    layer : PsumLayer
    found : LayerTrace
        Of this layer.
    config : AcceleratorConfig
        Its ``timesteps`` are those of the trace.
    """
    if isinstance(layer, AttentionLayer):
        compute, buffers = _of_attention(layer, found.rows, config)
    elif isinstance(layer, PoolLayer):
        compute, buffers = {"add_32_bit": _pool_additions(layer, found)}, {}
    else:
        assert isinstance(layer, IntegerLayer)
        compute, buffers = _of_product(layer, found.rows, config)
    return {"compute": compute, "buffers": buffers, "neurons": _of_neurons(layer, found, config)}


def memory_events(layer_bytes: Mapping[str, int], config: AcceleratorConfig) -> dict[str, int]:
    """Return the events of a layer's memory traffic, as ``LayerReport.bytes`` has it."""
    written = layer_bytes.get("written_bytes", 0)
    read = sum(layer_bytes.values()) - written
    if config.memory == "axi":
        return {"dram_byte": read + written}
    return {"cache_read_byte": read, "cache_write_byte": written}


def _of_product(layer: IntegerLayer, rows: Tensor,
                config: AcceleratorConfig) -> tuple[dict[str, int], dict[str, int]]:
    """Return additions of the elements and bytes of their buffers; nothing of crossbars."""
    if layer.crossbars is not None:
        return {}, {}
    if layer.input_bits:
        words = bit_planes(rows[0], config.timesteps, _passes(layer, config), layer.input_bits,
                           layer.input_signed).flatten(0, 1)
    else:
        words = pack(rows)
    weights = layer.weight_matrix()
    matches = count_matches(words, weights)
    pairs = int((popcount(words).sum(0) * (weights != 0).sum(1)).sum())
    if config.looks_up:
        return {"add_32_bit": pairs}, {}
    outputs = len(words) * layer.channels
    chunks = sum(lay_source(layer.name, source, config).fiber_chunks for source in layer.sources)
    bits = join_bits(config, matches, outputs * chunks)
    return ({"add_32_bit": join_additions(config, matches, pairs, outputs)},
            {"sram_8kb_byte": -(-bits // 8)})


def _passes(layer: PsumLayer, config: AcceleratorConfig) -> int:
    """Return the lane passes of a layer's integers; 0 of spikes."""
    bits = layer.input_bits if isinstance(layer, IntegerLayer) else 0
    return -(-bits // config.timesteps)


def _pool_additions(layer: PoolLayer, found: LayerTrace) -> int:
    maps = torch.ones(1, 1, 1, layer.height, layer.width, dtype=torch.int64)
    inside = lower(maps, layer.window, layer.stride, layer.padding)
    windows = inside.shape[1]
    images = found.psums.shape[1] // windows
    return (int(inside.sum()) - windows) * images * layer.channels * len(found.psums)


def _of_neurons(layer: PsumLayer, found: LayerTrace, config: AcceleratorConfig) -> dict[str, int]:
    count = found.psums.numel()  # neurons times timesteps
    additions = 1 + (layer.residual is not None)
    if layer.lif is not None:
        additions += 2 + (layer.lif.reset == "soft")
    elif layer.output == "readout":
        additions += 1
    events = {}
    if layer.requantize is not None:
        additions += 1
        events["mult_32_bit"] = count
    lanes = max(0, _passes(layer, config) * config.timesteps - 1)
    return {"add_32_bit": count * additions + count // config.timesteps * lanes, **events}


def _of_attention(layer: AttentionLayer, rows: Tensor,
                  config: AcceleratorConfig) -> tuple[dict[str, int], dict[str, int]]:
    part = config.attention
    assert part is not None
    work = attention_work(layer, rows, config)
    read, written = -(-work.read // 8), -(-work.written // 8)
    compute = {"add_8_bit": work.common, "add_32_bit": work.added}
    if _memory_bits(part, config) <= 8 * _SMALL:
        return compute, {"sram_8kb_byte": read + written}
    return compute, {"cache_read_byte": read, "cache_write_byte": written}


def _memory_bits(part: AttentionConfig, config: AcceleratorConfig) -> int:
    """Return the size of the unit's largest memory: of the sums, or of keys."""
    if part.order == "sums":
        return (part.channels * part.head_channels * part.chunks
                * part.count_limit.bit_length())
    return part.tokens * part.channels * config.timesteps


def attention_work(layer: AttentionLayer, rows: Tensor,
                   config: AcceleratorConfig) -> AttentionWork:
    """Return what the unit of this configuration does for a layer.

    Parameters
    ----------
    layer : AttentionLayer
    rows : Tensor[T, M, 3 * N]
        Tokens of all images, bool.
    config : AcceleratorConfig
        With attention.
    """
    part = config.attention
    assert part is not None
    tokens = rows.unflatten(1, (-1, layer.height * layer.width))
    work = _sums_first if part.order == "sums" else _scores_first
    return work(tokens, layer, part, config)


def _sums_first(tokens: Tensor, layer: AttentionLayer, part: AttentionConfig,
                config: AcceleratorConfig) -> AttentionWork:
    size, lanes = layer.channels // layer.heads, config.beat_values
    queries, keys, values = split_chunks(tokens.double(), layer.heads, layer.chunk_steps)
    common = int((keys.sum(-1) * values.sum(-1)).sum())
    # of one token at a time, [chunks, images, heads, N, d, steps]
    keys, values = (spikes.unflatten(-2, (layer.chunk_steps, -1)).movedim(-3, -1)
                    for spikes in (keys, values))
    counted = int(((keys @ values.transpose(-1, -2)) > 0).sum())
    # [images, N, 3, heads, d], in any timestep
    heard = tokens.any(0).unflatten(-1, (3, layer.heads, size))
    query, key, value = heard.unbind(2)
    groups = -(-size // part.adders)
    padded = torch.nn.functional.pad(value, (0, groups * part.adders - size))
    met = padded.unflatten(-1, (groups, part.adders)).any(-1)  # groups of values
    # A group ends in an entry, even where its last slice is silent.
    key_entries = int((met * key.sum(-1, keepdim=True)).sum()
                      + (~met | ~key[..., -lanes:].any(-1, keepdim=True)).sum())
    query_entries = groups * int(query.sum() + (~query[..., -lanes:].any(-1)).sum())
    word = part.adders * part.chunks * part.count_limit.bit_length()
    cleared = len(query) * layer.channels * part.head_groups
    return AttentionWork(
        common=common, added=counted + int(queries.sum()) * size,
        entries=key_entries + query_entries, read=word * (key_entries + query_entries),
        written=word * (key_entries + cleared))


def _scores_first(tokens: Tensor, layer: AttentionLayer, part: AttentionConfig,
                  config: AcceleratorConfig) -> AttentionWork:
    images, count, _ = tokens.shape[1:]
    size, lanes = layer.channels // layer.heads, config.beat_values
    queries, keys, values = split_chunks(tokens.double(), layer.heads, layer.chunk_steps)
    scores = queries @ keys.transpose(-1, -2)
    added = int(((scores > 0).sum(-2) * values.sum(-1)).sum())
    # whether a query meets a key in any step: [images, heads, N, N]
    steps = scores.unflatten(-1, (layer.chunk_steps, count)).unflatten(
        -3, (layer.chunk_steps, count))
    met = (steps > 0).any(-2).any(-3).any(0)
    met[..., -1] = True  # the last token gives the results
    groups = -(-size // part.adders)
    entries = int(met.sum()) * groups * layer.chunk_steps
    slices = images * layer.heads * count * count * (size // lanes)
    result = part.adders * config.timesteps * part.result_limit.bit_length()
    kept = images * count * 3 * layer.channels * config.timesteps
    return AttentionWork(
        common=int(scores.sum()), added=added, entries=entries,
        read=(slices * 2 * lanes * config.timesteps
              + entries * (part.adders * config.timesteps + result)),
        written=kept + entries * result)
