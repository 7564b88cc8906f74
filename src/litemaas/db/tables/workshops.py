"""Which workshops are there, whose keys are whose, and which credentials may make them?"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import BYTEA

from litemaas.db.tables.base import Moment, json_object, metadata, moment, text_array

provisioning_keys = Table(
    "provisioning_keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("secret_hash", Text, nullable=False),
    Column("hint", Text, nullable=False),
    Column("name", Text, nullable=False),
    text_array("models"),
    Column("pot_id", Text, nullable=False),
    Column("max_keys", Integer, nullable=False),
    Column("max_budget_nano", BigInteger),
    Column("max_rpm_limit", Integer),
    Column("max_tpm_limit", BigInteger),
    Column("valid_from", Moment),
    Column("valid_until", Moment),
    moment("created_at"),
    Column("created_by", Text, nullable=False),
    Column("revoked_at", Moment),
    Index("provisioning_keys_secret", "secret_hash", unique=True),
)
"""What it bounds: which models, how many keys that live at once, the budget of each, one pot for all, until when."""

workshops = Table(
    "workshops",
    metadata,
    Column("guid", Text, primary_key=True),
    Column("pot_id", Text, nullable=False),
    text_array("models"),
    Column("duration", Text),
    Column("expires_at", Moment),
    json_object("limits"),
    json_object("metadata"),
    Column("made_by", Text, nullable=False),
    moment("created_at"),
    moment("updated_at"),
    Column("title", Text),
    Column("description", Text, nullable=False, server_default=text("''")),
    text_array("organisers"),
    Column("time_zone", Text),
    Column("starts_at", Moment),
    Column("claim_opens_at", Moment),
    Column("claim_closes_at", Moment),
    Column("claim_mode", Text),
    Column("code_hash", Text),
    Column("code_sealed", BYTEA),
    Column("announcement", Text, nullable=False, server_default=text("''")),
    Column("paused_at", Moment),
    Column("ended_at", Moment),
    CheckConstraint("claim_mode IN ('shared_code', 'seat_codes')", name="workshops_claim_mode"),
    Index("workshops_maker", "made_by"),
    Index("workshops_newest", text("created_at DESC"), "guid"),
)
"""``made_by``: ``master`` or the id of a provisioning key; only that credential and the master key see its keys.

``claim_mode``: how people get a seat on the claim page; NULL = a catalogue hands the keys out, and what follows it is empty.
``expires_at``: when it ends, ``ended_at``: when somebody ended it before; the row of a claimed workshop stays then.
``code_hash``, ``code_sealed``: of the one code that all share; the latter for organisers to show. ``organisers``: ids of users.
"""

workshop_seats = Table(
    "workshop_seats",
    metadata,
    Column(
        "guid", Text, ForeignKey("workshops.guid", ondelete="CASCADE", name="workshop_seats_workshop"), nullable=False
    ),
    Column("user_name", Text, nullable=False),
    Column("label", Text),
    Column("code_hash", Text),
    Column("code_sealed", BYTEA),
    Column("nickname", Text),
    Column("claimed_at", Moment),
    Column("browser_hash", Text),
    PrimaryKeyConstraint("guid", "user_name"),
    Index("workshop_seats_code", "guid", "code_hash", unique=True, postgresql_where=text("code_hash IS NOT NULL")),
)
"""Seats that people claim. ``user_name``: as in ``workshop_keys``. ``label``: for whom it is kept, from a roster.
``code_hash``: of the code that is good once. ``browser_hash``: of the cookie that shows the seat again to whoever claimed it.
"""

workshop_keys = Table(
    "workshop_keys",
    metadata,
    Column(
        "guid", Text, ForeignKey("workshops.guid", ondelete="CASCADE", name="workshop_keys_workshop"), nullable=False
    ),
    Column("user_name", Text, nullable=False),
    Column("key_hash", Text, nullable=False),
    Column("place", Integer, nullable=False),
    PrimaryKeyConstraint("guid", "user_name"),
    Index("workshop_keys_hash", "key_hash"),
)
"""Whose key is whose: one per user of a workshop."""

workshop_drafts = Table(
    "workshop_drafts",
    metadata,
    Column("id", Text, primary_key=True),
    Column("user_id", Text, ForeignKey("users.id", ondelete="CASCADE", name="workshop_drafts_user"), nullable=False),
    Column("title", Text, nullable=False, server_default=text("''")),
    json_object("content"),
    moment("created_at"),
    moment("updated_at"),
    Index("workshop_drafts_newest", "user_id", text("updated_at DESC")),
)
"""What somebody has filled in of a plan, as the portal keeps it; nothing else reads ``content``."""
