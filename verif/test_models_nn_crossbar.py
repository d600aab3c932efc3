# SPDX-License-Identifier: Apache-2.0
"""The float twin of the crossbar: equal to the integer model, and fit to be trained with noise."""

from dataclasses import replace

import pytest
import torch

from spikeloom.models.data import digits
from spikeloom.models.golden.conductance import Device
from spikeloom.models.golden.imc_engine import IMCEngine
from spikeloom.models.nn.crossbar import CrossbarLinear
from spikeloom.rtl.config import ENCODINGS, CrossbarConfig

REAL = Device(sigma=0.1, stuck_low=0.01, stuck_high=0.01, offset_sigma=10.0, seed=5)


def _layer(encoding, device=None, **fields):
    torch.manual_seed(3)
    config = CrossbarConfig(rows=32, columns=40, columns_per_adc=8, encoding=encoding, tiles=2,
                            **fields)
    return CrossbarLinear(config, 50, config.outputs - 1, device)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("fields", [{}, dict(adc_shift=7, adc_bits=4), dict(adc_shift=3)],
                         ids=["level", "coarse", "fine"])
def test_evaluation_is_the_integer_engine(encoding, fields):
    layer = _layer(encoding, REAL, **fields).eval()
    spikes = torch.rand(3, 7, 50) < 0.4
    words = sum(spikes[t].to(torch.int64) << t for t in range(3))
    exact = IMCEngine(layer.config, layer.images()).run(words)[:3, :, :-1]
    unit = layer.scale / 2**layer.config.result_fraction_bits
    torch.testing.assert_close(layer(spikes.float()), exact * unit)


def test_ideal_without_clipping_is_the_product_of_rounded_weights():
    layer = _layer("differential", adc_bits=10).eval()
    spikes = (torch.rand(5, 50) < 0.5).float()
    torch.testing.assert_close(
        layer(spikes), spikes @ (layer.integer_weights() * layer.scale).float())


def test_gradients_are_those_of_the_ideal_product():
    layer = _layer("sign", REAL)
    spikes = (torch.rand(5, 50) < 0.5).float().requires_grad_()
    layer(spikes).sum().backward()
    rounded = (layer.integer_weights() * layer.scale).float()
    torch.testing.assert_close(spikes.grad, rounded.sum(1).expand(5, -1))
    torch.testing.assert_close(layer.weight.grad,
                               spikes.detach().sum(0).expand_as(layer.weight.grad))


def test_training_draws_another_device_each_time():
    layer = _layer("differential", REAL, noise_bits=8, noise_shift=3)
    spikes = (torch.rand(5, 50) < 0.5).float()
    assert not torch.equal(layer(spikes), layer(spikes))
    layer.eval()
    assert torch.equal(layer(spikes), layer(spikes))


def test_noise_aware_training_learns_and_survives_the_device():
    """Four classes of noisy patterns: the layer learns them on changing devices."""
    torch.manual_seed(0)
    config = CrossbarConfig(rows=32, columns=32, weight_bits=4, cell_bits=2, adc_shift=6)
    layer = CrossbarLinear(config, 32, 4, Device(sigma=0.3, stuck_low=0.03))
    patterns = (torch.rand(4, 32) < 0.5).float()

    def batch(count):
        labels = torch.randint(4, (count,))
        return (patterns[labels] - (torch.rand(count, 32) < 0.15).float()).abs(), labels

    optimizer = torch.optim.Adam(layer.parameters(), 0.02)
    for _ in range(60):
        spikes, labels = batch(32)
        loss = torch.nn.functional.cross_entropy(layer(spikes), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    layer.eval()
    spikes, labels = batch(200)
    assert (layer(spikes).argmax(1) == labels).float().mean() > 0.9


class _Fire(torch.autograd.Function):
    """A spike above 0, with a surrogate gradient."""

    @staticmethod
    def forward(ctx, potential):
        ctx.save_for_backward(potential)
        return (potential > 0).float()

    @staticmethod
    def backward(ctx, *grad_outputs):
        (potential,) = ctx.saved_tensors
        return grad_outputs[0] / (1 + 4 * potential.abs()) ** 2


def _digits():
    """Return spikes of 7 x 7 pixels, and labels."""
    test = digits.load_test()
    small = torch.nn.functional.avg_pool2d(torch.as_tensor(test.images).float().squeeze(1), 4)
    return (small > 64).float().flatten(1), torch.as_tensor(test.labels).long()


def _accuracy_on_devices(trained_on, devices, spikes, labels):
    """Train two layers of digits on devices of a kind; return the accuracy on each of others."""
    torch.manual_seed(0)
    config = CrossbarConfig(rows=64, columns=128, weight_bits=4, encoding="offset", adc_bits=8)
    hidden, output = (CrossbarLinear(config, *sizes, trained_on) for sizes in ((49, 48), (48, 10)))
    threshold = torch.full((48,), 0.3, requires_grad=True)
    network = torch.nn.ModuleList([hidden, output])
    optimizer = torch.optim.Adam([*network.parameters(), threshold], 0.01)
    for _ in range(200):
        chosen = torch.randint(1500, (64,))
        fired = _Fire.apply(hidden(spikes[chosen]) - threshold)
        loss = torch.nn.functional.cross_entropy(output(fired), labels[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    network.eval()
    found = []
    for device in devices:
        hidden.device, output.device = device, replace(device, seed=device.seed + 1000)
        fired = _Fire.apply(hidden(spikes[1500:]) - threshold)
        found.append(float((output(fired).argmax(1) == labels[1500:]).double().mean()))
    return found


def test_networks_that_were_trained_with_noise_are_better_on_devices():
    """Handwritten digits, and the encoding that suffers most from variation."""
    kind = Device(sigma=0.1, stuck_low=0.02, stuck_high=0.02)
    devices = [replace(kind, seed=100 + number) for number in range(8)]
    with_noise = _accuracy_on_devices(kind, devices, *_digits())
    without = _accuracy_on_devices(Device(), devices, *_digits())
    assert min(without) > 0.2, "what was trained on ideal cells must have learned, too"
    assert sum(with_noise) > sum(without) and min(with_noise) > min(without)


def test_refusals():
    with pytest.raises(ValueError, match="inputs and outputs must be at most 64 and 8, "
                                         "not 65 and 1"):
        CrossbarLinear(CrossbarConfig(), 65, 1)
