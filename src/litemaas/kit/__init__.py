"""Domain-free plumbing both planes stand on."""
