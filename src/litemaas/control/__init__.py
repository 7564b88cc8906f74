"""The control plane: who may use what, what exists, what it costs; REST for people and tools, never inference."""
