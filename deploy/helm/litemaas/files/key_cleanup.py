"""Which virtual keys may go? Those that have expired, and those older than OLDER_THAN_DAYS; asked of the gateway, not of SQL.

GATEWAY_URL, LITEMAAS_MASTER_KEY, OLDER_THAN_DAYS (0: no age rule), DRY_RUN (true or false).
"""

import json
import os
import sys
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta

PAGE = 100
TIMEOUT_S = 30


def call(method, path, body=None):
    request = urllib.request.Request(os.environ["GATEWAY_URL"].rstrip("/") + path, method=method)  # noqa: S310 — the address is the operator's
    request.add_header("Authorization", "Bearer " + os.environ["LITEMAAS_MASTER_KEY"])
    request.add_header("Content-Type", "application/json")
    data = json.dumps(body).encode() if body is not None else None
    with urllib.request.urlopen(request, data, timeout=TIMEOUT_S) as answer:  # noqa: S310
        return json.load(answer)


def all_keys():
    page = 1
    while True:
        reply = call("GET", f"/key/list?return_full_object=true&size={PAGE}&page={page}")
        yield from reply["keys"]
        if page >= reply["total_pages"]:
            return
        page += 1


def moment(text):
    if not text:
        return None
    read = datetime.fromisoformat(text)
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def may_go(key, now, oldest):
    expires, created = moment(key.get("expires")), moment(key.get("created_at"))
    return (expires is not None and expires <= now) or (oldest is not None and created is not None and created < oldest)


def main():
    now = datetime.now(UTC)
    days = float(os.environ.get("OLDER_THAN_DAYS") or 0)
    oldest = now - timedelta(days=days) if days > 0 else None
    is_dry = os.environ.get("DRY_RUN", "false").lower() == "true"
    # All pages are read before the first key goes: deleting moves the others to earlier pages.
    going = [key["token"] for key in all_keys() if may_go(key, now, oldest)]
    if not is_dry:
        for start in range(0, len(going), PAGE):
            call("POST", "/key/delete", {"keys": going[start : start + PAGE]})
    print(f"{'would delete' if is_dry else 'deleted'} {len(going)} keys")


if __name__ == "__main__":
    try:
        main()
    except urllib.error.HTTPError as error:
        sys.exit(f"the gateway answered {error.code} {error.reason}")
    except (OSError, ValueError, KeyError) as error:
        sys.exit(f"the keys could not be cleaned up: {type(error).__name__}: {error}")
