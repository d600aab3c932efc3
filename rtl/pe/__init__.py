"""Processing elements that look weights up instead of joining bitmasks."""
