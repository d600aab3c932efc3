"""The LoAS fully temporal-parallel datapath."""
