"""What does the audit trail show?"""
