"""Cycles, traffic and energy of dual-sparse accelerators, counted instead of simulated."""
