# SPDX-License-Identifier: Apache-2.0
"""Shape of a spiking transformer with spatial-temporal attention (STAtten)."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["ATTENTIONS", "StattenShape"]

ATTENTIONS = ("statten", "sdt", "ssa")
_STAGES = 4
_HEAD_SCALE = 8  # of "ssa": the product of queries, keys and values is divided by it


@dataclass(frozen=True, kw_only=True)
class StattenShape:
    """Sizes and modes of the network.

    Parameters
    ----------
    side : int
        Of an image, in pixels.
    inputs : int
        Channels of an image.
    classes : int
    timesteps : int
        ``T``.
    chunk_steps : int
        Timesteps that attend to one another, ``B``; divides ``T``.
    channels : int
        Of a token, ``D``, a multiple of 8.
    heads : int
        Divides ``D``.
    depth : int
        Blocks of attention and perceptron.
    pools : str
        Whether each of the four stages of the stem halves the maps, ``"1"`` or ``"0"`` each.
    hidden_ratio : int
        Hidden channels of a perceptron, over ``D``.
    attention : "statten", "sdt" or "ssa"
        Over tokens and the steps of a chunk; a mask of the channels whose keys and values meet
        (Spike-driven Transformer); over the tokens of one step (Spikformer).
    frames : bool
        Whether there is an image of spikes for each timestep, not one of pixels for all.
    events : bool
        Whether queries, keys, values and the block's input are pooled, and the latter is added
        to what attention lets through, as for event cameras.

    Raises
    ------
    ValueError
        If a field does not fit; the message names it.
    """

    side: int
    inputs: int
    classes: int
    timesteps: int
    chunk_steps: int
    channels: int
    heads: int = 8
    depth: int = 2
    pools: str = "0011"
    hidden_ratio: int = 4
    attention: Literal["statten", "sdt", "ssa"] = "statten"
    frames: bool = False
    events: bool = False

    def __post_init__(self) -> None:
        if len(self.pools) != _STAGES or set(self.pools) - {"0", "1"}:
            raise ValueError(f"pools must be four digits 0 or 1, not {self.pools!r}")
        if self.attention not in ATTENTIONS:
            raise ValueError(f"attention must be one of {', '.join(ATTENTIONS)}, "
                             f"not {self.attention!r}")
        for field, divisor, whole in (("channels", 8, self.channels),
                                      ("heads", self.heads, self.channels),
                                      ("chunk_steps", self.chunk_steps, self.timesteps)):
            if divisor < 1 or whole % divisor or not whole:
                what = (f"a multiple of {divisor}" if field == "channels" else
                        f"a divisor of {whole}")
                raise ValueError(f"{field} must be {what}, not {getattr(self, field)}")
        if self.events and self.attention == "sdt":
            raise ValueError("attention must be 'statten' or 'ssa' with events, not 'sdt'")

    @property
    def stages(self) -> tuple[tuple[int, int, bool], ...]:
        """Of each stage of the stem its output channels, the side of its maps, if it pools."""
        stages, side = [], self.side
        for index, flag in enumerate(self.pools):
            stages.append((self.channels >> (_STAGES - 1 - index), side, flag == "1"))
            side = -(-side // 2) if flag == "1" else side
        return tuple(stages)

    @property
    def grid(self) -> int:
        """Side of the map of tokens, ``H``."""
        _, side, pools = self.stages[-1]
        return -(-side // 2) if pools else side

    @property
    def hidden(self) -> int:
        """Hidden channels of a perceptron."""
        return self.hidden_ratio * self.channels

    @property
    def attended_steps(self) -> int:
        """Timesteps that attend to one another in this mode."""
        return self.chunk_steps if self.attention == "statten" else 1

    @property
    def double_threshold(self) -> int:
        """Twice the threshold of the neurons behind attention, in its integers.

        They fire at half of the scaled product; the scale is one over this.
        """
        if self.attention == "ssa":
            return _HEAD_SCALE
        return self.grid * self.grid * self.chunk_steps if self.events else self.grid

    @property
    def unused_parameters(self) -> int:
        """Parameters of the authors' model without a use.

        A batch norm takes away the biases before it; a convolution between heads is not called.
        """
        return self.depth * (2 * self.channels + self.hidden + self.heads ** 2)
