"""How people sign in: identity providers, accounts and roles that follow from them, sessions, tokens."""
