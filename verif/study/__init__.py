# SPDX-License-Identifier: Apache-2.0
"""What crossbars are worth: accuracy, energy, latency and area over their parameters."""
