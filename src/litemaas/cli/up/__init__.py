"""``litemaas up``: the whole platform on this machine, in the foreground."""
