"""How do all keys of a workshop come, stay and go? By one call each; by LiteLLM's calls where the gateway knows no other."""

from __future__ import annotations

from urllib.parse import quote

from ansible_collections.rhpds.litellm_virtual_keys.plugins.module_utils.gateway_client import GatewayError

_NO_SUCH_CALL = (404, 405, 501)


def find(client, guid):
    """What the gateway has for a guid; None: nothing. Errors: GatewayError."""
    try:
        return client.get(_path(guid))
    except GatewayError as error:
        if error.status == 404:
            return None
        raise


def provide(client, body):
    """Returns the answer and warnings. Errors: GatewayError."""
    try:
        return client.post("/workshop/keys", body), []
    except GatewayError as error:
        if error.status not in _NO_SUCH_CALL:
            raise
    warning = (
        "This gateway has no call for all keys of a workshop: they are made one by one, and cannot be read again later."
    )
    return _one_by_one(client, body), [warning]


def extend(client, guid, duration):
    return client.post(_path(guid) + "/extend", {"duration": duration})


def end(client, guid, aliases):
    """Ends a workshop, and keys with these aliases that an older role made. Returns how many."""
    ended = 0
    try:
        ended = int(client.call("DELETE", _path(guid)).get("deleted", 0))
    except GatewayError as error:
        if error.status not in _NO_SUCH_CALL:
            raise
    if ended or not aliases:
        return ended
    try:
        return len(client.post("/key/delete", {"key_aliases": aliases}).get("deleted_keys") or [])
    except GatewayError as error:
        # 404: none of them is there. 401 and 403: a provisioning key, whose keys are all in its workshops.
        if error.status in (401, 403, 404):
            return 0
        raise


def _path(guid):
    return "/workshop/" + quote(guid, safe="")


def _one_by_one(client, body):
    """As far as it gets; a failure names the user, and a second run goes on from there."""
    keys = []
    shared = {name: value for name, value in body.items() if name not in ("guid", "keys", "metadata", "pot_budget")}
    for seat in body["keys"]:
        asked = {
            **shared,
            "key_alias": seat["key_alias"],
            "metadata": {**body.get("metadata", {}), **seat.get("metadata", {})},
        }
        if seat.get("user_id"):
            asked["user_id"] = seat["user_id"]
        try:
            made = _generated(client, asked)
        except GatewayError as error:
            raise GatewayError(
                f"The key of {seat['user']} was not made ({len(keys)} were before): {error}", error.status
            ) from None
        keys.append({"user": seat["user"], "user_id": seat.get("user_id"), "key_alias": seat["key_alias"], **made})
    count = {status: sum(key["status"] == status for key in keys) for status in ("created", "existing")}
    return {"guid": body["guid"], "models": body["models"], "updated": 0, **count, "keys": keys}


def _generated(client, asked):
    try:
        made = client.post("/key/generate", asked)
    except GatewayError as error:
        if error.status != 400 or "already exists" not in str(error):
            raise
        if client.attempts == 1:
            return _existing(client, asked["key_alias"])
        # An earlier try of this very call made it, and its answer was lost: nobody has that key.
        client.post("/key/delete", {"key_aliases": [asked["key_alias"]]})
        made = client.post("/key/generate", asked)
    secret = made.get("key")
    if not str(secret).startswith("sk-"):
        raise GatewayError("the answer holds no key")
    return {
        "key": secret,
        "key_id": made.get("key_id") or made.get("token"),
        "expires": made.get("expires"),
        "status": "created",
    }


def _existing(client, alias):
    """Known by its alias; its secret was shown once."""
    listed = client.get("/key/list", key_alias=alias, return_full_object="true").get("keys", [])
    found = next((row for row in listed if isinstance(row, dict) and row.get("key_alias") == alias), {})
    return {"key": None, "key_id": found.get("token"), "expires": found.get("expires"), "status": "existing"}
