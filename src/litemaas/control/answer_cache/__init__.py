"""Answers that gateways keep: what is said of them, and how they are forgotten."""
