"""Which cost centre pays how much, and when is that final?"""
