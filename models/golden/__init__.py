# SPDX-License-Identifier: Apache-2.0
"""Bit-exact integer operations, one file per hardware unit."""
