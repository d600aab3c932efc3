# SPDX-License-Identifier: Apache-2.0
"""The float twin of the crossbar: equal to the integer model, and fit to be trained with noise."""

import pytest
import torch

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


def test_refusals():
    with pytest.raises(ValueError, match="inputs and outputs must be at most 64 and 8, "
                                         "not 65 and 1"):
        CrossbarLinear(CrossbarConfig(), 65, 1)
