"""The data plane: OpenAI-compatible inference for virtual keys."""
