"""Where is what the platform knows kept? Tables, connections, migrations and the embedded servers; no rules."""
