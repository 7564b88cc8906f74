"""How is the platform, and how much is in it? For administrators."""
