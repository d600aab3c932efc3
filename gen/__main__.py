# SPDX-License-Identifier: Apache-2.0
"""``python -m spikeloom.gen`` is the command ``spikeloom``."""

import sys

from .cli import main

__all__ = []

sys.exit(main())
