"""What can be asked of a model? One module per kind of endpoint, and the table that a path is looked up in."""
