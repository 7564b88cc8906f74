"""What runs in the background at somebody's word?"""
