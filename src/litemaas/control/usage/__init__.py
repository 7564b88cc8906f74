"""What was used and what it cost, out of the ledger."""
