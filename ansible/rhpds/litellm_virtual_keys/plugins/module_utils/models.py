"""Which of these models does the gateway offer, and which did somebody who mistyped one mean?"""

from __future__ import annotations

import difflib

from ansible_collections.rhpds.litellm_virtual_keys.plugins.module_utils.gateway_client import GatewayError


def check_models(client, wanted):
    """Errors: GatewayError that names every unknown model with the nearest that there are."""
    answer = client.get("/v1/models")
    offered = sorted(str(model["id"]) for model in answer.get("data", []) if isinstance(model, dict) and "id" in model)
    unknown = [name for name in wanted if name not in offered]
    if not unknown:
        return
    parts = []
    for name in unknown:
        near = difflib.get_close_matches(name, offered, 3, 0.4) or offered[:5] or ["none"]
        parts.append(f"{name!r} (the nearest: {', '.join(near)})")
    raise GatewayError(f"The gateway does not offer {', '.join(parts)}. No key was made.", 400)
