# SPDX-License-Identifier: Apache-2.0
"""The AXI4 memory bus as the accelerator drives it, and its flat port names."""

from amaranth import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["AXI4", "BURST_INCREMENTING", "CACHE_NORMAL", "RESPONSE_OKAY", "connect_flat",
           "flat_members"]

BURST_INCREMENTING = 0b01
CACHE_NORMAL = 0b0011  # normal memory, non-cacheable, bufferable
RESPONSE_OKAY = 0b00


class AXI4(wiring.Signature):
    """AXI4 (ARM IHI 0022) seen from the master: 32-bit addresses, 1-bit identifiers.

    Without the optional lock, quality of service, region and user signals.

    Parameters
    ----------
    data_bits : int
        Of ``wdata`` and ``rdata``.
    """

    def __init__(self, data_bits: int):
        self.data_bits = data_bits
        address = {"id": 1, "addr": 32, "len": 8, "size": 3, "burst": 2, "cache": 4, "prot": 3}
        members = {}
        for channel in ("aw", "ar"):
            members |= {channel + name: Out(bits) for name, bits in address.items()}
            members |= {f"{channel}valid": Out(1), f"{channel}ready": In(1)}
        super().__init__(members | {
            "wdata": Out(data_bits), "wstrb": Out(data_bits // 8), "wlast": Out(1),
            "wvalid": Out(1), "wready": In(1),
            "bid": In(1), "bresp": In(2), "bvalid": In(1), "bready": Out(1),
            "rid": In(1), "rdata": In(data_bits), "rresp": In(2), "rlast": In(1),
            "rvalid": In(1), "rready": Out(1),
        })


def flat_members(data_bits: int, prefix: str = "m_axi_") -> dict[str, wiring.Member]:
    """Return the members of `AXI4` under the names that tools look for, ``m_axi_awaddr``."""
    return {prefix + name: member for name, member in AXI4(data_bits).members.items()}


def connect_flat(m: Module, component: wiring.Component, master: wiring.PureInterface,
                 prefix: str = "m_axi_") -> None:
    """Connect the ports of `flat_members` on ``component`` to the bus of a unit inside it."""
    for name, member in master.signature.members.items():
        inside, outside = getattr(master, name), getattr(component, prefix + name)
        m.d.comb += outside.eq(inside) if member.flow == Out else inside.eq(outside)
