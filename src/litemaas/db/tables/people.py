"""Who is there, and what do they sign in with? Users, their sessions, and tokens of people and services."""

from __future__ import annotations

from sqlalchemy import Boolean, CheckConstraint, Column, ForeignKey, Index, Table, Text, text
from sqlalchemy.dialects.postgresql import BYTEA

from litemaas.db.tables.base import Moment, json_object, metadata, moment, text_array

users = Table(
    "users",
    metadata,
    Column("id", Text, primary_key=True),
    Column("provider", Text),
    Column("subject", Text),
    Column("username", Text, nullable=False),
    Column("email", Text),
    Column("email_verified", Boolean, nullable=False, server_default=text("false")),
    Column("full_name", Text),
    Column("language", Text),
    text_array("granted_roles"),
    text_array("derived_roles"),
    text_array("groups"),
    Column("is_active", Boolean, nullable=False, server_default=text("true")),
    Column("cost_centre", Text),
    json_object("metadata"),
    json_object("preferences"),
    Column("last_sign_in_at", Moment),
    Column("anonymised_at", Moment),
    moment("created_at"),
    Column("created_by", Text, nullable=False),
    moment("updated_at"),
    Column("updated_by", Text, nullable=False),
    json_object("extras"),
    CheckConstraint("(provider IS NULL) = (subject IS NULL)", name="users_identity"),
    Index("users_username", text("lower(username)"), unique=True),
    Index("users_subject", "provider", "subject", unique=True),
    Index("users_email", text("lower(email)")),
    Index("users_newest", text("created_at DESC"), "id"),
    Index("users_groups", "groups", postgresql_using="gin"),
)
"""``granted_roles`` were given by an administrator and stay; ``derived_roles`` follow ``groups`` at each sign-in."""

sessions = Table(
    "sessions",
    metadata,
    Column("id_hash", Text, primary_key=True),
    Column("id", Text, nullable=False),
    Column("user_id", Text, ForeignKey("users.id", ondelete="CASCADE", name="sessions_user"), nullable=False),
    Column("provider", Text, nullable=False),
    Column("authenticated_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("ends_at", Moment, nullable=False),
    Column("address", Text),
    Column("user_agent", Text),
    moment("created_at"),
    Index("sessions_id", "id", unique=True),
    Index("sessions_user", "user_id", text("created_at DESC")),
    Index("sessions_expiry", "expires_at"),
)
"""``id_hash`` is the cookie's SHA-256; ``id`` names the session to people. ``ends_at``: what renewing cannot pass."""

sign_ins = Table(
    "sign_ins",
    metadata,
    Column("state_hash", Text, primary_key=True),
    Column("browser_hash", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("secrets_sealed", BYTEA, nullable=False),
    Column("return_to", Text, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Index("sign_ins_expiry", "expires_at"),
)
"""Sign-ins under way: the nonce and the PKCE verifier, sealed; a row goes with the first use of its state."""

tokens = Table(
    "tokens",
    metadata,
    Column("id", Text, primary_key=True),
    Column("secret_hash", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("user_id", Text, ForeignKey("users.id", ondelete="CASCADE", name="tokens_user")),
    Column("name", Text, nullable=False),
    Column("hint", Text, nullable=False),
    text_array("permissions"),
    Column("expires_at", Moment),
    moment("created_at"),
    Column("created_by", Text, nullable=False),
    CheckConstraint("kind IN ('personal', 'service')", name="tokens_kind"),
    CheckConstraint("(kind = 'personal') = (user_id IS NOT NULL)", name="tokens_owner"),
    Index("tokens_secret", "secret_hash", unique=True),
    Index("tokens_user", "user_id", text("created_at DESC")),
)
