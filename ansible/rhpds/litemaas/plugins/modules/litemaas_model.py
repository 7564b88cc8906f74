#!/usr/bin/python
"""How does a play bring the catalogue to what a list says: models, their engines, limits, prices and texts?"""

from __future__ import annotations

DOCUMENTATION = r"""
module: litemaas_model
short_description: Registers models
version_added: 1.0.0
author: The LiteMaaS authors (@rhpds)
description:
  - Brings models to what a list says. A model is listed and can be called when the module returns.
  - An engine is known by its address and name. Another one becomes one more endpoint of the same model.
  - What an item does not name stays as it is, also what administrators changed in the portal; null takes a value away.
  - A model that was used is retired, never deleted; its subscriptions stay.
extends_documentation_fragment: rhpds.litemaas.platform
options:
  models:
    description:
      - Items with model_name and litellm_model (C(openai/<id>), C(hosted_vllm/<id>), C(docling/<id>)…), api_base, api_key,
        api_version, rpm, tpm, weight; display_name, description, provider, category, type, capabilities, context_length,
        max_output_tokens, supports_streaming, availability (available or unavailable), restricted, guardrails (names), prices
        input_cost_per_token and output_cost_per_token in USD.
      - Several engines of one model stand in C(endpoints), each with litellm_model, api_base, api_key, rpm, tpm, weight.
    type: list
    elements: dict
    required: true
  unlisted:
    description: What becomes of models that are not in the list.
    type: str
    choices: [keep, retire, remove]
    default: keep
attributes:
  check_mode: {support: full, description: "Reads, and reports what would change."}
  diff_mode: {support: full, description: "Shows what changes, never keys."}
"""

EXAMPLES = r"""
- name: One model on this cluster
  rhpds.litemaas.litemaas_model:
    url: https://litellm-admin.apps.example.com
    master_key: "{{ litellm_master_key }}"
    models:
      - model_name: granite-3-8b
        litellm_model: openai/granite-3-8b
        api_base: http://granite-3-8b-predictor.llm-hosting.svc.cluster.local/v1
        input_cost_per_token: 0.00000015
        output_cost_per_token: 0.0000006
"""

RETURN = r"""
results:
  description: One per item, with model_name, id, result (created, updated, unchanged, retired or removed) and changes.
  returned: success
  type: list
  elements: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.rhpds.litellm_virtual_keys.plugins.module_utils.arguments import client_of
from ansible_collections.rhpds.litellm_virtual_keys.plugins.module_utils.gateway_client import GatewayError
from ansible_collections.rhpds.litemaas.plugins.module_utils.models import TEXTS, Registration, retire
from ansible_collections.rhpds.litemaas.plugins.module_utils.platform import ADMIN, CONNECTION, every

_ENDPOINT = ("litellm_model", "api_base", "api_key", "api_version", "rpm", "tpm", "weight")
_ITEM = (
    "model_name",
    *_ENDPOINT,
    *TEXTS,
    "category",
    "supports_streaming",
    "availability",
    "input_cost_per_token",
    "output_cost_per_token",
    "restricted",
    "guardrails",
    "endpoints",
)
_ARGUMENTS = {
    **CONNECTION,
    "models": {"type": "list", "elements": "dict", "required": True},
    "unlisted": {"type": "str", "choices": ["keep", "retire", "remove"], "default": "keep"},
}


def main():
    module = AnsibleModule(_ARGUMENTS, supports_check_mode=True)
    items = module.params["models"]
    for one in (*items, *(endpoint for item in items for endpoint in item.get("endpoints") or [])):
        if one.get("api_key"):
            module.no_log_values.add(str(one["api_key"]))
    for item in items:
        _check(module, item)
    client = client_of(module)
    results = []
    try:
        for item in items:
            name = item["model_name"]
            registration = Registration(client, item, check_mode=module.check_mode)
            result, model_id = registration.register()
            results.append({"model_name": name, "id": model_id, "result": result, "changes": registration.changes})
        if module.params["unlisted"] != "keep":
            name = "the models that are not listed"
            results += _take_away(module, client, {item["model_name"] for item in items})
    except GatewayError as error:
        module.fail_json(msg=f"{name}: {error}", status=error.status, results=results)
    changed = [one for one in results if one["result"] != "unchanged"]
    diff = {side: {one["model_name"]: _side(one, side) for one in changed} for side in ("before", "after")}
    module.exit_json(changed=bool(changed), results=results, diff=diff)


def _check(module, item):
    """All that is wrong with an item is said before anything is changed."""
    name = item.get("model_name")
    if not name or not (item.get("litellm_model") or item.get("endpoints") or "guardrails" in item):
        module.fail_json(msg=f"Each model needs model_name and litellm_model; one has {', '.join(sorted(item))}.")
    wrong = sorted(set(item) - set(_ITEM))
    for endpoint in item.get("endpoints") or []:
        wrong += sorted(set(endpoint) - set(_ENDPOINT))
        if not endpoint.get("litellm_model"):
            module.fail_json(msg=f"{name}: each of its endpoints needs litellm_model.")
    if wrong:
        module.fail_json(msg=f"{name}: there is no {', '.join(wrong)}. An item may have {', '.join(_ITEM)}.")
    if item.get("availability", "available") not in ("available", "unavailable"):
        module.fail_json(msg=f"{name}: availability is available or unavailable, not {item['availability']!r}.")


def _take_away(module, client, listed):
    results = []
    for model in every(client, ADMIN + "/models"):
        if model["name"] not in listed:
            result = retire(client, model, remove=module.params["unlisted"] == "remove", check_mode=module.check_mode)
            changes = {} if result == "unchanged" else {"status": {"before": model["status"], "after": result}}
            results.append({"model_name": model["name"], "id": model["id"], "result": result, "changes": changes})
    return results


def _side(result, side):
    return {what: change[side] for what, change in result["changes"].items()}


if __name__ == "__main__":
    main()
