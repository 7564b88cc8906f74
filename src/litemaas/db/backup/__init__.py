"""How is everything that the database holds put into one file, and how does it come back exactly?"""
