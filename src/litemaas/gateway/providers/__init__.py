"""How do other wire formats become chat completions, and chat completions other wire formats? Never on the plain path."""
