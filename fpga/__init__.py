"""FPGA builds."""
