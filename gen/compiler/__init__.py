"""From an integer network and a configuration to a program image."""
