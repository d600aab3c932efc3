# SPDX-License-Identifier: Apache-2.0
"""Trainable neurons, layers, pruning and quantization."""
