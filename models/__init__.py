# SPDX-License-Identifier: Apache-2.0
"""PyTorch models: golden integer ops, trainable networks, data."""
