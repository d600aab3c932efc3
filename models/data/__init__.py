# SPDX-License-Identifier: Apache-2.0
"""Data sets: loaders and the committed test slices."""
