# SPDX-License-Identifier: Apache-2.0
"""Published systems, one file each."""
