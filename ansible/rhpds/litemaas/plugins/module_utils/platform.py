"""What do the modules of the platform share? How they connect, money as the API counts it, and what differs."""

from __future__ import annotations

from decimal import Decimal
from urllib.parse import quote

from ansible_collections.rhpds.litellm_virtual_keys.plugins.module_utils import arguments

NANO = Decimal(10) ** 9
MILLION = Decimal(10) ** 6
CONNECTION = {**arguments.CONNECTION, "credential": {**arguments.CONNECTION["credential"], "aliases": ["master_key"]}}
ADMIN = "/api/v1/admin"


def nano_of(usd):
    """Whole nano-USD. Units: USD."""
    return None if usd is None else int((Decimal(str(usd)) * NANO).to_integral_value())


def nano_per_million(usd_per_unit):
    """Units: USD per token, as LiteLLM writes prices; returns nano-USD per million tokens."""
    return int((Decimal(str(usd_per_unit)) * NANO * MILLION).to_integral_value())


def segment(name):
    return quote(str(name), safe="")


def differing(before, wanted):
    """The members of ``wanted`` that are otherwise."""
    return {name: value for name, value in wanted.items() if before.get(name) != value}


def every(client, path, **query):
    """All rows of a paged list."""
    rows, page = [], 1
    while True:
        answer = client.get(path, page=page, limit=100, **query)
        rows += answer["data"]
        if not answer["data"] or len(rows) >= answer["pagination"]["total"]:
            return rows
        page += 1
