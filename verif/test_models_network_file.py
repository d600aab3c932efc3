# SPDX-License-Identifier: Apache-2.0
"""File of an integer network: it comes back the same, and damage is named."""

import numpy as np
import pytest
import torch

from spikeloom.models.golden import network_file
from spikeloom.models.golden.errors import NetworkError, NetworkFileError
from spikeloom.verif.made_networks import alive, chain, integers, shortcuts, small_images


@pytest.mark.parametrize("make", [chain, shortcuts, integers])
def test_saved_network_is_the_same(tmp_path, make):
    network = alive(make())
    images = small_images(network)
    for name in ("a.npz", "b.npz"):
        network_file.save(tmp_path / name, network, {"extra": np.zeros(3)})
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    loaded = network_file.load(tmp_path / "a.npz")
    assert loaded.name == network.name
    assert torch.equal(loaded.run(images).logits, network.run(images).logits)
    again = network_file.network_arrays(loaded)
    assert all(np.array_equal(array, again[field])
               for field, array in network_file.network_arrays(network).items())


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
    (lambda p: p.write_bytes(p.read_bytes().replace(b"d.bias", b"d.bius")),
     "d.bias must be present, not missing"),
    (rewrite(lambda a: a.pop("header")), "header must be present, not missing"),
    (rewrite(lambda a: a.pop("d.weight.1")), "d.weight.1 must be present, not missing"),
    (rewrite(lambda a: a.pop("a.shift")), "a.shift must be present, not missing"),
    (rewrite(lambda a: a.update({"b.weight.0": np.zeros((6, 20))})),
     "b.weight.0 must be of type 'i' and rank 4, not 'f' and rank 2"),
    (rewrite(lambda a: a.update({"b.bias": np.zeros(5, np.int64)})),
     r"b: bias must be of shape \(6,\), not \(5,\)"),
    (rewrite(lambda a: a.update({"b.bias": np.array([None])})),
     "b.bias must be readable without pickle"),
    (edit_header("network-2", "network-1"), "format must be 'spikeloom-network-2', not"),
    (edit_header('"gain":1', '"gain":99'), "header must describe a network: .*gain must be"),
    (edit_header('"stride":1', '"stride":"1"'), "header must describe a network: .*stride"),
    (edit_header('"pool":3', '"pool":3,"tile":3'), "header must describe a network: .*tile"),
    (edit_header('"residual":"a"', '"residual":"c"'), "b: residual must be one of an earlier"),
    (edit_header('"timesteps":4', '"timesteps":0'), "timesteps must be an int in 1..16, not 0"),
])
def test_damaged_file_names_the_field(tmp_path, damage, message):
    path = tmp_path / "network.npz"
    network_file.save(path, shortcuts())
    damage(path)
    with pytest.raises(NetworkFileError, match=message):
        network_file.load(path)


def test_flipped_bytes_never_load_as_another_network(tmp_path):
    network = chain()
    path, images = tmp_path / "network.npz", small_images(network)
    network_file.save(path, network)
    content, logits = path.read_bytes(), network.run(images).logits
    for position in range(0, len(content), 23):
        path.write_bytes(content[:position] + bytes([content[position] ^ 0x10])
                         + content[position + 1:])
        try:
            assert torch.equal(network_file.load(path).run(images).logits, logits)
        except NetworkError:
            pass
