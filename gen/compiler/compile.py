# SPDX-License-Identifier: Apache-2.0
"""The compiler: an integer network and a configuration to a program."""

import zlib

import msgspec

from ...models.golden.network import IntegerNetwork
from ...models.golden.source import IMAGE
from ...rtl.config import AcceleratorConfig
from .allocation import Region, place_apart, place_sharing
from .descriptors import DESCRIPTOR_BYTES, Places, encode_descriptor, layer_descriptor
from .errors import CompileError
from .plan import NetworkPlan, plan_network
from .predict import predict_encode, predict_layer
from .program import FORMAT, Manifest, Program, Step
from .records import HEADER_BYTES, PROFILE_BYTES, Header, padded, result_bytes, sealed

__all__ = ["assemble", "compile_network"]

_ADDRESS_LIMIT = 1 << 28  # words behind an AXI port
_MAP, _RESIDUAL = "map", "residual"


def compile_network(network: IntegerNetwork, config: AcceleratorConfig, images: int = 1,
                    keep_all: bool | None = None) -> Program:
    """Compile a network.

    Parameters
    ----------
    network : IntegerNetwork
    config : AcceleratorConfig
    images : int
        Images that the input and output regions hold, one run at most.
    keep_all : bool or None
        Whether all maps get a place of their own, so that they can be read after a run. If
        None, they do if the memory is large enough.

    Raises
    ------
    CompileError
        The configuration cannot run the network.
    """
    return assemble(plan_network(network, config), images, keep_all)


def assemble(plan: NetworkPlan, images: int = 1, keep_all: bool | None = None) -> Program:
    """Return the program of a plan; arguments and errors as of `compile_network`."""
    if plan.refusals:
        raise plan.refusals[0]
    if images < 1:
        raise CompileError(plan.network.name, "images", "at least 1", images,
                           "compile for as many as a run takes at once")
    limit = plan.config.memory_words if plan.config.memory == "on_chip" else _ADDRESS_LIMIT
    program = _assemble(plan, images, keep_all is not False)
    if keep_all is None and program.manifest.memory_words > limit:
        program = _assemble(plan, images, False)
    if program.manifest.memory_words <= limit:
        return program
    words = program.manifest.memory_words
    hint = f"set memory_words={words} or higher, or prune the weights"
    if images > 1:
        hint = f"compile for fewer images than {images}, or {hint}"
    raise CompileError(plan.network.name, "words of memory", f"at most {limit}", words, hint)


def _assemble(plan: NetworkPlan, images: int, keep_all: bool) -> Program:
    network, config = plan.network, plan.config
    word_bytes = config.memory_bits // 8
    layers = list(plan.layers.values())
    steps = ([plan.image] if plan.image else []) + layers

    content = bytearray(HEADER_BYTES + len(steps) * DESCRIPTOR_BYTES)
    weights, channels = {}, {}
    for layer in layers:
        for table, part in ((channels, layer.channels), (weights, layer.pack_weights())):
            table[layer.layer.name] = len(content) // word_bytes
            content += padded(part, word_bytes)
    program_words = len(sealed(bytes(content), word_bytes)) // word_bytes

    depth, height, width = network.input_shape
    classes = layers[-1].layer.channels
    input_words = -(-depth * height * width // word_bytes)
    result_words = -(-result_bytes(classes) // word_bytes)
    profile_words = len(steps) * PROFILE_BYTES // word_bytes
    writable_start = program_words + images * input_words
    work, work_words = (place_apart if keep_all else place_sharing)(_regions(plan))
    result = writable_start + work_words
    profile = result + images * result_words
    memory_words = profile + images * profile_words

    maps = {
        found.name: msgspec.structs.replace(
            found, address=writable_start + work[_MAP, found.name])
        for found in [plan.image, *(layer.map for layer in layers)] if found}
    residuals = {
        layer.layer.name: msgspec.structs.replace(
            layer.residual, address=writable_start + work[_RESIDUAL, layer.layer.name])
        for layer in layers if layer.residual}
    places = Places(weights=weights, channels=channels, maps=maps, residuals=residuals,
                    input=program_words, input_words=input_words, result=result,
                    result_words=result_words)
    head = Header(config_hash=config.hash(), program_words=program_words,
                  memory_words=memory_words, writable_start=writable_start,
                  descriptors=len(steps), descriptor_address=HEADER_BYTES // word_bytes,
                  profile_address=profile, profile_image_pitch=profile_words).pack()
    head += encode_descriptor(plan.image, places, config) if plan.image else b""
    head += b"".join(layer_descriptor(layer, places, config) for layer in layers)
    content[:len(head)] = head
    image = sealed(bytes(content), word_bytes)
    return Program(content=image, manifest=Manifest(
        format=FORMAT, network=network.name, config=config.as_dict(), config_hash=config.hash(),
        program_words=program_words, memory_words=memory_words, checksum=zlib.crc32(image[:-4]),
        images=images, input_shape=network.input_shape, input_address=program_words,
        input_words=input_words, writable_start=writable_start, result_address=result,
        result_words=result_words, classes=classes, profile_address=profile,
        profile_words=profile_words, kept=keep_all, steps=_steps(plan, places)))


def _regions(plan: NetworkPlan) -> list[Region]:
    """Return maps and residuals with the steps from their writer to their last reader."""
    layers = list(plan.layers.values())
    last: dict[tuple[str, str], int] = {}
    for index, planned in enumerate(layers, 1):
        layer = planned.layer
        for reader in layer.readers:
            last[_MAP, reader.input] = index
        for name in (layer.residual, planned.pooled):
            if name:
                last[_RESIDUAL, name] = index
    regions = []
    if plan.image:
        regions.append(Region(key=(_MAP, IMAGE), words=plan.image.words, first=0,
                              last=last[_MAP, IMAGE]))
    for index, planned in enumerate(layers, 1):
        name = planned.layer.name
        for key, stored in (((_MAP, name), planned.map),
                            ((_RESIDUAL, name), planned.residual)):
            if stored:
                regions.append(Region(key=key, words=stored.words, first=index,
                                      last=last.get(key, index)))
    return regions


def _steps(plan: NetworkPlan, places: Places) -> list[Step]:
    steps = []
    if plan.image:
        steps.append(Step(name=IMAGE, output="image", map=places.maps[IMAGE],
                          cycles=predict_encode(plan.image, plan.config)))
    for name, layer in plan.layers.items():
        steps.append(Step(
            name=name, output=layer.layer.output, map=places.maps.get(name),
            residual=places.residuals.get(name),
            weights=(places.weights[name], layer.weight_words),
            delta_bits=layer.weights.delta_bits, engine=layer.engine,
            stream_weights=layer.stream_weights, blocks=layer.order.blocks,
            tiles=layer.order.tiles, cycles=predict_layer(layer, plan.config)))
    return steps
