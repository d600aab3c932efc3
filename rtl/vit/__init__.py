"""Units of a vision transformer: layer norm, softmax, GELU."""
