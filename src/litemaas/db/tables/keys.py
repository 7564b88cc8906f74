"""How is a virtual key stored? By the hash of its first secret, with its limits; deleted rows stay and set their alias free."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, Table, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA

from litemaas.db.tables.base import Moment, json_object, metadata, moment, text_array

virtual_keys = Table(
    "virtual_keys",
    metadata,
    Column("key_hash", Text, primary_key=True),
    Column("key_name", Text, nullable=False),
    Column("alias", Text),
    Column("user_id", Text),
    Column("team_id", Text),
    text_array("models"),
    json_object("aliases"),
    json_object("metadata"),
    Column("max_budget_nano", BigInteger),
    Column("soft_budget_nano", BigInteger),
    Column("budget_duration", Text),
    moment("budget_set_at"),
    Column("rpm_limit", Integer),
    Column("tpm_limit", BigInteger),
    Column("max_parallel_requests", Integer),
    json_object("model_limits"),
    Column("blocked", Boolean, nullable=False, server_default=text("false")),
    Column("expires_at", Moment),
    json_object("extras"),
    moment("created_at"),
    Column("created_by", Text, nullable=False),
    moment("updated_at"),
    Column("updated_by", Text, nullable=False),
    Column("deleted_at", Moment),
    Column("pot_id", Text),
    Column("public_id", Text),
    Column("governed", Boolean, nullable=False, server_default=text("false")),
    Column("name", Text),
    Column("description", Text, nullable=False, server_default=text("''")),
    Column("permissions", ARRAY(Text)),
    text_array("tags"),
    Column("cost_centre", Text),
    Column("prefix", Text),
    Column("last4", Text),
    Column("secret_hash", Text),
    Column("secret_sealed", BYTEA),
    Column("old_secret_hash", Text),
    Column("old_secret_until", Moment),
    Column("revoked_at", Moment),
    Column("status_reason", Text),
    Index("virtual_keys_alias", "alias", unique=True, postgresql_where=text("deleted_at IS NULL")),
    Index("virtual_keys_newest", text("created_at DESC"), "key_hash", postgresql_where=text("deleted_at IS NULL")),
    Index("virtual_keys_user", "user_id", postgresql_where=text("deleted_at IS NULL")),
    Index("virtual_keys_team", "team_id", postgresql_where=text("deleted_at IS NULL")),
    Index("virtual_keys_pot", "pot_id", postgresql_where=text("deleted_at IS NULL")),
    Index("virtual_keys_public_id", "public_id", unique=True, postgresql_where=text("public_id IS NOT NULL")),
    Index("virtual_keys_secret", "secret_hash", unique=True, postgresql_where=text("secret_hash IS NOT NULL")),
    Index("virtual_keys_old_secret", "old_secret_hash", unique=True,
          postgresql_where=text("old_secret_hash IS NOT NULL")),
    Index("virtual_keys_expiry", "expires_at", postgresql_where=text("expires_at IS NOT NULL AND deleted_at IS NULL")),
)  # fmt: skip
"""``key_hash`` names the key in the ledger, in budgets and in leases for all its life: it is the hash of its first secret.
``secret_hash``: of the secret that opens it now; NULL = it was never rotated. ``old_secret_hash`` opens it until
``old_secret_until``. ``public_id``: a key of the portal; NULL = LiteLLM's clients made it, and its hash is its id.

``governed``: a call needs the payer's subscription, and ``models`` names each model; else an empty list means every model.
``permissions``: kinds of endpoints; NULL = all. ``blocked``: disabled, can be undone; ``revoked_at``: for good.
``secret_sealed``: the secret for its owner to see again, under the key from the environment; NULL = nobody can.
"""
