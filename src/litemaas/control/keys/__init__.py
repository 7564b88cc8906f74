"""Virtual keys: made, listed, changed, blocked, deleted."""
