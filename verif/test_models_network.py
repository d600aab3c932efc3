# SPDX-License-Identifier: Apache-2.0
"""Integer networks: the golden graph against plain convolutions, and its file."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from spikeloom.models.golden import network_file
from spikeloom.models.golden.errors import GoldenError, NetworkError, NetworkFileError
from spikeloom.models.golden.layer import IntegerLayer
from spikeloom.models.golden.network import IntegerNetwork
from spikeloom.models.golden.plif import LIF

ONE = torch.ones(1, 1, dtype=torch.int64)
MAP = torch.zeros(1, 1, 1, 4, 4, dtype=torch.bool)


def tensor(*values):
    return torch.tensor(values, dtype=torch.int64)


def random_weights(rng, shape, density):
    return torch.from_numpy(rng.integers(-128, 128, shape) * (rng.random(shape) < density))


def small_network():
    rng = np.random.default_rng(7)

    def layer(name, kind, shape, threshold=40, **fields):
        weight = random_weights(rng, shape, 0.3)
        bias = torch.from_numpy(rng.integers(-9, 9, shape[0]))
        readout = threshold is None
        return IntegerLayer(
            name=name, kind=kind, weight=weight, bias=bias, lif=None if readout else LIF(),
            threshold=None if readout else torch.full((shape[0],), threshold), **fields)

    return IntegerNetwork(name="small", timesteps=3, layers=(
        layer("conv1", "conv", (4, 1, 3, 3), 4000, height=8, width=8, padding=1, pool=2,
              encoder=True),
        layer("conv2", "conv", (5, 4, 3, 3), height=4, width=4, padding=1, pool=2),
        layer("fc1", "linear", (6, 20), height=2, width=2),
        layer("fc2", "linear", (3, 6), None)))


def small_images(count=2):
    pixels = np.random.default_rng(8).integers(0, 256, (count, 8, 8), dtype=np.uint8)
    return torch.from_numpy(pixels)


def reference_logits(network, images):
    """Run the small network with convolutions in float64, one timestep after the other."""
    membranes, logits = {}, torch.zeros(len(images), 3, dtype=torch.int64)
    for _ in range(network.timesteps):
        x = images[:, None].double()
        for layer in network.layers:
            if layer.kind == "conv":
                y = functional.conv2d(x, layer.weight.double(), layer.bias.double(), padding=1)
            else:
                flat = x.permute(0, 2, 3, 1).flatten(1) if x.ndim == 4 else x
                y = functional.linear(flat, layer.weight.double(), layer.bias.double())
            if layer.lif is None:
                logits += y.long()
                continue
            u = torch.floor((membranes.get(layer.name, 0) + y) / 2)
            threshold = layer.threshold.view(1, -1, *[1] * (y.ndim - 2))
            membranes[layer.name] = torch.where(u >= threshold, 0, u)
            x = (u >= threshold).double()
            x = functional.max_pool2d(x, 2) if layer.pool else x
    return logits


def test_network_computes_its_layers():
    network, images = small_network(), small_images(4)
    trace = network.run(images)
    assert torch.equal(trace.logits, reference_logits(network, images))
    assert torch.equal(network.predict(images, batch=3), trace.logits.argmax(1))
    assert network.encode(images).shape == (3, 4, 4, 4, 4)
    assert torch.equal(network.layers[1].rows(network.encode(images)), trace["conv2"].rows)
    assert trace["conv2"].rows.shape == (3, 4 * 16, 36)
    assert trace["fc2"].spikes is None and trace["fc1"].spikes.any()
    assert network.weight_bits == 8 and 0 < network.sparsity < 1


def test_no_input_can_overflow_a_psum():
    layer = small_network().layers[1]
    for extreme in (-128, 127):
        full = replace(layer, weight=torch.full_like(layer.weight, extreme))
        psums = full.psums(torch.ones(1, 1, full.row_length, dtype=torch.bool))
        assert psums.unique().tolist() == [extreme * 36] and full.psum_bits == 14


def swap(network, index, **fields):
    layers = list(network.layers)
    layers[index] = replace(layers[index], **fields)
    return replace(network, layers=tuple(layers))


@pytest.mark.parametrize(("change", "message"), [
    (lambda n: replace(n, timesteps=17), "timesteps must be an int in 1..16, not 17"),
    (lambda n: replace(n, layers=n.layers[:3]), "small must be an encoder, layers of spikes and"),
    (lambda n: replace(n, layers=n.layers[:2] + n.layers[3:]),
     r"inputs of fc2 must be \(5, 2, 2\), as conv2 gives, not \(6, 1, 1\)"),
    (lambda n: swap(n, 1, encoder=True), "conv2 must be neither an encoder nor behind a readout"),
    (lambda n: swap(n, 2, name="conv2"), "layer names of small must differ"),
    (lambda n: swap(n, 1, pool=-1), "conv2: pool must be an int in 0..255, not -1"),
    (lambda n: swap(n, 1, kind="pool"), "conv2: kind must be 'conv' or 'linear', not 'pool'"),
    (lambda n: swap(n, 1, lif=None), "conv2: lif and threshold must both be given or both None"),
    (lambda n: swap(n, 1, bias=tensor(1)), r"conv2: bias must be of shape \(5,\), not \(1,\)"),
    (lambda n: swap(n, 1, bias=torch.zeros(5)), "conv2: bias must be int64, not torch.float32"),
    (lambda n: swap(n, 1, weight=ONE), "conv2: weight must be of rank 4 with a square kernel"),
    (lambda n: swap(n, 2, height=3), "fc1: weight columns must be a multiple of height"),
    (lambda n: swap(n, 1, weight_bits=4), r"conv2: weight\[.*\] must be in -8\.\.7 \(4 bits sign"),
    (lambda n: swap(n, 1, threshold=torch.full((5,), 1 << 13)),
     r"conv2: threshold\[0\] must be in -8192\.\.8191"),
    (lambda n: n.run(small_images().long()), r"images must be uint8\[B, 8, 8\], not torch.int64"),
    (lambda n: n.encode(small_images()[:, 1:]), r"images must be uint8\[B, 8, 8\], not .*7, 8"),
    (lambda n: n.run(small_images())["fc3"], "layer must be one of conv1, .*, not 'fc3'"),
    (lambda n: n.layers[3].spikes(ONE[None]), "fc2: a readout has no neurons"),
    (lambda n: n.layers[1].rows(MAP), r"conv2: input must be of shape \[T, B, 4, 4, 4\], not"),
    (lambda n: n.layers[0].psums(torch.full((1, 1, 9), 256)), "conv1: pixels must be in 0..255"),
])
def test_network_errors(change, message):
    with pytest.raises(GoldenError, match=message):
        change(small_network())


# Network file

def test_saved_network_is_the_same(tmp_path):
    network, images = small_network(), small_images()
    for name in ("a.npz", "b.npz"):
        network_file.save(tmp_path / name, network, {"extra": np.zeros(3)})
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    loaded = network_file.load(tmp_path / "a.npz")
    assert loaded.name == "small" and torch.equal(loaded.run(images).logits,
                                                  network.run(images).logits)
    for layer, other in zip(network.layers, loaded.layers, strict=True):
        assert (layer.lif, layer.pool, layer.encoder) == (other.lif, other.pool, other.encoder)


def rewrite(change):
    def damage(path):
        arrays = dict(np.load(path))
        change(arrays)
        np.savez(path, **arrays)
    return damage


def edit_header(old, new):
    def change(arrays):
        assert old in str(arrays["header"])
        arrays["header"] = np.array(str(arrays["header"]).replace(old, new))
    return rewrite(change)


@pytest.mark.parametrize(("damage", "message"), [
    (lambda p: p.unlink(), "must be a network file, not missing"),
    (lambda p: p.write_bytes(p.read_bytes()[:900]), "archive must be readable without pickle"),
    (lambda p: p.write_bytes(p.read_bytes().replace(b"conv2.bias", b"conv3.bias")),
     "conv2.bias must be present, not missing"),
    (rewrite(lambda a: a.pop("header")), "header must be present, not missing"),
    (rewrite(lambda a: a.update({"fc1.weight": np.zeros((6, 20))})),
     "fc1.weight must be of type 'i' and rank 2, not 'f' and rank 2"),
    (rewrite(lambda a: a.update({"fc1.bias": np.zeros(5, np.int64)})),
     r"fc1: bias must be of shape \(6,\), not \(5,\)"),
    (rewrite(lambda a: a.update({"fc1.bias": np.array([None])})),
     "fc1.bias must be readable without pickle"),
    (edit_header("network-1", "network-0"), "format must be 'spikeloom-network-1', not"),
    (edit_header('"gain":1', '"gain":99'), "header must describe a network: .*gain must be"),
    (edit_header('"stride":1', '"stride":"1"'), "header must describe a network: .*stride"),
    (edit_header('"pool":2', '"pool":2,"tile":3'), "header must describe a network: .*tile"),
    (edit_header('"timesteps":3', '"timesteps":0'), "timesteps must be an int in 1..16, not 0"),
])
def test_damaged_file_names_the_field(tmp_path, damage, message):
    path = tmp_path / "network.npz"
    network_file.save(path, small_network())
    damage(path)
    with pytest.raises(NetworkFileError, match=message):
        network_file.load(path)


def test_flipped_bytes_never_load_as_another_network(tmp_path):
    path, images = tmp_path / "network.npz", small_images()
    network_file.save(path, small_network())
    content, logits = path.read_bytes(), small_network().run(images).logits
    for position in range(0, len(content), 23):
        path.write_bytes(content[:position] + bytes([content[position] ^ 0x10])
                         + content[position + 1:])
        try:
            assert torch.equal(network_file.load(path).run(images).logits, logits)
        except NetworkError:
            pass
