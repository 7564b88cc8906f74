"""What is shown above every page, and how does the portal look? Banners, who dismissed them, and branding."""

from __future__ import annotations

from sqlalchemy import Boolean, CheckConstraint, Column, ForeignKey, Integer, PrimaryKeyConstraint, Table, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA

from litemaas.db.tables.base import Moment, json_object, metadata, moment

banners = Table(
    "banners",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    json_object("content"),
    Column("variant", Text, nullable=False, server_default=text("'info'")),
    Column("is_active", Boolean, nullable=False, server_default=text("false")),
    Column("priority", Integer, nullable=False, server_default=text("0")),
    Column("dismissible", Boolean, nullable=False, server_default=text("true")),
    Column("dismiss_duration_hours", Integer),
    Column("starts_at", Moment),
    Column("ends_at", Moment),
    Column("target_roles", ARRAY(Text)),
    Column("target_users", ARRAY(Text)),
    Column("target_groups", ARRAY(Text)),
    Column("target_teams", ARRAY(Text)),
    Column("link_url", Text),
    json_object("link_text"),
    moment("created_at"),
    Column("created_by", Text, nullable=False),
    moment("updated_at"),
    Column("updated_by", Text, nullable=False),
    CheckConstraint("variant IN ('info', 'warning', 'danger', 'success', 'default')", name="banners_variant"),
)
"""``content`` and ``link_text``: language → text. Targets: NULL and empty both mean everyone."""

dismissals = Table(
    "dismissals",
    metadata,
    Column("banner_id", Text, ForeignKey("banners.id", ondelete="CASCADE", name="dismissals_banner"), nullable=False),
    Column("user_id", Text, ForeignKey("users.id", ondelete="CASCADE", name="dismissals_user"), nullable=False),
    moment("at"),
    PrimaryKeyConstraint("banner_id", "user_id"),
)

brand_images = Table(
    "brand_images",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("media_type", Text, nullable=False),
    Column("content", BYTEA, nullable=False),
    Column("etag", Text, nullable=False),
    moment("updated_at"),
    Column("updated_by", Text, nullable=False),
    CheckConstraint(
        "kind IN ('login-logo', 'header-brand-light', 'header-brand-dark', 'favicon')", name="brand_images_kind"
    ),
)
