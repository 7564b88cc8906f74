"""Who changed what, written in the transaction that changed it."""
