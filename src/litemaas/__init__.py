"""LiteMaaS: models as a service."""
