"""How much does the gateway cost? Measured beside nginx and LiteLLM in one run, on this machine."""
