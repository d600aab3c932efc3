# SPDX-License-Identifier: Apache-2.0
"""The network ``vgg_fashion``, fine-tuned to do without neurons that fire once only.

``python -m spikeloom.models.zoo.vgg_fashion_ft train`` reproduces the weight file on the same
kind of CPU; it starts from the weights of ``vgg_fashion`` and prints both side by side.
"""

from .command import training_app
from .fashion_layers import fine_tuning
from .vgg_fashion import RECIPE as BASE

__all__ = ["RECIPE", "app"]

RECIPE = fine_tuning(BASE)

app = training_app(RECIPE)

if __name__ == "__main__":
    app()
