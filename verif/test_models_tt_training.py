# SPDX-License-Identifier: Apache-2.0
"""Integer training step: against loops over single numbers, against autograd; that it learns."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from spikeloom.models.data import digits, thermometer
from spikeloom.models.golden.errors import GoldenError, PsumOverflowError
from spikeloom.models.golden.tt_ops import next_shift, rescale
from spikeloom.models.golden.tt_readout import EXP, Trainer, read_out, train_step
from spikeloom.models.golden.tt_training import backward, copies, forward, update
from spikeloom.models.golden.tt_training_layer import ERRORS, TrainingLayer, TrainingState
from spikeloom.models.nn.training import repeatable
from spikeloom.models.zoo import tt_training
from spikeloom.verif.reference_tt_training import StepByNumber

MODES = ("stt", "ptt", "htt")
STEPS, BATCH, SIZE = 4, 2, (3, 4)
DELAYED = (1, 5, 5, 6, 5, 6, 6, 7, 8, 9)


def integers(generator, low, high, *shape):
    return torch.randint(low, high + 1, shape, generator=generator)


def layer_of(mode, rank=3, **fields):
    return TrainingLayer(inputs=2, outputs=4, rank=rank, timesteps=STEPS, mode=mode,
                         full_steps=0b0101 if mode == "htt" else 0, **fields)


def case(mode, seed=1, weight=60, rank=3, **fields):
    """Return a layer, its state, spikes and an error."""
    generator = torch.Generator().manual_seed(seed)
    layer = layer_of(mode, rank, **fields)
    masters = {name: integers(generator, -weight << 8, weight << 8, *shape)
               for name, shape in layer.shapes.items()}
    state = TrainingState(masters=masters, shifts=dict(zip(ERRORS, DELAYED, strict=True)))
    x = integers(generator, 0, 1, STEPS, BATCH, 2, *SIZE)
    return layer, state, x, integers(generator, -127, 127, STEPS, BATCH, 4, *SIZE)


SHIFTS = {"shift_h": 0, "shift_b": 6, "shift_m": 6, "shift_y": 4}


@pytest.mark.parametrize("rank", [3, 1])
@pytest.mark.parametrize("mode", MODES)
def test_step_is_that_of_single_numbers(mode, rank):
    layer, state, x, error = case(mode, rank=rank, **SHIFTS)
    seen = forward(layer, state, x)
    gradients = backward(layer, state, seen, error)
    expected = StepByNumber(layer, state, x, error)
    tensors = {"h": seen.h, "b": seen.b, "m": seen.m, "y": seen.y, "s": seen.spikes,
               "w": seen.window} | gradients.errors
    assert ("db" in gradients.errors) == (mode == "stt")
    for name, tensor in tensors.items():
        assert tensor.any(), name
        for (t, n, channel, at), value in expected.found[name].items():
            assert tensor[t, n, channel, *at] == value, (name, t, n, channel, at)
    for name, total in expected.sums.items():
        assert torch.equal(gradients.sums[name], total), name


@pytest.mark.parametrize("mode", MODES)
def test_gradients_are_those_of_autograd(mode):
    """Without rounding: shifts of 0 and numbers so small that nothing is clamped."""
    layer, state, x, _ = case(mode, weight=1, rank=2, shift_h=0)
    state = replace(state, shifts=dict.fromkeys(ERRORS, 0))
    seen = forward(layer, state, x)
    dy = torch.zeros_like(seen.y)
    dy[:, 0, 1, 1, 2], dy[:, 0, 2, 0, 0] = 1, -1
    seen = replace(seen, window=torch.ones_like(seen.window), spikes=torch.ones_like(seen.spikes))
    gradients = backward(layer, state, seen, dy)
    weights = {name: copy.double().requires_grad_() for name, copy in
               copies(state.masters).items()}
    inputs = x.double().requires_grad_()
    h = torch.einsum("oi,tbihw->tbohw", weights["g1"], inputs)
    flat = h.flatten(0, 1)
    down, across = weights["g2"][..., None], weights["g3"][:, :, None]
    if mode == "stt":
        middle = functional.conv2d(functional.conv2d(flat, down, padding=(1, 0)), across,
                                   padding=(0, 1))
    else:
        middle = (functional.conv2d(flat, down, padding=(1, 0))
                  + functional.conv2d(flat, across, padding=(0, 1)))
    m = torch.where(layer.full.view(-1, 1, 1, 1, 1), middle.unflatten(0, h.shape[:2]), h)
    y = torch.einsum("oi,tbihw->tbohw", weights["g4"], m)
    assert torch.equal(y.long(), seen.y) and max(x.abs().max() for x in (h, m)) < 127
    (y * dy).sum().backward()
    for name, weight in weights.items():
        assert torch.equal(gradients.sums[f"d{name}"].double(), weight.grad), name
        assert weight.grad.any()
    assert torch.equal(gradients.errors["dx"].double(), inputs.grad)


def test_dense_step_is_that_of_a_convolution():
    layer, state, x, error = case("dense", weight=9, shift_y=2, threshold=3)
    state = replace(state, shifts=dict.fromkeys(ERRORS, 0))
    seen = forward(layer, state, x)
    gradients = backward(layer, state, seen, error)
    kernel = copies(state.masters)["w"].view(4, 2, 3, 3).double().requires_grad_()
    inputs = x.double().requires_grad_()
    total = functional.conv2d(inputs.flatten(0, 1), kernel, padding=1).unflatten(0, x.shape[:2])
    assert torch.equal(rescale(total.long(), 2, 32767), seen.y) and seen.spikes.any()
    (total * gradients.errors["dy"]).sum().backward()
    assert gradients.errors.keys() == {"dy", "dx"} and gradients.errors["dy"].any()
    assert torch.equal(gradients.errors["dx"].double(), inputs.grad.clamp(-127, 127))
    assert torch.equal(gradients.sums["dw"].view(kernel.shape).double(), kernel.grad)
    after = update(state, gradients, 16)
    assert after.shifts["dw"] == next_shift(gradients.sums["dw"])
    assert not torch.equal(after.masters["w"], state.masters["w"])


@pytest.mark.parametrize("mode", MODES)
def test_shifts_are_delayed_by_a_step(mode):
    layer, state, x, error = case(mode, **SHIFTS)
    gradients = backward(layer, state, forward(layer, state, x), error)
    after = update(state, gradients, 16)
    for name, total in gradients.sums.items():
        assert after.shifts[name] == max(0, int(total.abs().max()).bit_length() - 7)
        shift = state.shifts[name]
        change = state.masters[name[1:]] - after.masters[name[1:]]
        assert torch.equal(change, rescale(total, shift)) and change.any()
    again = backward(layer, replace(state, shifts=after.shifts), forward(layer, state, x), error)
    largest = int(again.errors["dy"].abs().max())
    assert 64 <= largest <= 127 and after.shifts["dy"] != state.shifts["dy"]
    if mode != "stt":
        assert after.shifts["db"] == state.shifts["db"]  # there is no such error


def test_masters_stay_in_16_bits_and_copies_in_8():
    layer, state, x, error = case("ptt", **SHIFTS)
    gradients = backward(layer, state, forward(layer, state, x), error)
    for sign in (1, -1):
        masters = {name: torch.full_like(master, sign * (127 << 8))
                   for name, master in state.masters.items()}
        after = update(replace(state, masters=masters), gradients, 255)
        for name, master in after.masters.items():
            assert master.abs().max() == 127 << 8 and len(master.unique()) > 1
            assert copies(after.masters)[name].abs().max() == 127


@pytest.mark.parametrize(("value", "shift", "expected"), [
    (5, 1, 3), (-5, 1, -2), (-6, 2, -1), (-7, 2, -2), (300, 1, 127), (-300, 0, -127), (0, 5, 0)])
def test_rescaling_rounds_half_up(value, shift, expected):
    assert rescale(torch.tensor([value]), shift).item() == expected


def test_shift_brings_magnitudes_to_7_bits():
    for value, shift in ((0, 0), (127, 0), (-128, 1), (255, 1), (256, 2), (-(1 << 20), 14)):
        assert next_shift(torch.tensor([3, value])) == shift


def trainer_of(mode="ptt", **fields):
    layer, state, _, _ = case(mode, **SHIFTS)
    generator = torch.Generator().manual_seed(4)
    layer = replace(layer, **fields)
    return Trainer(layer=layer, state=state, shift_logits=3, shift_error=7, shift_readout=2,
                   pool=2, readout=integers(generator, -9000, 9000, 3, 4 * 2 * 3))


def test_readout_and_its_errors():
    trainer, labels = trainer_of(), torch.tensor([2, 0])
    spikes = torch.rand(4, 2, 4, 4, 6, generator=torch.Generator().manual_seed(2)) < 0.4
    found = read_out(trainer, spikes, labels)
    weight = (trainer.readout + 128) >> 8
    counts = functional.avg_pool2d(spikes.double().sum(0), 2).mul(4).long().flatten(1)
    assert torch.equal(found.counts, counts)
    for n, label in enumerate(labels.tolist()):
        total = [sum(int(w) * int(c) for w, c in zip(row, counts[n], strict=True))
                 for row in weight]
        logits = [(value + 4) >> 3 for value in total]
        assert found.logits[n].tolist() == logits
        powers = [int(EXP[min(max(logits) - value, 127)]) for value in logits]
        shares = [(127 * power + sum(powers) // 2) // sum(powers) for power in powers]
        shares[label] -= 127
        assert found.classes[n].tolist() == shares
    back = (found.classes @ weight + 64) >> 7
    expected = back.clamp(-127, 127).view(2, 4, 2, 3).repeat_interleave(2, 2).repeat_interleave(
        2, 3)
    assert torch.equal(found.spikes, expected.expand(4, -1, -1, -1, -1)) and expected.any()
    assert torch.equal(found.total, sum(torch.outer(found.classes[n], counts[n])
                                        for n in range(2)))
    assert EXP[0] == 255 and EXP[16] == 94 and EXP[127] == 0
    tie = replace(found, logits=torch.tensor([[1, 5, 5], [2, 2, 2]]))
    assert tie.predictions.tolist() == [1, 0]


def test_step_updates_all_that_learns():
    trainer = trainer_of("htt")
    x = integers(torch.Generator().manual_seed(3), 0, 1, STEPS, 5, 2, 4, 6)
    step = train_step(trainer, x, torch.tensor([0, 1, 2, 1, 0]), 32)
    again = train_step(trainer, x, torch.tensor([0, 1, 2, 1, 0]), 32)
    for name, master in step.trainer.state.masters.items():
        assert not torch.equal(master, trainer.state.masters[name]), name
        assert torch.equal(master, again.trainer.state.masters[name])
    moved = ((rescale(step.error.total, 2) * 32 + 8) >> 4)
    assert torch.equal(step.trainer.readout, trainer.readout - moved)
    assert step.trainer.shift_error == step.error.shift_error != trainer.shift_error


@pytest.mark.parametrize(("change", "message"), [
    (lambda: layer_of("ptt", rank=0), r"rank must be an int in 1\.\.256, not 0"),
    (lambda: replace(layer_of("ptt"), mode="tt"),
     "mode must be one of stt, ptt, htt, dense, not 'tt'"),
    (lambda: replace(layer_of("htt"), full_steps=15),
     r"full_steps in the mode htt must be an int in 1\.\.14, not 15"),
    (lambda: replace(layer_of("stt"), full_steps=1),
     r"full_steps in the mode stt must be an int in 0\.\.0, not 1"),
    (lambda: forward(*case("ptt")[:2], torch.zeros(4, 1, 3, 3, 3, dtype=torch.bool)),
     r"x must be of shape \[4, B, 2, H, W\], not \[4, 1, 3, 3, 3\]"),
    (lambda: forward(layer_of("ptt", rank=2), *case("ptt")[1:3]),
     r"master of g1 must be of shape \(2, 2\), not \(3, 2\)"),
    (lambda: backward(*case("ptt")[:2], forward(*case("ptt")[:3]), case("ptt")[3] * 2),
     r"error must be in -127\.\.127, not"),
    (lambda: update(case("ptt")[1], None, 0), r"rate must be an int in 1\.\.255, not 0"),
    (lambda: read_out(trainer_of(), torch.zeros(4, 2, 4, 3, 6, dtype=torch.bool),
                      torch.tensor([0, 1])), r"pool must divide height and width \(3, 6\)"),
    (lambda: read_out(trainer_of(), torch.zeros(4, 2, 4, 4, 4, dtype=torch.bool),
                      torch.tensor([0, 1])), "readout must have 16 inputs and 2 labels, not 24"),
])
def test_what_does_not_fit_is_refused(change, message):
    with pytest.raises(GoldenError, match=message):
        change()


def test_sum_beyond_the_accumulator_is_named():
    layer, state, x, error = case("htt", shift_m=15)
    state = replace(state, shifts=dict.fromkeys(ERRORS, 0))
    seen = replace(forward(layer, state, x.repeat(1, 1, 1, 1, 1)),
                   m=torch.full((STEPS, BATCH, 3, *SIZE), 1 << 30))
    with pytest.raises(PsumOverflowError, match=r"dg4.* must be in .* \(32 bits signed\)"):
        backward(layer, state, seen, error)


def test_images_become_spikes():
    images = torch.tensor([[[0, 100], [200, 255]]], dtype=torch.uint8)
    x = thermometer.encode(images, 2, 2)  # thresholds 51, 102; 153, 204
    assert x[0, 0].long().tolist() == [[[0, 1], [1, 1]], [[0, 0], [1, 1]]]
    assert x[1, 0].long().tolist() == [[[0, 0], [1, 1]], [[0, 0], [0, 1]]]
    whole = torch.arange(28 * 28).view(1, 28, 28).remainder(256).to(torch.uint8)
    small = thermometer.shrink(whole)
    assert small.shape == (1, 8, 8)
    assert small[0, 0, 0] == int(whole[0, 2:5, 2:5].double().mean())


def test_training_learns_digits():
    """On half of the test images; cores that learn are better than cores that are frozen."""
    data = digits.load_test()
    x = tt_training.encode(data.images, "tt_unit")
    found = {}
    with repeatable(1):
        for frozen in (False, True):
            trainer = tt_training.untrained("tt_unit", "ptt", x[:, :64])
            for step in tt_training.fit(trainer, x[:, :1200], data.labels[:1200],
                                        tt_training.Course(epochs=3), frozen=frozen):
                trainer = step.trainer
            found[frozen] = tt_training.accuracy(trainer, x[:, 1500:], data.labels[1500:])
    assert found[False] > found[True] + 0.03 and found[False] > 0.75, found


def test_command_prints_both(capsys, monkeypatch):
    test = digits.load_test()
    monkeypatch.setattr(digits, "load_training", lambda: (test, None))
    tt_training.app(["tt_unit", "--modes", "htt", "--epochs", "1", "--images", "64"],
                    result_action="return_value")
    printed = capsys.readouterr().out
    assert "trained" in printed and "frozen" in printed and "htt" in printed
    with pytest.raises(SystemExit, match="configuration must be one of tt_unit, tt_layer, not"):
        tt_training.app(["tt_net"], result_action="return_value")
