# SPDX-License-Identifier: Apache-2.0
"""Attention and pooling of residuals in an integer network: what they compute, what is refused."""

from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest
import torch

from spikeloom.models.golden import network_file
from spikeloom.models.golden.attention import attention
from spikeloom.models.golden.errors import GoldenError, NetworkError, NetworkFileError
from spikeloom.models.golden.layer import AttentionLayer, PoolLayer
from spikeloom.models.golden.network import IntegerNetwork
from spikeloom.models.golden.plif import LIF
from spikeloom.models.golden.residual_pool import residual_pool
from spikeloom.verif.made_networks import Made

ONES = torch.ones(4, dtype=torch.int64)


def made() -> IntegerNetwork:
    """Return a network of spikes with both kinds, other things between them, and a readout."""
    maker = Made(11)
    return IntegerNetwork(
        name="made", timesteps=4, input_shape=(2, 5, 4), input_bits=0, layers=(
            maker.layer("stem", maker.source("image", (4, 2, 3, 3), (5, 4), padding=(1, 1)),
                        scale=(15, 16), keep_residual=True, threshold=20),
            PoolLayer(name="pool", pooled="stem", height=5, width=4, kind="max", window=(3, 3),
                      stride=2, padding=(1, 1), bias=maker.table(-9, 9, 4), threshold=6 * ONES,
                      lif=LIF(), requantize=(ONES, 0 * ONES), keep_residual=True),
            maker.layer("qkv", maker.source("pool", (12, 4, 1, 1), (3, 2), 0.9), threshold=-60),
            AttentionLayer(name="attention", input="qkv", height=3, width=2, heads=2,
                           chunk_steps=2, bias=0 * ONES, threshold=3 * ONES, lif=LIF(gain=2)),
            maker.layer("out", maker.source("attention", (4, 4, 1, 1), (3, 2)), scale=(15, 16),
                        residual="pool", keep_residual=True, threshold=9),
            PoolLayer(name="head", pooled="out", height=3, width=2, kind="sum", window=(3, 2),
                      bias=0 * ONES, threshold=12 * ONES, lif=LIF()),
            maker.layer("readout", maker.source("head", (3, 4, 1, 1), (1, 1), 1.0),
                        output="readout")))


def spikes(count: int = 3) -> torch.Tensor:
    """Return input spikes, uint8[count, T, C, H, W]."""
    drawn = np.random.default_rng(3).random((count, 4, 2, 5, 4)) < 0.4
    return torch.from_numpy(drawn.astype(np.uint8))


def test_they_compute_their_layers():
    """Psums are those of the golden operations, and what follows is as in any layer."""
    trace = made().run(spikes())
    kept = trace["stem"].currents.view(4, 3, 5, 4, 4).movedim(4, 2)
    largest = residual_pool(kept, "max", (3, 3), 2, (1, 1)).movedim(2, 4).flatten(1, 3)
    assert torch.equal(trace["pool"].psums, largest)
    assert torch.equal(trace["pool"].currents, largest + made().layers[1].bias)
    tokens = trace["qkv"].maps.movedim(2, 4).reshape(4, 3, 6, 12)
    assert torch.equal(trace["attention"].psums, attention(tokens, 2, 2).flatten(1, 2))
    assert trace["attention"].maps.shape == (4, 3, 4, 3, 2)
    total = trace["out"].currents.view(4, 3, 6, 4).sum(2)
    assert torch.equal(trace["head"].psums, total)
    for layer in trace.layers[:-1]:
        assert 0 < layer.maps.double().mean() < 1, layer.name


def test_images_alone_give_the_same():
    """Images of a batch do not see one another."""
    network, images = made(), spikes()
    assert torch.equal(network.run(images).logits,
                       torch.cat([network.run(image).logits for image in images.split(1)]))


def test_file_gives_the_network_back(tmp_path):
    """Every field survives; what a kind does not have is not in the file."""
    network, path = made(), tmp_path / "made.npz"
    network_file.save(path, network)
    loaded = network_file.load(path)
    assert loaded.input_bits == 0
    for layer, other in zip(network.layers, loaded.layers, strict=True):
        assert type(other) is type(layer)
        for field in layer.__dataclass_fields__:
            one, two = getattr(layer, field), getattr(other, field)
            if field not in ("sources", "bias", "threshold", "requantize"):
                assert one == two, (layer.name, field)
    assert torch.equal(loaded.run(spikes()).logits, network.run(spikes()).logits)
    header = msgspec.json.decode(str(network_file.read_arrays(path)["header"]))
    assert "attention" not in header["layers"][0] and "sources" not in header["layers"][1]


@pytest.mark.parametrize(("layer", "change", "message"), [
    (3, {"sources": []}, "attention must have sources, .*, or pooling, not sources, attention"),
    (3, {"weight_bits": 8}, "attention must have sources, .*, not weight_bits, attention"),
    (0, {"sources": None}, "stem must have sources, .*, not weight_bits, input_bits"),
    (1, {"pooling": None}, "pool must have sources, weight_bits, .*, not none of them"),
])
def test_files_of_no_kind(tmp_path, layer, change, message):
    """A layer is of one kind."""
    path = tmp_path / "made.npz"
    network_file.save(path, made())
    arrays = network_file.read_arrays(path)
    header = msgspec.json.decode(str(arrays["header"]))
    entry = header["layers"][layer] | change
    header["layers"][layer] = {key: value for key, value in entry.items()
                               if key not in change or value is not None}
    arrays["header"] = np.array(msgspec.json.encode(header).decode())
    np.savez_compressed(path, **arrays)  # type: ignore[reportArgumentType]
    with pytest.raises(NetworkFileError, match=message):
        network_file.load(path)


@pytest.mark.parametrize(("index", "fields", "message"), [
    (1, {"kind": "mean"}, "pool: kind must be one of max, sum, not 'mean'"),
    (1, {"window": (3, 9)}, r"kernel must be an int in 1\.\.6, not 9"),
    (1, {"padding": (3, 1)}, r"padding must be an int in 0\.\.2, not 3"),
    (1, {"height": 0}, r"pool: height must be an int in 1\.\.4096, not 0"),
    (1, {"bias": ONES[:3]}, r"pool: threshold must be of shape \(3,\), not \(4,\)"),
    (1, {"bias": ONES << 15}, r"pool: bias\[0\] must be in -32768\.\.32767"),
    (3, {"heads": 3}, r"attention: heads must divide the channels \(4\), not be 3"),
    (3, {"heads": 0}, r"attention: heads must be an int in 1\.\.4, not 0"),
    (3, {"chunk_steps": 17}, r"attention: chunk_steps must be an int in 1\.\.16, not 17"),
    (3, {"threshold": ONES << 6}, r"attention: threshold\[0\] must be in -32\.\.31 \(6 bits"),
    (3, {"output": "readout", "lif": None, "threshold": None},
     r"attention: output maps of a readout must be \(1, 1\), not \(3, 2\)"),
])
def test_refused_layers(index, fields: dict[str, Any], message):
    """Errors name layer, field, value and limit."""
    with pytest.raises(GoldenError, match=message):
        replace(made().layers[index], **fields)


@pytest.mark.parametrize(("index", "fields", "message"), [
    (1, {"pooled": "qkv"}, r"pooled must be one of an earlier layer .* \(stem\), not 'qkv'"),
    (1, {"pooled": "pool"}, r"pool: pooled must be one of .* \(stem\), not 'pool'"),
    (1, {"height": 6}, r"pool: height and width must be \(5, 4\), as of stem, .* \(6, 4\)"),
    (5, {"bias": ONES[:2], "threshold": ONES[:2]}, "head: channels must be 4, as of out"),
    (3, {"input": "pool"}, r"attention: inputs must be \(4, 3, 2\), as pool gives, not"),
    (3, {"input": "far"}, "attention: source must be 'image' or an earlier layer .*, not 'far'"),
    (3, {"height": 2}, r"attention: inputs must be \(12, 3, 2\), as qkv gives"),
    (3, {"chunk_steps": 3}, r"attention: chunk_steps must divide the timesteps \(4\), not be 3"),
])
def test_refused_networks(index, fields: dict[str, Any], message):
    """So do those of layers that do not fit their network."""
    network = made()
    layers = list(network.layers)
    layers[index] = replace(layers[index], **fields)
    with pytest.raises(NetworkError, match=message):
        replace(network, layers=tuple(layers))


def test_refused_inputs():
    """Spikes come with timesteps; pixels do not fit a network of spikes."""
    network = made()
    with pytest.raises(GoldenError, match=r"images must be uint8\[B, 4, 2, 5, 4\], not"):
        network.run(spikes()[:, 0])
    with pytest.raises(GoldenError, match="images must be 0 or 1, not 7"):
        network.run(spikes() * 7)
    with pytest.raises(NetworkError, match="stem: input_bits must be 8, as image gives, not 0"):
        replace(network, input_bits=8)
    with pytest.raises(NetworkError, match="input_bits must be 0 or 8, not 4"):
        replace(network, input_bits=4)
