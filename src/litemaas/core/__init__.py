"""Pure domain: frozen values and functions from values to values; no I/O, no clock, no framework."""
