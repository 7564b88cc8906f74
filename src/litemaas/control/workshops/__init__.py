"""How does everybody in a workshop get a key, by one call?"""
