# SPDX-License-Identifier: Apache-2.0
"""Integer networks of tensor-train cores: merged or a layer for each core, of 8 or 4 bits.

``tt_DATA_MODE`` is merged and has weights of 8 bits; ``_unmerged`` and ``_int4`` behind the name
say what is different.
"""

from dataclasses import dataclass

from torch import Tensor

from ..data.labelled import LabelledImages
from ..golden.network import IntegerNetwork
from ..nn.quantization import integer_network
from ..nn.tensor_train_recipe import FEW_BITS, TensorTrainRecipe
from ..nn.training import accuracy
from . import tt_snn

__all__ = ["VARIANTS", "Variant"]


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One way to compute a trained network in integers.

    Parameters
    ----------
    recipe : TensorTrainRecipe
    unmerged : bool
        Whether each core is a layer, with integers of 8 bits in between.
    weight_bits : int
        8 or `FEW_BITS`; merged kernels of few bits are trained again.
    """

    recipe: TensorTrainRecipe
    unmerged: bool = False
    weight_bits: int = 8

    @property
    def name(self) -> str:
        """Of the integer network."""
        return (self.recipe.name + "_unmerged" * self.unmerged
                + f"_int{self.weight_bits}" * (self.weight_bits != 8))

    def load(self) -> IntegerNetwork:
        """Load the integer network, from the committed file.

        Raises
        ------
        NetworkFileError
            If the file is missing or corrupt.
        """
        if self.unmerged:
            unmerged = self.recipe.load_unmerged(weight_bits=self.weight_bits)
            return integer_network(self.name, unmerged)
        return self.recipe.load() if self.weight_bits == 8 else self.recipe.load_tuned()

    def load_test(self) -> LabelledImages:
        """Load the test split."""
        return self.recipe.load_test()

    def accuracy_float(self, images: Tensor, labels: Tensor) -> float:
        """Return the trained network's accuracy, 0..1."""
        return accuracy(self.recipe.load_float(), images, labels)


VARIANTS = {variant.name: variant for variant in (
    Variant(recipe=recipe, unmerged=unmerged, weight_bits=bits)
    for recipe in tt_snn.NETWORKS.values() for unmerged in (False, True) for bits in (8, FEW_BITS)
    if recipe.decomposed or not unmerged)}
