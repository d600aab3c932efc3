"""Talk to an accelerator, simulated or on a board: load a program, run images, look inside."""
