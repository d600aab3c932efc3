"""Amaranth components and the hardware configuration."""
