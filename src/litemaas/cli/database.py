"""Is the schema of the database current, and does ``litemaas migrate`` make it so?"""

from __future__ import annotations

import sys

import asyncpg

from litemaas.cli.wording import describe_database_error
from litemaas.db.migrate import is_current, newest_revision, upgrade
from litemaas.db.zones import ZoneDiffers
from litemaas.kit.zones import zone_of


def bring_up_to_date(database_url: str | None, zone: str, *, only_check: bool) -> int:
    """The exit status: 0 when the schema is current, 1 when it is not or cannot be made so, 2 without a database."""
    if not database_url:
        print("litemaas: LITEMAAS_DATABASE_URL must be set", file=sys.stderr)
        return 2
    try:
        zone_of(zone)
    except ValueError as error:
        print(f"litemaas: LITEMAAS_TIMEZONE {error}", file=sys.stderr)
        return 2
    try:
        if not only_check:
            upgrade(database_url, zone)
        elif not is_current(database_url):
            print(f"The schema is older than revision {newest_revision()}: run `litemaas migrate`.")
            return 1
    except ZoneDiffers as error:
        print(f"litemaas: {error}", file=sys.stderr)
        return 1
    except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        print(f"litemaas: the database cannot be used: {describe_database_error(error)}", file=sys.stderr)
        return 1
    print(f"The schema is at revision {newest_revision()} or a newer one.")
    return 0
