"""Who is measured? The straight way, nginx, our gateway and LiteLLM, each behind the same few attributes."""
