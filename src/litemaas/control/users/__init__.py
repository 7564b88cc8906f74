"""People: what they see of themselves, and what administrators change of them."""
