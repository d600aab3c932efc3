# SPDX-License-Identifier: Apache-2.0
"""Docstrings say what is there: ``Members`` of units and layouts against the real ones."""

import inspect
import re
import sys

import pytest
from amaranth import signed, unsigned
from amaranth.hdl import Fragment, Shape
from amaranth.lib import data, stream, wiring

from spikeloom.gen.docstring import contract, layout_function, members, summary
from spikeloom.gen.units import UNITS
from spikeloom.verif.unit_configs import odd_config

LETTERS = {"T": "timesteps", "C": "chunk", "P": "tppes", "V": "beat_values", "A": "laggy_adders",
           "L": "lanes", "r": "rows_per_pe", "b": "probes"}  # of fields, as docstrings write them


def _names(namespace, config):
    """Return what a documented shape may refer to."""
    values = {name: getattr(config, name) for name in dir(config) if not name.startswith("_")
              and not callable(getattr(config, name))}
    letters = {letter: values[name] for letter, name in LETTERS.items() if name in values}
    return {"unsigned": unsigned, "signed": signed, "data": data, "stream": stream,
            "config": config, **values, **letters, **namespace}


def _layouts(shape_texts, namespace, found, config):
    """Gather the layout functions that shapes call, and those that these call."""
    for text in shape_texts:
        function = layout_function(text, namespace)
        if function and function not in found:
            found[function] = part = _part(function, config)
            _layouts((item.shape for item in members(function).values()),
                     function.__globals__, found, part)
    return found


def _part(function, config):
    """Return what the function takes: the configuration or a part of it."""
    kinds = [item.annotation for item in inspect.signature(function).parameters.values()]
    parts = (getattr(config, name) for name, kind in config.parts.items() if kind in kinds)
    return next(parts, config)


def _all_layouts():
    """Return a configuration for each layout function that some unit uses."""
    found = {}
    for name, unit in UNITS.items():
        _layouts((item.shape for item in members(unit).values()),
                 vars(sys.modules[unit.__module__]), found, odd_config(name))
    return found


def test_members_are_the_ports(unit):
    component = UNITS[unit]
    config = odd_config(unit)
    names = _names(vars(sys.modules[component.__module__]), config)
    instance = component(config)
    for used in (instance, *getattr(instance, "shared", {}).values()):
        Fragment.get(used, None)  # what is made must be used
    real = dict(instance.signature.members)
    texts = members(component)
    assert [name for name in texts if name in real] == list(real)
    for name, text in texts.items():
        if name not in real:
            assert re.search(r"[Ww]ith\b.*memory|[Ww]ith AXI", text.meaning), name
            continue
        array = re.fullmatch(r"(.*)\.array\(([^()]*)\)", text.shape)
        direction, _, inner = (array[1] if array else text.shape).removesuffix(")").partition("(")
        expected = eval(inner, dict(names))
        assert text.meaning.endswith("."), name
        if inspect.isclass(expected) and issubclass(expected, wiring.Signature):
            assert isinstance(real[name].signature.flip(), expected), name
        else:
            member = {"In": wiring.In, "Out": wiring.Out}[direction](expected)
            assert real[name] == (member.array(eval(array[2], dict(names))) if array else member)


@pytest.mark.parametrize(("function", "config"), _all_layouts().items(),
                         ids=[function.__name__ for function in _all_layouts()])
def test_members_are_the_fields(function, config):
    if len(inspect.signature(function).parameters) > 1:
        pytest.skip("takes more than the configuration")
    layout = function(config) if inspect.signature(function).parameters else function()
    if isinstance(layout, data.ArrayLayout):
        return
    texts, fields = members(function), dict(layout)
    assert [name for name in texts if name in fields] == list(fields)
    for name in texts.keys() - fields.keys():
        assert texts[name].meaning.startswith("With "), name  # in some configurations
    for name, field in fields.items():
        expected = eval(texts[name].shape, _names(function.__globals__, config))
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
