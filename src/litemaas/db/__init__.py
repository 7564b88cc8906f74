"""Tables, sessions, migrations and the embedded servers; no rules."""
