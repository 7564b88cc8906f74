"""How is the catalogue stored? Models, the deployments behind them, and prices that are versioned and never changed."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import BYTEA, JSONB

from litemaas.db.tables.base import Moment, json_object, metadata, moment, text_array

models = Table(
    "models",
    metadata,
    Column("name", Text, primary_key=True),
    Column("mode", Text, nullable=False),
    text_array("access_groups"),
    Column("description", Text, nullable=False, server_default=text("''")),
    Column("simulated", Boolean, nullable=False, server_default=text("false")),
    json_object("info"),
    moment("created_at"),
    moment("updated_at"),
    Column("routing_strategy", Text),
    text_array("fallbacks"),
    text_array("context_fallbacks"),
    Column("retries", Integer),
    text_array("aliases"),
    text_array("guardrails"),
    Column("id", Text, nullable=False, server_default=text("(gen_random_uuid())::text")),
    Column("display_name", Text),
    Column("provider", Text),
    text_array("tags"),
    text_array("capabilities"),
    Column("context_length", Integer),
    Column("max_output_tokens", Integer),
    Column("pricing", JSONB(none_as_null=True)),
    Column("restricted_access", Boolean, nullable=False, server_default=text("false")),
    Column("status", Text, nullable=False, server_default=text("'available'")),
    moment("status_changed_at"),
    Column("retires_at", Moment),
    Column("successor_id", Text, ForeignKey("models.id", ondelete="SET NULL", name="models_successor")),
    Column("rpm_limit", Integer),
    Column("tpm_limit", BigInteger),
    CheckConstraint("status IN ('draft', 'available', 'deprecated', 'retired')", name="models_status"),
    Index("models_id", "id", unique=True),
    Index("models_retirement", "retires_at", postgresql_where=text("status = 'deprecated'")),
)
"""``name`` is what clients send and what deployments, keys and records refer to; ``id`` stands in paths. ``pricing``: the price
that an administrator gave to the model as a whole, which new deployments take; NULL = none. ``rpm_limit``, ``tpm_limit``: its
capacity, of all callers together.
"""

prices = Table(
    "prices",
    metadata,
    Column("version", BigInteger, primary_key=True),
    Column("deployment_id", Text, nullable=False, index=False),
    Column("input_per_million", BigInteger, nullable=False, server_default=text("0")),
    Column("output_per_million", BigInteger, nullable=False, server_default=text("0")),
    Column("cached_input_per_million", BigInteger),
    Column("cache_write_per_million", BigInteger),
    Column("reasoning_per_million", BigInteger),
    Column("page_per_million", BigInteger, nullable=False, server_default=text("0")),
    Column("request_per_million", BigInteger, nullable=False, server_default=text("0")),
    moment("valid_from"),
    Column("created_by", Text, nullable=False),
    Index("prices_deployment", "deployment_id", text("version DESC")),
)

deployments = Table(
    "deployments",
    metadata,
    Column("id", Text, primary_key=True),
    Column(
        "model_name",
        Text,
        ForeignKey("models.name", ondelete="SET NULL", onupdate="CASCADE", name="deployments_model"),
    ),
    Column("provider", Text, nullable=False),
    Column("engine_model", Text, nullable=False),
    Column("api_base", Text, nullable=False),
    Column("api_key_sealed", BYTEA),
    json_object("extra_headers"),
    json_object("defaults"),
    json_object("params"),
    json_object("info"),
    Column("weight", Integer, nullable=False, server_default=text("1")),
    Column("timeout_s", Float),
    Column("stream_timeout_s", Float),
    Column("tls_verify", Boolean, nullable=False, server_default=text("true")),
    Column("tls_ca", Text),
    Column("max_output_tokens", Integer),
    Column("max_context_tokens", Integer),
    Column("stream_usage", Boolean, nullable=False, server_default=text("true")),
    Column("price_version", BigInteger, ForeignKey("prices.version", name="deployments_price"), nullable=False),
    Column("enabled", Boolean, nullable=False, server_default=text("true")),
    moment("created_at"),
    Column("created_by", Text, nullable=False),
    moment("updated_at"),
    Column("updated_by", Text, nullable=False),
    Column("deleted_at", Moment),
    Column("rpm_limit", Integer),
    Column("tpm_limit", BigInteger),
    Column("max_parallel_requests", Integer),
    Column("cooldown_s", Float),
    Column("health", Text, nullable=False, server_default=text("'unknown'")),
    Column("health_at", Moment),
    Column("health_detail", Text),
    CheckConstraint("health IN ('healthy', 'degraded', 'unavailable', 'unknown')", name="deployments_health"),
    # A deleted deployment stays for the ledger's sake after its model has left the catalogue.
    CheckConstraint("model_name IS NOT NULL OR deleted_at IS NOT NULL", name="deployments_live_have_a_model"),
    Index("deployments_of_model", "model_name", "created_at", "id", postgresql_where=text("deleted_at IS NULL")),
)
