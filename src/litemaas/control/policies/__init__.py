"""Access policies: which people and teams may use which models, and whether somebody must agree."""
