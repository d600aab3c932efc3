# SPDX-License-Identifier: Apache-2.0
"""Components that are emitted once and instantiated many times."""

from amaranth import ClockSignal, Instance, ResetSignal
from amaranth.lib import wiring
from amaranth.lib.wiring import In

__all__ = ["instantiate"]


def instantiate(name: str, component: wiring.Component) -> tuple[Instance, wiring.PureInterface]:
    """Return an instance of the Verilog module ``name`` and its ports.

    The module itself is not elaborated here: the component that uses it lists it in its
    attribute ``shared``, a dict from module name to component, and the emitter writes it once.
    Amaranth's own simulator cannot run a design with such instances.

    Parameters
    ----------
    name : str
        Name of the module.
    component : wiring.Component
        What the module is made of; all its instances have the same ports.
    """
    ports = component.signature.create(path=(name,))
    connections = {
        f"{'i' if member.flow == In else 'o'}_{'__'.join(map(str, path))}": value
        for path, member, value in component.signature.flatten(ports)
    }
    instance = Instance(name, i_clk=ClockSignal(), i_rst=ResetSignal(), **connections)
    return instance, ports
