"""How does a process open PostgreSQL through SQLAlchemy? One pooled engine whose every call has a time-out."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from litemaas.db.connect import CONNECT_TIMEOUT_S, connector


def open_engine(database_url: str, pool_size: int = 5, application: str = "litemaas") -> AsyncEngine:
    """A pooled engine; waits at most five seconds for a free connection and never shows parameters in errors."""
    return create_async_engine(
        "postgresql+asyncpg://",
        async_creator=connector(database_url, application),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=CONNECT_TIMEOUT_S,
        pool_pre_ping=True,
        hide_parameters=True,
    )
