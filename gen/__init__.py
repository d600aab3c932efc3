"""From a configuration or a network to files."""
