# SPDX-License-Identifier: Apache-2.0
"""Docstrings say what is there: ``Members`` of units and layouts against the real ones."""

import dataclasses
import inspect
import re
import sys

import pytest
from amaranth import signed, unsigned
from amaranth.hdl import Fragment, Shape
from amaranth.lib import data, stream, wiring

from spikeloom.gen.docstring import contract, layout_function, members, summary
from spikeloom.gen.units import UNITS
from spikeloom.rtl.config import AcceleratorConfig

CONFIG = AcceleratorConfig(timesteps=3, chunk=24, weight_bits=5, tppes=6, laggy_adders=8,
                           beat_values=4, max_fan_in=100, memory_bits=64, max_columns=240)


def _names(namespace):
    """Return what a documented shape may refer to."""
    letters = {"T": CONFIG.timesteps, "C": CONFIG.chunk, "P": CONFIG.tppes,
               "V": CONFIG.beat_values, "A": CONFIG.laggy_adders}
    properties = {name: getattr(CONFIG, name) for name in dir(CONFIG)
                  if isinstance(getattr(AcceleratorConfig, name, None), property)}
    return {"unsigned": unsigned, "signed": signed, "data": data, "stream": stream,
            "config": CONFIG, **dataclasses.asdict(CONFIG), **properties, **letters, **namespace}


def _layouts(shape_texts, namespace, found):
    """Gather the layout functions that shapes call, and those that these call."""
    for text in shape_texts:
        function = layout_function(text, namespace)
        if function and function not in found:
            found[function] = None
            _layouts((item.shape for item in members(function).values()),
                     function.__globals__, found)
    return found


def _all_layouts():
    found = {}
    for unit in UNITS.values():
        _layouts((item.shape for item in members(unit).values()),
                 vars(sys.modules[unit.__module__]), found)
    return found


def test_members_are_the_ports(unit):
    component = UNITS[unit]
    names = _names(vars(sys.modules[component.__module__]))
    instance = component(CONFIG)
    for used in (instance, *getattr(instance, "shared", {}).values()):
        Fragment.get(used, None)  # what is made must be used
    real = dict(instance.signature.members)
    texts = members(component)
    assert [name for name in texts if name in real] == list(real)
    for name, text in texts.items():
        if name not in real:
            assert re.search(r"[Ww]ith\b.*memory|[Ww]ith AXI", text.meaning), name
            continue
        direction, _, inner = text.shape.removesuffix(")").partition("(")
        expected = eval(inner, dict(names))
        assert text.meaning.endswith("."), name
        if inspect.isclass(expected) and issubclass(expected, wiring.Signature):
            assert isinstance(real[name].signature.flip(), expected), name
        else:
            assert real[name] == {"In": wiring.In, "Out": wiring.Out}[direction](expected), name


@pytest.mark.parametrize("function", _all_layouts(), ids=lambda function: function.__name__)
def test_members_are_the_fields(function):
    layout = function(CONFIG) if inspect.signature(function).parameters else function()
    if isinstance(layout, data.ArrayLayout):
        return
    texts = members(function)
    assert list(texts) == [name for name, _ in layout]
    for name, field in layout:
        expected = eval(texts[name].shape, _names(function.__globals__))
        assert Shape.cast(expected) == Shape.cast(field.shape), name
        assert isinstance(expected, data.Layout) == isinstance(field.shape, data.Layout), name


def test_the_docstring_is_taken_apart():
    class Unit:
        """Do one thing. Then

        another.

        Latency: 1 cycle. Throughput: ``C`` per
        cycle; that is all.
        Back-pressure: none.

        Members
        -------
        i : In(1)
            First
            meaning.
        o : Out(stream.Signature(4))
            Second.

        Raises
        ------
        ValueError
            Never.
        """

    assert summary(Unit) == "Do one thing. Then"
    assert contract(Unit) == {"latency": "1 cycle.", "throughput": "`C` per cycle; that is all.",
                              "back_pressure": "none."}
    assert {name: (text.shape, text.meaning) for name, text in members(Unit).items()} == {
        "i": ("In(1)", "First meaning."), "o": ("Out(stream.Signature(4))", "Second.")}
    assert members(int) == {}
