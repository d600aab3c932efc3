# SPDX-License-Identifier: Apache-2.0
"""Parameters of processing elements, and of an array of those that look weights up."""

from dataclasses import dataclass

from .checks import ConfigError, check_limits, check_name, check_powers_of_two
from .ftp import FTP_LIMITS, FTPConfig

__all__ = ["LOOKUP_PES", "PES", "ArrayConfig", "ElementConfig"]

LOOKUP_PES = ("scan", "bcast")  # they look each weight's position up in their rows
PES = ("loas", *LOOKUP_PES)
_ELEMENT_LIMITS = {
    "rows_per_pe": (1, 16),
    "probes": (1, 16),
    "hit_fifo_depth": (4, 64),
}
_ARRAY_LIMITS = {
    "weight_streams": (1, 64),
    "output_lanes": (1, 64),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class ElementConfig(FTPConfig):
    """Parameters of a processing element of any kind; ``tppes`` is their number.

    ``loas`` is the TPPE with its inner join, a row in each. ``scan`` and ``bcast`` look up each
    weight's position in the rows they hold; only for them count ``probes`` and
    ``hit_fifo_depth``, and for them no field that is about the inner join.

    Raises
    ------
    ConfigError
        A field is out of its range, or two fields do not fit each other.
    """

    pe: str = "scan"               # one of PES
    rows_per_pe: int = 4           # r: rows that one element computes; a power of two
    probes: int = 4                # b: weights looked up per cycle, each in a bank of its own
    hit_fifo_depth: int = 16       # weights found, waiting to be added, in each bank

    def __post_init__(self) -> None:
        FTPConfig.__post_init__(self)
        check_name(self, "pe", PES)
        check_limits(self, _ELEMENT_LIMITS)
        check_powers_of_two(self, ["rows_per_pe", "probes"])
        if self.pe == "loas":
            if self.rows_per_pe != 1:
                raise ConfigError(f"rows_per_pe must be 1 with pe = loas, not {self.rows_per_pe}")
        elif self.chunk_beats % self.probes:
            raise ConfigError(f"probes must divide chunk / beat_values ({self.chunk_beats}), "
                              f"not be {self.probes}")

    @property
    def looks_up(self) -> bool:
        """Whether the elements take weight lists and look positions up."""
        return self.pe in LOOKUP_PES

    @property
    def tile_rows(self) -> int:
        """Rows of a tile, at most: those of all elements together."""
        return self.tppes * self.rows_per_pe

    @property
    def places(self) -> int:
        """Positions of a row that lie in one bank."""
        return self.max_chunks * self.chunk // self.probes


@dataclass(frozen=True, kw_only=True, slots=True)
class ArrayConfig(ElementConfig):
    """Parameters of an array whose elements look up each weight's position in their rows.

    Raises
    ------
    ConfigError
        A field is out of its range, or two fields do not fit each other.
    """

    weight_streams: int = 1        # S: groups of elements that may get columns of their own
    output_lanes: int = 8          # L: paths from psums to compressed spikes

    def __post_init__(self) -> None:
        ElementConfig.__post_init__(self)
        check_name(self, "pe", LOOKUP_PES)
        check_limits(self, _ARRAY_LIMITS)
        check_powers_of_two(self, ["weight_streams", "output_lanes"])
        if self.tppes % self.output_lanes:
            raise ConfigError(f"output_lanes must divide tppes ({self.tppes}), "
                              f"not be {self.output_lanes}")
        if self.lane_rows > FTP_LIMITS["tppes"][1]:
            raise ConfigError(f"output_lanes must be at least tppes * rows_per_pe / "
                              f"{FTP_LIMITS['tppes'][1]}, not {self.output_lanes}")
        if self.output_lanes % self.weight_streams:
            raise ConfigError(f"weight_streams must divide output_lanes ({self.output_lanes}), "
                              f"not be {self.weight_streams}")

    @property
    def lane_rows(self) -> int:
        """Rows that leave through one output lane."""
        return self.tile_rows // self.output_lanes
