"""How do migrations become SQL? They are always written as a script, which litemaas.db.migrate runs under its lock."""

from __future__ import annotations

from alembic import context

if not context.is_offline_mode():
    raise RuntimeError("migrations run through litemaas.db.migrate.upgrade, which holds the lock that replicas share")
context.configure(dialect_name="postgresql", literal_binds=True)
context.run_migrations()
