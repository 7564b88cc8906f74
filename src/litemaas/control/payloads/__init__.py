"""Captured calls: what those of a key or team say, while an administrator wants to know."""
