# SPDX-License-Identifier: Apache-2.0
"""Spiking transformers: the structure against plain torch, loading, and exactness in integers."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from spikeloom.models.golden import network_file
from spikeloom.models.nn.fixed_layers import FixedLayer
from spikeloom.models.nn.quantization import (
    ResidualOverflowError,
    fold_network,
    integer_network,
)
from spikeloom.models.nn.statten_official import StateDictError, load_official, official_shapes
from spikeloom.models.nn.statten_shape import StattenShape
from spikeloom.models.nn.training import operand
from spikeloom.models.zoo.statten import PUBLISHED, build
from spikeloom.verif.statten_networks import SHAPES, alive, inputs

MILLIONS = {
    "cifar10-2-256": 2.567, "cifar10-2-512": 10.234, "cifar100-2-256": 2.590,
    "cifar100-2-512": 10.280, "imagenet-8-512": 29.690, "imagenet-8-768": 66.339,
    "cifar10dvs-t10": 2.567, "cifar10dvs-t16": 2.567, "ncaltech101-t10": 2.590,
    "ncaltech101-t16": 2.590}


class Plain:
    """The authors' network in plain torch, by the names of their entries; float64."""

    def __init__(self, shape: StattenShape, state: dict[str, Tensor]):
        self.shape = shape
        self.state = {name: value.double() for name, value in state.items()}

    def conv(self, x: Tensor, conv: str, norm: str) -> Tensor:
        """Convolve [T, B, ...] and normalize."""
        weight, bias = self.state[f"{conv}.weight"], self.state.get(f"{conv}.bias")
        y = functional.conv2d(x.flatten(0, 1), weight, bias, padding=weight.shape[2] // 2)
        mean, variance, gain, shift = (
            self.state[f"{norm}.{field}"].view(-1, 1, 1)
            for field in ("running_mean", "running_var", "weight", "bias"))
        y = (y - mean) / torch.sqrt(variance + 1e-5) * gain + shift
        return y.unflatten(0, x.shape[:2])

    def logits(self, x: Tensor) -> Tensor:
        """Classify [T, B, C, H, W]."""
        for stage, flag in enumerate(self.shape.pools):
            tag = stage or ""
            x = self.conv(x, f"patch_embed.proj_conv{tag}", f"patch_embed.proj_bn{tag}")
            x = lif(x) if stage < 3 else x
            x = pool(x, 2) if flag == "1" else x
        x = self.conv(lif(x), "patch_embed.rpe_conv", "patch_embed.rpe_bn") + x
        for number in range(self.shape.depth):
            x = self.block(x, f"block.{number}")
        x = lif(x.flatten(3).mean(3))
        return (x @ self.state["head.weight"].T + self.state["head.bias"]).mean(0)

    def block(self, x: Tensor, name: str) -> Tensor:
        """Run attention and perceptron."""
        spikes, shape = lif(x), self.shape
        q, k, v = (lif(self.conv(spikes, f"{name}.attn.{part}_conv", f"{name}.attn.{part}_bn"))
                   for part in "qkv")
        if shape.events:
            spikes, q, k, v = (pool(part, 1) for part in (spikes, q, k, v))
        z = self.mask(q, k, v) if shape.attention == "sdt" else self.attend(q, k, v)
        z = z * spikes + spikes if shape.events else z
        x = x + self.conv(z, f"{name}.attn.proj_conv", f"{name}.attn.proj_bn")
        y = lif(self.conv(lif(x), f"{name}.mlp.fc1_conv", f"{name}.mlp.fc1_bn"))
        return x + self.conv(y, f"{name}.mlp.fc2_conv", f"{name}.mlp.fc2_bn")

    def mask(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Keep the queries of channels whose keys and values meet."""
        return q * lif((k * v).sum((3, 4), keepdim=True), 0.5)

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attend, queries with keys first, one image and one chunk at a time."""
        shape, grid = self.shape, q.shape[-1]
        steps = shape.chunk_steps if shape.attention == "statten" else 1
        scale = 1 / (grid * grid * shape.chunk_steps) if shape.events else 1 / grid
        scale = 0.125 if shape.attention == "ssa" else scale
        out = torch.zeros_like(q)
        size = shape.channels // shape.heads
        for first in range(0, len(q), steps):
            for image in range(q.shape[1]):
                for head in range(shape.heads):
                    part = (slice(first, first + steps), image,
                            slice(head * size, (head + 1) * size))
                    tokens = [x[part].movedim(1, 3).reshape(-1, size) for x in (q, k, v)]
                    found = (tokens[0] @ tokens[1].T) @ tokens[2] * scale
                    out[part] = found.view(steps, grid, grid, size).movedim(3, 1)
        return lif(out, 0.5)


def lif(x: Tensor, threshold: float = 1) -> Tensor:
    """Fire as the authors' neurons do: tau 2, decayed input, reset to 0."""
    v, fired = torch.zeros_like(x[0]), []
    for current in x:
        h = v + (current - v) / 2
        fired.append((h >= threshold).to(x.dtype))
        v = h * (1 - fired[-1])
    return torch.stack(fired)


def pool(x: Tensor, stride: int) -> Tensor:
    """Pool by the maximum, 3x3; the border is not there."""
    return functional.max_pool2d(x.flatten(0, 1), 3, stride, 1).unflatten(0, x.shape[:2])


def official_state(network) -> dict[str, Tensor]:
    """Draw a state dict with the authors' names, of what all layers stay alive with."""
    generator = torch.Generator().manual_seed(5)
    state = {}
    for name, shape in official_shapes(network).items():
        value = torch.randn(shape, generator=generator)
        if len(shape) > 1:
            value = value * (2 / math.prod(shape[1:])) ** 0.5
        elif name.endswith("running_var"):
            value = value.abs() * 0.2 + 0.1
        elif "bn" in name and name.endswith(("weight", "bias")):
            value = value * 0.1 + (1.3 if name.endswith("weight") else 0.6)
        else:
            value = value * 0.1
        state[name] = value
    return state


@pytest.mark.parametrize("name", MILLIONS)
def test_published_shapes(name):
    """Each can be built; its parameters and those without a use are as many as the authors'."""
    shape = PUBLISHED[name]
    with torch.device("meta"):
        network = build(shape)
    count = sum(weight.numel() for weight in network.parameters()) + shape.unused_parameters
    assert round(count / 1e6, 3) == MILLIONS[name]


@pytest.mark.parametrize("name", SHAPES)
def test_is_the_authors_network(name):
    """Loaded by the authors' names, the graph computes what their network does."""
    shape = SHAPES[name]
    network = build(shape).double().eval()
    state = official_state(network)
    extra = {"module.block.0.attn.talking_heads.weight": torch.zeros(2, 2, 1),
             "module.head_bn.num_batches_tracked": torch.tensor(3)}
    load_official(network, {f"module.{key}": value for key, value in state.items()} | extra)
    x = operand(inputs(shape, 3), torch.float64)
    frames = x.transpose(0, 1) if shape.frames else x.expand(shape.timesteps, *x.shape)
    with torch.no_grad():
        maps, logits = network.trace(x)
    expected = Plain(shape, state).logits(frames)
    assert torch.allclose(logits, expected, rtol=0, atol=1e-9)
    assert all(0 < float(spikes.mean()) < 1 for key, spikes in maps.items()
               if not network_silent(network, key))


def network_silent(network, name: str) -> bool:
    """Whether no neuron of that layer is to fire."""
    return name in network.trained and network.trained[name].config.silent


def test_state_dicts_that_do_not_fit():
    """Errors name the entry, and nothing is taken."""
    network = build(SHAPES["still"])
    before = [weight.clone() for weight in network.parameters()]
    state = official_state(network)
    for entries, message in (
            ({"head.bias": None}, "missing: head.bias"),
            ({"block.1.mlp.fc2_conv.bias": None, "head.bias": None},
             "missing: block.1.mlp.fc2_conv.bias, head.bias"),
            ({"block.2.attn.q_conv.weight": torch.zeros(1)},
             "unexpected: block.2.attn.q_conv.weight"),
            ({"patch_embed.rpe_conv.weight": torch.zeros(16, 16, 1, 1)},
             r"rpe_conv.weight must be of shape \(16, 16, 3, 3\), not \(16, 16, 1, 1\)")):
        wrong = {key: value for key, value in (state | entries).items() if value is not None}
        with pytest.raises(StateDictError, match=message):
            load_official(network, wrong)
    assert all(map(torch.equal, before, network.parameters()))


@pytest.mark.parametrize("name", SHAPES)
def test_integer_network_is_the_fake_quantized_one(name, tmp_path):
    """In every spike of every layer and in the logits; and so it is from a file."""
    shape = SHAPES[name]
    quantized = fold_network(alive(shape)).double()
    path = tmp_path / "network.npz"
    network_file.save(path, integer_network(name, quantized))
    network = network_file.load(path)
    images = inputs(shape, 4, seed=2)
    trace = network.run(images)
    with torch.no_grad():
        maps, logits = quantized.trace(operand(images, torch.float64))
    for seen in trace.layers[:-1]:
        assert torch.equal(maps[seen.name].bool(), seen.maps), seen.name
        assert seen.maps.any() != network_silent(quantized, seen.name), seen.name
    unit = quantized.trained["readout"].unit[0]
    assert torch.equal(logits * shape.timesteps / unit, trace.logits.double())
    assert len(trace.logits.unique()) > 4


def test_scales_are_powers_of_two():
    """Requantization only shifts, to multiples of 2**-8."""
    quantized = fold_network(alive(SHAPES["still"]))
    network = integer_network("still", quantized)
    kept = [layer for layer in network.products if layer.requantize is not None]
    assert len(kept) == 2 + 2 * 2
    for layer in kept:
        multiplier, shift = layer.requantize
        exponent = quantized.trained[layer.name].exponent
        assert torch.equal(torch.log2(multiplier.double()) - shift, 8.0 - exponent)


def test_residuals_that_overflow():
    """The error names layer, value and limit; the integers would saturate."""
    network = alive(SHAPES["ssa"])
    network.trained["position"].norm.bias.data += 200
    with pytest.raises(ResidualOverflowError,
                       match=r"position: residual must be in -32768..32767, not \d+"):
        fold_network(network)(operand(inputs(SHAPES["ssa"], 2)))


@pytest.mark.parametrize(("fields", "message"), [
    ({"pools": "01"}, "pools must be four digits 0 or 1, not '01'"),
    ({"pools": "0120"}, "pools must be four digits 0 or 1, not '0120'"),
    ({"attention": "full"}, "attention must be one of statten, sdt, ssa, not 'full'"),
    ({"channels": 20}, "channels must be a multiple of 8, not 20"),
    ({"heads": 3}, "heads must be a divisor of 32, not 3"),
    ({"chunk_steps": 3}, "chunk_steps must be a divisor of 4, not 3"),
    ({"events": True, "attention": "sdt"}, "attention must be 'statten' or 'ssa' with events"),
])
def test_refused_shapes(fields, message):
    """Errors name the field, what it is and what it may be."""
    good = {"side": 8, "inputs": 1, "classes": 2, "timesteps": 4, "chunk_steps": 2,
            "channels": 32}
    StattenShape(**good)
    with pytest.raises(ValueError, match=message):
        StattenShape(**good | fields)


def test_gradients_pass_attention():
    """Queries, keys and values all learn, and so does what is before the poolings."""
    network = alive(SHAPES["events"]).train()
    network(operand(inputs(SHAPES["events"], 8))).square().sum().backward()
    assert any(isinstance(layer, FixedLayer) for layer in network)
    for name, layer in network.trained.items():
        for part in layer.weights[0].grad.chunk(3 if name.endswith("qkv") else 1):
            assert part.abs().sum() > 0, name
