"""Which tools do administrators' assistants have? A few, over MCP, that use the control plane's API as whoever asks."""
