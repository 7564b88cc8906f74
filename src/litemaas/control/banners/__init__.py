"""What is shown above every page, to whom, and until when?"""
