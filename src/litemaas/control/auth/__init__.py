"""Who is asking, and which role does a route demand?"""
