"""What do people and administrators see of usage, each in their own scope?"""
