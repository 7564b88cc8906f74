"""What can administrators set, and what holds now?"""
