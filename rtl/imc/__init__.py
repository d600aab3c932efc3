"""In-memory computing: the crossbar macro, what is digital around it, and their engine."""
