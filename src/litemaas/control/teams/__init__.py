"""Teams: who belongs to them, what they may spend, and what becomes of keys when somebody leaves."""
