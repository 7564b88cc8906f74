"""Models, their deployments and their prices."""
