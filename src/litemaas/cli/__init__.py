"""The command line: above the planes, so it may start all of them."""
