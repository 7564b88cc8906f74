"""How are backups made, kept, tried and brought back?"""
