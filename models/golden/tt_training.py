# SPDX-License-Identifier: Apache-2.0
"""Integer training step of a convolution of four tensor-train cores with neurons behind it.

The mode ``dense`` is a baseline: a whole kernel of 3x3 taps in place of the cores.

Weights have 16-bit masters and are used as 8-bit copies; activations and errors have 8 bits;
sums are rescaled by powers of two. The shift of an error or gradient is *delayed*: it follows
from the largest magnitude of the step before, so that each tensor is made in one pass. With
``round(x, s) = (x + (1 << s >> 1)) >> s`` and ``sat8`` a clamp to -127..127, forward, for each
pixel and timestep, ``x`` being spikes::

    h = sat8(round(G1 x, shift_h))
    m = sat8(round(G2 h + G3 h, shift_m))                                  ptt, and htt if full
    m = h                                                                  htt at other timesteps
    b = sat8(round(G2 h, shift_b)),  m = sat8(round(G3 b, shift_m))        stt
    y = sat16(round(G4 m, shift_y)),  sat16(round(W x, shift_y))           dense
    u = sat16((s ? 0 : u >> 2) + y),  s = u > threshold,  w = |u - threshold| < threshold

and backward, from the error ``e`` of the spikes, ``S`` being delayed shifts::

    d = (w ? e : 0) + (s ? 0 : d >> 2)     from the last timestep to the first
    dy = sat8(round(d, S)),  dm = sat8(round(G4' dy, S))
    dh = sat8(round(G2' dm + G3' dm, S)),  at other timesteps of htt sat8(round(dm << shift_m, S))
    db = sat8(round(G3' dm, S)),  dh = sat8(round(G2' db, S))              stt
    dx = sat8(round(G1' dh, S)),  sat8(round(W' dy, S))                    dense
    dG4 = sum dy m',  dG3 = sum dm h' (stt: dm b'),  dG2 = sum dm h' (stt: db h'),
    dG1 = sum dh x',  dW = sum dy x'
    master = clamp(master - ((sat8(round(dG, S)) * rate + 8) >> 4))
"""

from dataclasses import replace

import torch
from torch import Tensor

from .checks import check_bits, check_int, check_range, check_signed
from .errors import GoldenError
from .tt_ops import (
    mix,
    next_shift,
    outer,
    outer_square,
    outer_taps,
    rescale,
    square,
    square_back,
    taps,
    taps_back,
)
from .tt_training_layer import (
    ACCUMULATOR_BITS,
    ERRORS,
    MASTER_LIMIT,
    Forward,
    Gradients,
    TrainingLayer,
    TrainingState,
)

__all__ = ["backward", "copies", "forward", "move", "update"]


def copies(masters: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the 8-bit weights that are used: the upper byte of the masters, rounded."""
    return {name: (master + 128) >> 8 for name, master in masters.items()}


def forward(layer: TrainingLayer, state: TrainingState, x: Tensor) -> Forward:
    """Run the layer.

    Parameters
    ----------
    layer : TrainingLayer
    state : TrainingState
    x : Tensor[T, B, I, H, W]
        0 or 1.

    Raises
    ------
    GoldenError
        If an operand does not fit.
    """
    x = check_bits("x", x)
    if x.ndim != 5 or (x.shape[0], x.shape[2]) != (layer.timesteps, layer.inputs):
        raise GoldenError(f"x must be of shape [{layer.timesteps}, B, {layer.inputs}, H, W], "
                          f"not {list(x.shape)}")
    weights = copies(_checked(layer, state))
    if layer.mode == "dense":
        values = x.long()
        return _fired(layer, x, values, values, values, square(weights["w"], values))
    h = rescale(mix(weights["g1"], x.long()), layer.shift_h)
    b = h
    if layer.mode == "stt":
        b = rescale(taps(weights["g2"], h, 3), layer.shift_b)
        total = taps(weights["g3"], b, 4)
    else:
        total = taps(weights["g2"], h, 3) + taps(weights["g3"], h, 4)
    m = torch.where(layer.full.view(-1, 1, 1, 1, 1), rescale(total, layer.shift_m), h)
    return _fired(layer, x, h, b, m, mix(weights["g4"], m))


def _fired(layer: TrainingLayer, x: Tensor, h: Tensor, b: Tensor, m: Tensor,
           total: Tensor) -> Forward:
    """Run the neurons on the sums of their currents."""
    y = rescale(total, layer.shift_y, 32767)
    spikes, window = torch.zeros_like(y, dtype=torch.bool), torch.zeros_like(y, dtype=torch.bool)
    membrane = torch.zeros_like(y[0])
    for t, current in enumerate(y):
        membrane = ((membrane >> 2) + current).clamp(-32767, 32767)
        spikes[t] = membrane > layer.threshold
        window[t] = (membrane - layer.threshold).abs() < layer.threshold
        membrane = membrane.masked_fill(spikes[t], 0)
    return Forward(x=x, h=h, b=b, m=m, y=y, spikes=spikes, window=window)


def backward(layer: TrainingLayer, state: TrainingState, seen: Forward,
             error: Tensor) -> Gradients:
    """Propagate the error of the spikes back to the input, and sum up the weights' gradients.

    Parameters
    ----------
    layer : TrainingLayer
    state : TrainingState
        The same as of the forward pass.
    seen : Forward
    error : Tensor[T, B, O, H, W]
        int64, -127..127.

    Raises
    ------
    GoldenError
        If an operand does not fit.
    PsumOverflowError
        If a sum does not fit `ACCUMULATOR_BITS`.
    """
    if error.shape != seen.y.shape:
        raise GoldenError(f"error must be of shape {list(seen.y.shape)}, not {list(error.shape)}")
    check_range("error", error, -127, 127)
    weights, shifts = copies(_checked(layer, state)), dict(state.shifts)
    errors: dict[str, Tensor] = {}

    def keep(name: str, total: Tensor) -> Tensor:
        check_signed(name, total, ACCUMULATOR_BITS)
        errors[name] = rescale(total, state.shifts[name])
        shifts[name] = next_shift(total)
        return errors[name]

    def summed(sums: dict[str, Tensor]) -> Gradients:
        for name, total in sums.items():
            check_signed(name, total, ACCUMULATOR_BITS)
            shifts[name] = next_shift(total)
        return Gradients(errors=errors, sums=sums, shifts=shifts)

    full = layer.full.view(-1, 1, 1, 1, 1)
    dy = keep("dy", _neuron_errors(seen, error))
    if layer.mode == "dense":
        keep("dx", square_back(weights["w"], dy))
        return summed({"dw": outer_square(dy, seen.x.long())})
    dm = keep("dm", mix(weights["g4"].T, dy))
    if layer.mode == "stt":
        db = keep("db", taps_back(weights["g3"], dm, 4))
        dh = keep("dh", taps_back(weights["g2"], db, 3))
        down, across = db, dm
    else:
        down = across = dm * full  # the middle cores see no others
        total = taps_back(weights["g2"], dm, 3) + taps_back(weights["g3"], dm, 4)
        dh = keep("dh", torch.where(full, total, dm << layer.shift_m))
    keep("dx", mix(weights["g1"].T, dh))
    return summed({"dg4": outer(dy, seen.m), "dg3": outer_taps(across, seen.b, 4),
                   "dg2": outer_taps(down, seen.h, 3), "dg1": outer(dh, seen.x.long())})


def update(state: TrainingState, gradients: Gradients, rate: int) -> TrainingState:
    """Return the state of the next step: masters moved against the gradients, shifts replaced.

    Parameters
    ----------
    state : TrainingState
    gradients : Gradients
    rate : int
        1..255; 16 moves a master by the rescaled gradient.

    Raises
    ------
    GoldenError
        If the rate is out of range.
    """
    check_int("rate", rate, 1, 255)
    masters = {name: move(master, gradients.sums[f"d{name}"], state.shifts[f"d{name}"], rate)
               for name, master in state.masters.items()}
    return replace(state, masters=masters, shifts=gradients.shifts)


def move(master: Tensor, total: Tensor, shift: int, rate: int) -> Tensor:
    """Return masters moved against a sum of gradients."""
    moved = master - ((rescale(total, shift) * rate + 8) >> 4)
    return moved.clamp(-MASTER_LIMIT, MASTER_LIMIT)


def _checked(layer: TrainingLayer, state: TrainingState) -> dict[str, Tensor]:
    for name, shape in layer.shapes.items():
        if tuple(state.masters[name].shape) != shape:
            raise GoldenError(f"master of {name} must be of shape {shape}, not "
                              f"{tuple(state.masters[name].shape)}")
        check_range(f"master of {name}", state.masters[name], -MASTER_LIMIT, MASTER_LIMIT)
    for name in ERRORS:
        check_int(f"shift of {name}", state.shifts[name], 0, 31)
    return state.masters


def _neuron_errors(seen: Forward, error: Tensor) -> Tensor:
    """Return ``d``; the reset is held constant."""
    found, later = torch.zeros_like(error), torch.zeros_like(error[0])
    for t in reversed(range(len(error))):
        later = error[t] * seen.window[t] + (later >> 2) * ~seen.spikes[t]
        found[t] = later
    return found
