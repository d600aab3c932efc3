# SPDX-License-Identifier: Apache-2.0
"""The integer vision transformer: its float twin, its file, its control words, its crossbars."""

import re
from dataclasses import replace

import pytest
import torch

from spikeloom.models.data import recall
from spikeloom.models.golden.conductance import Device
from spikeloom.models.golden.errors import GoldenError, NetworkError, NetworkFileError
from spikeloom.models.golden.vit_crossbar import CrossbarProduct
from spikeloom.models.golden.vit_layers import VitLinear
from spikeloom.models.golden.vit_network import VitEncoder, pooled
from spikeloom.models.golden.vit_network_file import load_vit, save_vit
from spikeloom.models.golden.vit_shape import VitShape
from spikeloom.models.nn.vit import TwinVit
from spikeloom.models.nn.vit_layers import Mode
from spikeloom.models.nn.vit_recipe import similarity
from spikeloom.rtl.config import CrossbarConfig

SHAPE = VitShape(pattern="ARSC", tokens=9, channels=12, heads=3, hidden=20, features=24,
                 classes=5, pool="last")


def _twin(pattern="ARSC", pool="last", **fields):
    torch.manual_seed(3)
    twin = TwinVit(replace(SHAPE, pattern=pattern, pool=pool, **fields), 6)
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter += torch.randn_like(parameter) * 0.1
    return twin


@pytest.fixture(scope="module")
def inputs():
    return recall.generate(40, 7).tokens


@pytest.mark.parametrize("pattern, pool, fields", [
    ("ARSC", "last", {}), ("SARRA", "mean", {}), ("AC", "mean", {"heads": 1, "channels": 13}),
    ("S", "last", {}), ("AAR", "mean", {"hidden": 7, "classes": 1}),
])
def test_twin_is_the_integer_model(pattern, pool, fields, inputs):
    twin = _twin(pattern, pool, **fields)
    floating = twin(inputs).detach()
    twin.quantize(inputs)
    network = twin.integer("twin")
    trace = network.run(inputs)
    unit = 2.0 ** -twin.head.sum_exponent
    assert torch.equal(twin(inputs), (trace.logits * unit).float())
    off = (twin(inputs).detach() - floating).abs().max()
    assert float(off) < 0.2 * float(floating.abs().max())
    _, added = twin.trace(inputs)
    for encoder, mine, golden in zip(twin.encoders, added, trace.attention, strict=True):
        if encoder.kind != "S":
            assert torch.equal(mine, (golden * 2.0 ** -encoder.added_exponent).float())


def test_quantized_twin_learns(inputs):
    """The gradient goes through all that is rounded, to every parameter."""
    twin = _twin("ARSC")
    twin.quantize(inputs)
    twin(inputs).square().sum().backward()
    for name, parameter in twin.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name
    assert {part.mode for part in twin.modules() if hasattr(part, "mode")} == {Mode.INTEGER}


def test_control_words(inputs):
    twin = _twin("ACSR")
    twin.quantize(inputs)
    network = twin.integer("words")
    trace = network.run(inputs)
    own, same, none, transformed = trace.attention
    assert torch.equal(own, same) and not none.numel()
    assert torch.equal(
        transformed, network.encoders[3].transform.run("3", own))
    assert int(transformed.min()) >= 0 and int(transformed.max()) > 0
    encoder = network.encoders[2]
    assert torch.equal(trace.tokens[3], trace.tokens[2] + encoder.mlp.run("2", trace.tokens[2]))


def test_residual_saturates(inputs):
    twin = _twin("S", "mean")
    twin.quantize(inputs)
    network = twin.integer("full")
    full = replace(network, position=torch.full_like(network.position, 32767))
    assert int(full.run(inputs).tokens[0].max()) == 32767


def test_mean_of_tokens_is_rounded_half_up():
    shape = replace(SHAPE, tokens=3, pool="mean")
    tokens = torch.tensor([[[1, -6], [2, 0], [2, 0]], [[2, -1], [2, -3], [2, 0]]])
    assert pooled(tokens, shape).tolist() == [[1, -1], [2, -1]]  # 5/4, -6/4, 6/4, -4/4
    top = torch.full((1, 4, 2), 32767)
    assert pooled(top, replace(shape, tokens=4)).tolist() == [[32767] * 2]


def test_file_gives_the_network_back(inputs, tmp_path):
    twin = _twin("ARSC")
    twin.quantize(inputs)
    network = twin.integer("stored")
    for name in ("one.npz", "other.npz"):
        save_vit(tmp_path / name, network)
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "other.npz").read_bytes()
    found = load_vit(tmp_path / "one.npz")
    assert found.shape == network.shape and found.name == "stored"
    assert torch.equal(found.run(inputs).logits, network.run(inputs).logits)
    (tmp_path / "bad.npz").write_bytes(b"no network")
    with pytest.raises(NetworkFileError):
        load_vit(tmp_path / "bad.npz")


def test_ideal_crossbars_are_exact_and_real_ones_are_not(inputs):
    twin = _twin("AR")
    twin.quantize(inputs)
    network, few = twin.integer("crossbars"), inputs[:3]
    macro = CrossbarConfig(rows=16, adc_bits=8, columns=32)  # several row and column tiles
    expected = network.run(few).logits
    assert torch.equal(network.run(few, CrossbarProduct(macro)).logits, expected)
    noisy = network.run(few, CrossbarProduct(macro, Device(sigma=0.2, seed=1))).logits
    again = network.run(few, CrossbarProduct(macro, Device(sigma=0.2, seed=1))).logits
    assert not torch.equal(noisy, expected) and torch.equal(noisy, again)
    with pytest.raises(GoldenError, match="adc_shift must be at least fraction_bits .6., not 4"):
        CrossbarProduct(CrossbarConfig(adc_shift=4))


def test_similarity(inputs):
    twin = _twin("AAA")
    twin.quantize(inputs)
    found = similarity(twin.integer("similar"), inputs)
    assert found.shape == (3, 3) and torch.allclose(found, found.T)
    assert float((found.diagonal() - 1).abs().max()) < 0.05  # a token of zeros has no direction


def test_recall_has_its_answer_in_the_tokens():
    data = recall.generate(100, 5)
    assert data.tokens.shape == (100, 9, 24) and int(data.tokens.max()) == 64
    keys, values = data.tokens[:, :, :recall.KEYS], data.tokens[:, :-1, recall.KEYS:]
    beside = (keys[:, :-1] * keys[:, -1:]).sum(2).argmax(1)
    assert torch.equal(values[torch.arange(100), beside].argmax(1), data.labels)
    assert torch.equal(recall.generate(100, 5).tokens, data.tokens)
    assert not torch.equal(recall.generate(100, 6).tokens, data.tokens)


def _refused(text):
    return pytest.raises(GoldenError, match=re.escape(text))


def test_refusals(inputs):
    for pattern, text in (("RA", "pattern must have an A before encoder 0 (R), not be 'RA'"),
                          ("AX", "pattern must be of ARCS, not 'AX'")):
        with _refused(text):
            replace(SHAPE, pattern=pattern)
    with _refused("heads must divide channels (12), not be 5"):
        replace(SHAPE, heads=5)
    with _refused("pool must be one of last, mean, not 'first'"):
        replace(SHAPE, pool="first")
    twin = _twin("AR")
    twin.quantize(inputs)
    network = twin.integer("refused")
    with _refused("refused: encoders must be AA, not AR"):
        replace(network, shape=replace(network.shape, pattern="AA"))
    with _refused("inputs must be of shape (B, 9, 24), not (1, 9, 2)"):
        network.run(inputs[:1, :, :2])
    with _refused("embed: value must be in -128..127, not 128"):
        network.run(inputs + 128)
    with pytest.raises(NetworkError, match="kind S: attention must be there for A alone"):
        VitEncoder(kind="S", attention=network.encoders[0].attention, mlp=network.encoders[0].mlp)
    with _refused("weight must be in -127..127, not -128"):
        VitLinear(weight=torch.full((2, 2), -128), bias=torch.zeros(2, dtype=torch.int64), shift=0)
