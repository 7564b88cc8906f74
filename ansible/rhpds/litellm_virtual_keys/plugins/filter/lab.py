"""How do a lab's settings become a list of users, and their keys become messages and data? The names here are a contract.

Source: catalogue items and content read these data keys and messages; docs/how-to/give-a-workshop-its-keys.md lists them.
"""

from __future__ import annotations

from ansible.errors import AnsibleFilterError


class FilterModule:
    def filters(self):
        return {"lab_seats": lab_seats, "lab_known_keys": lab_known_keys, "lab_credentials": lab_credentials}


def lab_seats(settings):
    """The users of a lab: one without a number, or ``<base>1`` to ``<base>N``."""
    if not settings["multi_user"]:
        return [
            {"user": "lab", "key_alias": str(settings["alias"]), "user_id": str(settings["user_id"]), "metadata": {}}
        ]
    count = int(settings["user_count"])
    if count < 1:
        raise AnsibleFilterError(f"A lab of {count} users gets no keys: set the number of users to at least 1.")
    start = settings.get("alias_start") or f"virtkey-{settings['guid']}"
    seats = []
    for number in range(1, count + 1):
        user = f"{settings['user_base']}{number}"
        seats.append(
            {
                "user": user,
                "key_alias": f"{start}-{user}",
                "user_id": f"{user}@{settings['domain']}",
                "metadata": {"user": user, "user_number": number},
            }
        )
    return seats


def lab_known_keys(seats, delivered):
    """Seats whose key the gateway does not give out again get the one that was delivered before, where there is one."""
    delivered = delivered or {}
    users = delivered.get("users") or {}
    completed = []
    for seat in seats:
        before = users.get(seat["user"], {}) if seat["user"] != "lab" else delivered
        if seat.get("key") is None and before.get("litellm_key_alias") == seat["key_alias"]:
            seat = {
                **seat,
                "key": before.get("litellm_virtual_key"),
                "key_id": seat.get("key_id") or before.get("litellm_key_id"),
            }
        completed.append(seat)
    return completed


def lab_credentials(seats, settings):
    """Returns ``data`` of everybody, ``users`` (user to data and msg), ``messages``, and ``facts``."""
    shared = _shared(settings)
    multi = settings["multi_user"]
    first = _own(seats[0])
    if multi:
        messages = _messages(settings, "LiteLLM API Endpoint", f"Created {len(seats)} virtual keys")
    else:
        messages = _messages(settings, "LiteMaaS API Base URL", _key_message(seats[0], settings))
    return {
        "facts": {name: (shared | first)[name] for name in _FACTS},
        "data": shared | (_everybody(seats, first, settings) if multi else first),
        "users": {seat["user"]: _of_user(seat, shared, settings) for seat in seats} if multi else {},
        "messages": messages,
    }


_FACTS = (
    "litellm_api_endpoint",
    "litellm_available_models",
    "litellm_key_duration",
    "litellm_virtual_key",
    "litellm_key_alias",
    "litellm_key_id",
)


def _shared(settings):
    models = list(settings["models"])
    data = {
        "litellm_api_endpoint": settings["url"],
        "litellm_api_base_url": settings["url"] + "/v1",
        "litellm_available_models": models,
        "litellm_available_models_list": ", ".join(models),
        "litellm_key_duration": settings["duration"],
    }
    if settings["docling"]:
        data["litellm_docling_endpoint"] = settings["url"] + "/docling/v1/convert/source"
        data["litellm_docling_model"] = settings["docling_model"]
    return data


def _own(seat):
    return {
        "litellm_virtual_key": seat["key"],
        "litellm_key_alias": seat["key_alias"],
        "litellm_key_id": seat["key_id"],
    }


def _everybody(seats, first, settings):
    data = {
        "litellm_user_count": len(seats),
        "litellm_key_aliases": [seat["key_alias"] for seat in seats],
        "litellm_key_ids": [seat["key_id"] for seat in seats],
        "litellm_user_ids": [seat["user_id"] for seat in seats],
        **first,
    }
    for seat in seats:
        own = {"key_alias": seat["key_alias"], "key_id": seat["key_id"], "user_email": seat["user_id"]}
        data.update({f"litellm_{seat['user']}_{name}": value for name, value in own.items()})
    if not settings["publish_all_keys"]:
        del data["litellm_virtual_key"]
        return data
    data["litellm_virtual_keys"] = [seat["key"] for seat in seats]
    data.update({f"litellm_{seat['user']}_virtual_key": seat["key"] for seat in seats})
    return data


def _of_user(seat, shared, settings):
    data = {**shared, **_own(seat), "litellm_user_email": seat["user_id"]}
    return {"data": data, "msg": _messages(settings, "LiteMaaS API Base URL", _key_message(seat, settings))}


def _key_message(seat, settings):
    return f"LiteMaaS Virtual Key: {seat['key']}" if settings["display_key"] else None


def _messages(settings, address, second):
    messages = [f"{address}: {settings['url']}/v1", second, f"Available Models: {', '.join(settings['models'])}"]
    messages.append(f"Key Duration: {settings['duration']}")
    if settings["docling"]:
        messages.append(f"Document Conversion: POST {settings['url']}/docling/v1/convert/source")
        messages.append(f"Docling Model: {settings['docling_model']}")
    return [text for text in (*messages, *settings["custom"]) if text]
