"""The plane's wire manners: problems, lists, request ids, one transaction per request."""
