"""The accelerator around the datapath: memory, loaders, post-processing, sequencer, registers."""
