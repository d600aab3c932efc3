# SPDX-License-Identifier: Apache-2.0
"""Training of tensor-train layers: clusters of cores, neurons, readout, update."""
