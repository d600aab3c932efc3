"""Which encoders reuse attention, and what that costs and saves on crossbar macros."""
