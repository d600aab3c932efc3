# SPDX-License-Identifier: Apache-2.0
"""Event-driven solution of neurons that spike once, and its gradient, in compiled loops.

With ``u`` for the time (linear kernel) or its exponential (exponential kernel), a neuron whose
inputs spiked at ``u_i`` has crossed the threshold 1 when ``a * u - b >= c``, where ``a`` is the
sum of the weights so far (less 1 for the exponential kernel), ``b`` the sum of ``w_i * u_i`` and
``c`` is 1 (0 for the exponential kernel). Behind its crossing ``a`` is positive and no longer
changes, so the condition stays true: the state itself tells who has fired.

The neurons that an event reaches in one row of the map lie behind one another in memory, and so
do their weights, if the columns of the weights are in the order of `column_order`.
"""

import numba
import numpy as np

__all__ = ["backward", "column_order", "forward", "sort"]

_jit = numba.njit(fastmath={"reassoc", "contract", "nsz"}, boundscheck=False,
                  error_model="numpy", cache=True)


def column_order(size: int, stride: int) -> list[int]:
    """Return the order of a kernel's columns that `forward` and `backward` expect."""
    return sorted(range(size), key=lambda column: (column % stride, -column))


def sort(u: np.ndarray) -> np.ndarray:
    """Return what sorts each row, equals by their index; faster than ``numpy.argsort``.

    Parameters
    ----------
    u : ndarray[B, E]
        float32, not negative: then their bits are in the same order.
    """
    keys = u.view(np.uint32).astype(np.uint64) << np.uint64(32)
    keys |= np.arange(u.shape[1], dtype=np.uint64)
    keys.sort(1)
    return (keys & np.uint64(0xFFFFFFFF)).astype(np.int64)


@_jit
def _reach(side: int, size: int, stride: int, padding: int,
           outputs: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each input position: first output, number of outputs, place of the first's weight."""
    first, count = np.empty(side, np.int64), np.empty(side, np.int64)
    slot = np.empty(side, np.int64)
    for position in range(side):
        place = position + padding
        first[position] = max(0, -((size - 1 - place) // stride))
        count[position] = min(outputs - 1, place // stride) - first[position] + 1
        rest = place % stride
        slot[position] = (size - 1 - rest) // stride - (place // stride - first[position])
        for other in range(rest):
            slot[position] += (size - 1 - other) // stride + 1
    return first, count, slot


@_jit
def forward(u: np.ndarray, order: np.ndarray, weight: np.ndarray, a: np.ndarray, b: np.ndarray,
            c: float, width: int, stride: int, padding: int) -> None:
    """Add all events, each image's from the earliest to the latest; the sums stay in a and b.

    Parameters
    ----------
    u : ndarray[B, C * H * W]
        float32, infinite where there is no spike.
    order : ndarray[B, C * H * W]
        Sorts ``u``.
    weight : ndarray[C, kernel, kernel, N]
        The columns in the order of `column_order`.
    a, b : ndarray[B, H', W', N]
        Start values in, sums over the causal set out.
    c : float
        Right side of the condition.
    width : int
        ``W``.
    stride, padding : int
    """
    channels, size, _, lanes = weight.shape
    images, events = u.shape
    height, columns = events // (channels * width), a.shape[2]
    top, rows, _ = _reach(height, size, stride, padding, a.shape[1])
    left, reached, slot = _reach(width, size, stride, padding, columns)
    charges, moments, weights = a.reshape(-1), b.reshape(-1), weight.reshape(-1)
    for image in range(images):
        for rank in range(events):
            event = order[image, rank]
            now = u[image, event]
            if now == np.inf:
                break
            line, x = event // width, event % width
            channel, y = line // height, line % height
            count = reached[x] * lanes
            for row in range(top[y], top[y] + rows[y]):
                start = ((image * a.shape[1] + row) * columns + left[x]) * lanes
                ky = y + padding - row * stride
                place = ((channel * size + ky) * size + slot[x]) * lanes
                charge, moment = charges[start:start + count], moments[start:start + count]
                w = weights[place:place + count]
                for lane in range(count):
                    live = np.float32(charge[lane] * now - moment[lane] < c)
                    charge[lane] += live * w[lane]
                    moment[lane] += live * w[lane] * now


@_jit
def backward(u: np.ndarray, weight: np.ndarray, out: np.ndarray, slope: np.ndarray,
             grad_u: np.ndarray, grad_weight: np.ndarray, width: int, stride: int,
             padding: int) -> None:
    """Compute the gradients of the inputs, and add those of the weights.

    Parameters
    ----------
    u, weight, width, stride, padding
        As of `forward`.
    out : ndarray[B, H', W', N]
        When the neurons fired, in the unit of ``u``; 0 for never.
    slope : ndarray[B, H', W', N]
        Gradient of ``out`` divided by the neuron's ``a``; 0 where it never fired.
    grad_u, grad_weight : ndarray
        Of the shapes of ``u`` and ``weight``.
    """
    channels, size, _, lanes = weight.shape
    images, events = u.shape
    height, columns = events // (channels * width), out.shape[2]
    top, rows, _ = _reach(height, size, stride, padding, out.shape[1])
    left, reached, slot = _reach(width, size, stride, padding, columns)
    spikes, slopes = out.reshape(-1), slope.reshape(-1)
    weights, gradients = weight.reshape(-1), grad_weight.reshape(-1)
    for image in range(images):
        for event in range(events):
            now = u[image, event]
            if now == np.inf:
                continue
            line, x = event // width, event % width
            channel, y = line // height, line % height
            count = reached[x] * lanes
            total = np.float32(0)
            for row in range(top[y], top[y] + rows[y]):
                start = ((image * out.shape[1] + row) * columns + left[x]) * lanes
                ky = y + padding - row * stride
                place = ((channel * size + ky) * size + slot[x]) * lanes
                fired, factor = spikes[start:start + count], slopes[start:start + count]
                w, grad = weights[place:place + count], gradients[place:place + count]
                for lane in range(count):
                    causal = np.float32(now < fired[lane]) * factor[lane]
                    total += causal * w[lane]
                    grad[lane] += causal * (now - fired[lane])
            grad_u[image, event] = total
