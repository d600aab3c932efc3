# SPDX-License-Identifier: Apache-2.0
"""In-memory-computing core: row vectors of lane words to the spikes of a layer of neurons."""

from torch import Tensor

from .imc_engine import IMCEngine, Reading
from .plif import LIF, plif

__all__ = ["IMCCore"]


class IMCCore(IMCEngine):
    """Crossbars side by side, and a neuron for each of their outputs."""

    def fire(self, words: Tensor, bias: Tensor, threshold: Tensor, lif: LIF,
             reading: Reading | None = None) -> Tensor:
        """Multiply row vectors, one after the other, and fire the neurons of each.

        The membranes start at 0 for each vector. The psum of an integer is the input at all
        timesteps.

        Parameters
        ----------
        words : Tensor[M, K]
            See `IMCEngine.run`.
        bias, threshold : Tensor[N]
            Integers, in the unit of psums.
        lif : LIF
        reading : Reading

        Returns
        -------
        Tensor[lanes, M, N]
            bool, the spikes; of integers Tensor[T, M, N].

        Raises
        ------
        GoldenError
            An operand does not fit the core.
        """
        psums = self.run(words, reading)
        if reading is not None and reading.planes:
            psums = psums.expand(self.config.timesteps, -1, -1)
        return plif(psums, bias, threshold, lif)
