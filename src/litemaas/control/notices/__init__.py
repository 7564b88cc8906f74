"""Who is told what? Inbox, e-mail and webhooks."""
