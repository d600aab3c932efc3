# SPDX-License-Identifier: Apache-2.0
"""Attention between spikes: what its unit is made of."""
