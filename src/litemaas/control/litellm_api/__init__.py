"""LiteLLM 1.81's management calls as a facade over the same services."""
