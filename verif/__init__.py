"""Proof: testbenches, network runs, netlist checks."""
