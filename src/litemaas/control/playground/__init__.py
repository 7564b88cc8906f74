"""Trying models from a browser: relayed to the gateway under a person's own key, which never leaves the server."""
