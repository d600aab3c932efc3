# SPDX-License-Identifier: Apache-2.0
"""Memories of channels by pixel, timestep and group, with a region for each core."""

from amaranth import Cat, Module, unsigned
from amaranth.lib import memory

from ..config import TrainConfig
from .layouts import Core, address_bits

__all__ = ["RegionMemory"]


class RegionMemory:
    """A memory of groups of channels that keeps what packets hold.

    Parameters
    ----------
    m : Module
        That it becomes a part of.
    name : str
        Of the submodule.
    config : TrainConfig
    bits : int
        Of a channel, the lowest ones.
    regions : dict from Core to int
        Groups of channels of each core.
    write : View of packet_layout(config)
        What is kept, in the region of its core if there are several.

    Attributes
    ----------
    read : memory.ReadPort
    """

    def __init__(self, m: Module, name: str, config: TrainConfig, bits: int,
                 regions: dict[Core, int], write):
        self._steps = config.max_timesteps
        self._regions, self._bases, depth = regions, {}, 0
        for core, groups in regions.items():
            self._bases[core] = depth
            depth += groups * config.max_timesteps * config.max_pixels
        m.submodules[name] = store = memory.Memory(
            shape=unsigned(bits * config.lanes), depth=max(depth, 2), init=[])
        port = store.write_port()
        m.d.comb += [port.en.eq(write.valid),
                     port.data.eq(Cat(value[:bits] for value in write.values))]
        if len(regions) == 1:
            core, = regions
            m.d.comb += port.addr.eq(self.address(core, write.group, write.step, write.pixel))
        else:
            with m.Switch(write.core):
                for core in regions:
                    with m.Case(core):
                        m.d.comb += port.addr.eq(
                            self.address(core, write.group, write.step, write.pixel))
        self.read = store.read_port()

    def address(self, core: Core, group, step, pixel):
        """Return where a group is."""
        return self._bases[core] + Cat(group[:address_bits(self._regions[core])],
                                       step[:address_bits(self._steps)], pixel)
