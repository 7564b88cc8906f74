"""How does the portal look here?"""
