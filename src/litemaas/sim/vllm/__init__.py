"""The vLLM-like server: chat, completions and tokenizer, with vLLM's bytes on the wire."""
