# SPDX-License-Identifier: Apache-2.0
"""Run a trained network on a board and compare it with the integer model.

``python -m spikeloom.fpga.classify /dev/ttyUSB1 --images 20``; the board has an accelerator or a
core for spike times.
"""

import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from cyclopts import App
from rich.console import Console

from ..gen.compiler.compile import compile_network
from ..gen.compiler.errors import CompileError
from ..gen.compiler.ttfs_program import compile_ttfs
from ..gen.link.host import LinkErrors
from ..gen.link.serial_transport import SerialTransport
from ..gen.link.stream_device import IDENTITY, STREAM_IDENTITY, StreamDevice
from ..gen.presets import load_unit_config
from ..gen.run_app import run_app
from ..gen.session.device import Device
from ..gen.session.errors import SessionError
from ..gen.session.session import Session
from ..gen.session.transport import TransportError
from ..models.golden.network import IntegerNetwork
from ..models.golden.ttfs_network import TTFSNetwork
from ..models.zoo import ttfs
from ..models.zoo.registry import UnknownNetworkError, get
from ..rtl.config import ConfigError, TTFSConfig
from ..verif.ttfs_compare import compare

__all__ = ["Outcome", "classify", "classify_spike_times", "main"]

_console = Console()
_app = App(name="python -m spikeloom.fpga.classify", help="Run a trained network on a board.",
           version_flags=[], result_action="return_value")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a board made of images.

    Attributes
    ----------
    predictions : list[int]
    exact : bool
        Whether all logits, or all spike times, are those of the integer model.
    seconds : float
        On the wall, for the images alone.
    errors : LinkErrors
        Of the line; nothing was lost by them.
    """

    predictions: list[int]
    exact: bool
    seconds: float
    errors: LinkErrors


def classify(transport: SerialTransport, network: IntegerNetwork, images: torch.Tensor) -> Outcome:
    """Run images, one at a time, on the accelerator behind a transport, which is closed.

    Raises
    ------
    CompileError
        The network does not fit the accelerator.
    SessionError, TransportError
        The board does not do as it should.
    """
    with Session(transport) as session:
        session.load(compile_network(network, session.device.config))
        began = time.monotonic()
        logits, predictions = session.run(images.numpy())
        seconds = time.monotonic() - began
        errors = transport.errors()
    exact = np.array_equal(logits, network.run(images).logits.numpy())
    return Outcome(predictions=predictions.tolist(), exact=exact, seconds=seconds, errors=errors)


def classify_spike_times(transport: SerialTransport, network: TTFSNetwork, config: TTFSConfig,
                         images: torch.Tensor) -> Outcome:
    """Run images, one at a time and to the end, on the core for spike times behind a transport.

    Raises
    ------
    CompileError
        The network does not fit the core.
    TransportError
        The board does not do as it should, or has another configuration.
    """
    program = compile_ttfs(network, config)
    device = StreamDevice(transport, config.hash())
    for frame in program.frames:
        device.send_frame(frame.tolist())
    results = []
    began = time.monotonic()
    for image in images:
        device.send_frame(program.image_frame(
            image.numpy(), early_exit=False, dump=True).tolist())
        words = device.receive_frame(program.result_words(dump=True))
        results.append(program.result(np.array(words, np.uint32)))
    seconds = time.monotonic() - began
    trace = network.run(images)
    return Outcome(
        predictions=[result.predicted for result in results], seconds=seconds,
        exact=not any(compare(network, trace, index, result)
                      for index, result in enumerate(results)),
        errors=transport.errors())


@_app.default
def _classify(port: str, *, net: str = "", config: str = "ttfs_small", images: int = 20,
              baud: int = 1_000_000, timeout: float = 0.5) -> int:
    """Run test images through a network on a board.

    Parameters
    ----------
    port
        Serial line of the board, such as /dev/ttyUSB1.
    net
        Name of the network; if none is given dual_sparse_cnn for an accelerator, digits_micro
        for one with limits, and ttfs_mnist_small for a core for spike times.
    config
        Preset, or path of a TOML file, of a core for spike times; accelerators tell theirs.
    images
        Test images to run, from the first.
    baud
        Bits per second.
    timeout
        Seconds that the board may take for an answer.
    """
    if net:
        _known(net)
    with SerialTransport(port, baud=baud, timeout=timeout) as transport:
        if transport.read_register(IDENTITY) == STREAM_IDENTITY:
            recipe = ttfs.get(net or "ttfs_mnist_small")
            test = recipe.load_test()
            outcome = classify_spike_times(
                transport, recipe.load(), _core(config),
                test.images[:images, None].to(torch.int64))
        else:
            limits = Device(transport).config.limits
            recipe = get(net or ("digits_micro" if limits else "dual_sparse_cnn"))
            test = recipe.load_test()
            outcome = classify(transport, recipe.load(), test.images[:images])
    right = sum(guess == int(label) for guess, label in
                zip(outcome.predictions, test.labels, strict=False))
    count = len(outcome.predictions)
    _console.print(f"{recipe.name} on {port}: {right} of {count} images right, "
                   f"{count / outcome.seconds:.2f} images a second with their transfer")
    _console.print("all is as in the integer model, bit by bit" if outcome.exact else
                   "what came differs from the integer model")
    _console.print("line: " + ", ".join(f"{name} {value}" for name, value in
                                        asdict(outcome.errors).items()))
    return 0 if outcome.exact else 1


def _known(net: str) -> None:
    """Raise `UnknownNetworkError` unless there is such a network."""
    if net not in ttfs.NETWORKS:
        get(net)


def _core(preset: str) -> TTFSConfig:
    config = load_unit_config(preset)
    if not isinstance(config, TTFSConfig):
        raise ConfigError(f"preset {preset}: family must be ttfs for this board")
    return config


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit status: 1 on a mismatch, 2 for the user to mend."""
    torch.set_num_threads(1)
    return run_app(_app, words, CompileError, ConfigError, SessionError, TransportError,
                   UnknownNetworkError, ValueError)


if __name__ == "__main__":
    sys.exit(main())
