"""The time-to-first-spike core."""
