"""Talk to an accelerator behind a host link: frames, retries, and a transport for sessions."""
