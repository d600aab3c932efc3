"""Spikeloom: spiking neural networks as verified hardware."""
