"""Budgets of users, teams, customers and pots; and where every budget's spend and leases stand."""
