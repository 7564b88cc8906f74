"""Which tables are there? One module per concept; the migrations make them by hand and a test compares the two."""

from litemaas.db.tables.banners import banners, brand_images, dismissals
from litemaas.db.tables.base import metadata
from litemaas.db.tables.budgets import budget_events, budget_windows, budgets, leases, workers
from litemaas.db.tables.catalog import deployments, models, prices
from litemaas.db.tables.chargeback import chargeback_lines, closed_months, cost_centres
from litemaas.db.tables.conversions import conversion_tasks
from litemaas.db.tables.credentials import named_credentials
from litemaas.db.tables.customers import budget_plans, customers
from litemaas.db.tables.discovery import discovery_reports
from litemaas.db.tables.feed import audit, changes
from litemaas.db.tables.jobs import jobs
from litemaas.db.tables.keys import virtual_keys
from litemaas.db.tables.notices import deliveries, notices, webhooks
from litemaas.db.tables.pass_through import pass_through_routes
from litemaas.db.tables.payloads import captured_payloads, payload_captures
from litemaas.db.tables.people import sessions, sign_ins, tokens, users
from litemaas.db.tables.platform import duties, given_answers, installation, settings
from litemaas.db.tables.playground import saved_prompts
from litemaas.db.tables.rollups import dimensions, rollups, usage_deltas
from litemaas.db.tables.subscriptions import access_policies, subscription_history, subscriptions
from litemaas.db.tables.teams import team_members, teams
from litemaas.db.tables.usage import usage_records
from litemaas.db.tables.workshops import provisioning_keys, workshop_drafts, workshop_keys, workshop_seats, workshops

__all__ = [
    "access_policies",
    "audit",
    "banners",
    "brand_images",
    "budget_events",
    "budget_plans",
    "budget_windows",
    "budgets",
    "captured_payloads",
    "changes",
    "chargeback_lines",
    "closed_months",
    "conversion_tasks",
    "cost_centres",
    "customers",
    "deliveries",
    "deployments",
    "dimensions",
    "discovery_reports",
    "dismissals",
    "duties",
    "given_answers",
    "installation",
    "jobs",
    "leases",
    "metadata",
    "models",
    "named_credentials",
    "notices",
    "pass_through_routes",
    "payload_captures",
    "prices",
    "provisioning_keys",
    "rollups",
    "saved_prompts",
    "sessions",
    "settings",
    "sign_ins",
    "subscription_history",
    "subscriptions",
    "team_members",
    "teams",
    "tokens",
    "usage_deltas",
    "usage_records",
    "users",
    "virtual_keys",
    "webhooks",
    "workers",
    "workshop_drafts",
    "workshop_keys",
    "workshop_seats",
    "workshops",
]
