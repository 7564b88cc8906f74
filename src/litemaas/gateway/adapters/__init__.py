"""The outside as the gateway needs it: PostgreSQL and Valkey."""
