"""What must change so that a model is in the catalogue and callable as an item of the list says?

One item names one model and one engine behind it, or several in ``endpoints``. What an item does not name stays as it is.
"""

from __future__ import annotations

import hashlib

from ansible_collections.rhpds.litellm_virtual_keys.plugins.module_utils.gateway_client import GatewayError
from ansible_collections.rhpds.litemaas.plugins.module_utils.platform import ADMIN, differing, nano_per_million, segment

TEXTS = ("display_name", "description", "provider", "capabilities", "context_length", "max_output_tokens", "type")
_PRICES = {"input_cost_per_token": "input_per_million", "output_cost_per_token": "output_per_million"}
_DEFAULTS = {"description": "AI model", "provider": "openshift-ai"}
"""Of a new model, as the role always had them."""
_CHECK = "ansible"
"""Where a deployment's ``info`` keeps how the key that was stored last is recognised."""


class Registration:
    """One item. ``changes``: what was different, for people to read, without secrets."""

    def __init__(self, client, item, *, check_mode):
        self._client = client
        self._item = item
        self._check_mode = check_mode
        self.changes = {}

    def register(self):
        """Returns created, updated or unchanged, and the model's id."""
        name = self._item["model_name"]
        found = self._client.get(ADMIN + "/models", name=name)["data"]
        if not found and not self._endpoints():
            raise GatewayError("There is no such model, and no engine is named to make it.", 404)
        if not found:
            return "created", self._create(name)
        model = found[0]
        self._update(model)
        for wanted in self._endpoints():
            self._bring_endpoint(model, wanted)
        self._bring_status(model)
        self._bring_guardrails(model["id"])
        return ("updated" if self.changes else "unchanged"), model["id"]

    def _create(self, name):
        self.changes["model"] = {"before": None, "after": name}
        if self._check_mode:
            return None
        wanted = self._texts()
        plain = [one for one in self._endpoints() if "api_version" not in one]
        body = {
            "name": name,
            **{field: wanted.get(field, default) for field, default in _DEFAULTS.items()},
            **wanted,
            "display_name": wanted.get("display_name") or name,
            "tags": [self._item.get("category") or "general"],
            "capabilities": self._capabilities([]),
            "pricing": self._pricing({}) or {"input_per_million": 0, "output_per_million": 0},
            "deployments": [_stored(one) for one in plain],
        }
        if self._item.get("restricted") is not None:
            body["restricted_access"] = self._item["restricted"]
        if self._item.get("availability") == "unavailable":
            body["status"] = "draft"
        if wanted.get("type") is None:
            body["type"] = _type_of(self._endpoints())
        made = self._call("POST", "/models", body)
        for one in self._endpoints():
            if "api_version" in one:
                self._add_endpoint(made, one)
            elif one.get("api_key"):
                self._mark_key(made["id"], next(d for d in made["deployments"] if _is_same(d, one)), one["api_key"])
        self._bring_guardrails(made["id"])
        return made["id"]

    def _update(self, model):
        wanted = self._texts()
        if "category" in self._item:
            tags = [tag for tag in model["tags"] if tag != self._item["category"]]
            wanted["tags"] = model["tags"] if len(tags) < len(model["tags"]) else [self._item["category"], *tags]
        if "capabilities" in self._item or "supports_streaming" in self._item:
            wanted["capabilities"] = self._capabilities(model["capabilities"])
        pricing = self._pricing(model["pricing"] or {})
        before = dict(model)
        if pricing is not None:
            wanted["pricing"], before["pricing"] = pricing, _price_of(model["pricing"] or {})
        changed = differing(before, wanted)
        if changed:
            self._note("model", {field: before.get(field) for field in changed}, changed)
            self._call("PATCH", f"/models/{model['id']}", changed)
        restricted = self._item.get("restricted")
        if restricted is not None and model["restricted_access"] != restricted:
            self._note("restricted_access", model["restricted_access"], restricted)
            self._call("POST", f"/models/{model['id']}/restrict", {"restricted_access": restricted, "existing": "keep"})

    def _bring_endpoint(self, model, wanted):
        held = next((one for one in model["deployments"] if _is_same(one, wanted)), None)
        where = wanted["api_base"] or wanted["provider"]
        if held is None:
            self._note(f"endpoint {where}", None, _shown(wanted))
            if not self._check_mode:
                self._add_endpoint(model, wanted)
            return
        changed = differing(held, _stored(wanted, without=("api_key",)))
        key = wanted.get("api_key")
        if "api_key" in wanted and not _holds(held, key):
            changed["api_key"] = key
        if not changed:
            return
        before = {field: held.get(field) for field in changed if field != "api_key"}
        self._note(f"endpoint {where}", {**before, **_hidden(changed)}, {**changed, **_hidden(changed)})
        if self._check_mode:
            return
        after = self._call("PATCH", f"/models/{model['id']}/endpoints/{segment(held['id'])}", changed)
        if changed.get("api_key"):
            self._mark_key(model["id"], after, key)

    def _add_endpoint(self, model, wanted):
        if "api_version" in wanted:
            # Only LiteLLM's call knows it.
            params = {"model": f"{wanted['provider']}/{wanted['engine_model']}", "api_base": wanted["api_base"]}
            params |= {name: wanted[name] for name in ("api_version", "api_key") if wanted.get(name)}
            params |= {
                theirs: wanted[ours]
                for ours, theirs in (("rpm_limit", "rpm"), ("tpm_limit", "tpm"))
                if wanted.get(ours)
            }
            self._client.post("/litellm/model/new", {"model_name": model["name"], "litellm_params": params})
            return
        made = self._call("POST", f"/models/{model['id']}/endpoints", _stored(wanted))
        if wanted.get("api_key"):
            self._mark_key(model["id"], made, wanted["api_key"])

    def _mark_key(self, model_id, deployment, key):
        """So that the next run sees whether the key is another one, without anybody reading it."""
        info = {
            **deployment["info"],
            _CHECK: {"mark": deployment["api_key_mark"], "check": _check_of(deployment["id"], key)},
        }
        self._call("PATCH", f"/models/{model_id}/endpoints/{segment(deployment['id'])}", {"info": info})

    def _bring_status(self, model):
        wanted = self._item.get("availability")
        if wanted == "available" and model["status"] == "retired":
            self._note("status", "retired", "available")
            self._call("POST", f"/models/{model['id']}/reinstate", {"restore": True})
        elif wanted == "available" and model["status"] == "draft":
            self._note("status", "draft", "available")
            self._call("POST", f"/models/{model['id']}/publish", {})
        elif wanted == "unavailable" and model["status"] in ("available", "deprecated"):
            # Nothing that is in use goes back to being a draft.
            self._note("status", model["status"], "retired")
            self._call("POST", f"/models/{model['id']}/retire", {})

    def _bring_guardrails(self, model_id):
        if "guardrails" not in self._item:
            return
        routing = self._client.get(f"{ADMIN}/models/{model_id}/routing")
        wanted = list(self._item["guardrails"] or [])
        if routing["guardrails"] != wanted:
            self._note("guardrails", routing["guardrails"], wanted)
            self._call("PUT", f"/models/{model_id}/routing", {**routing, "guardrails": wanted})

    def _texts(self):
        return {name: self._item[name] for name in TEXTS if name in self._item and name != "capabilities"}

    def _capabilities(self, before):
        wanted = list(self._item["capabilities"] if self._item.get("capabilities") is not None else before)
        streams = self._item.get("supports_streaming", None if before else True)
        if streams is True and "streaming" not in wanted:
            wanted.append("streaming")
        if streams is False:
            wanted = [one for one in wanted if one != "streaming"]
        return wanted if set(wanted) != set(before) else before

    def _pricing(self, before):
        said = {ours: self._item[theirs] for theirs, ours in _PRICES.items() if self._item.get(theirs) is not None}
        if not said:
            return None
        return _price_of(before) | {name: nano_per_million(usd) for name, usd in said.items()}

    def _endpoints(self):
        shared = {name: self._item[name] for name in ("rpm", "tpm", "weight") if name in self._item}
        listed = self._item.get("endpoints")
        if not listed and not self._item.get("litellm_model"):
            return []  # only guardrails of a model that is there
        return [_endpoint({**shared, **one}) for one in listed] if listed else [_endpoint(self._item)]

    def _note(self, what, before, after):
        self.changes[what] = {"before": before, "after": after}

    def _call(self, method, path, body):
        return None if self._check_mode else self._client.call(method, ADMIN + path, body)


def _endpoint(item):
    """Only what the item names."""
    provider, slash, engine = str(item["litellm_model"]).partition("/")
    named = {"provider": provider if slash else "openai", "engine_model": engine if slash else provider}
    # A server of one's own at another address than OpenAI's; both speak the same.
    named["api_base"] = str(item.get("api_base") or "").rstrip("/")
    for theirs, ours in (("rpm", "rpm_limit"), ("tpm", "tpm_limit"), ("weight", "weight")):
        if theirs in item:
            named[ours] = None if item[theirs] is None else int(item[theirs])
    if "api_key" in item:
        named["api_key"] = item["api_key"] or None
    if item.get("api_version"):
        named["api_version"] = item["api_version"]
    return named


def _stored(endpoint, without=()):
    """Without an address the provider's own is meant, which the server knows."""
    left_out = (*without, "api_version", *(() if endpoint["api_base"] else ("api_base",)))
    return {name: value for name, value in endpoint.items() if name not in left_out}


def _is_same(held, wanted):
    return (held["api_base"].rstrip("/"), held["engine_model"]) == (wanted["api_base"], wanted["engine_model"]) or (
        # Without an address the provider's own is meant.
        not wanted["api_base"]
        and (held["provider"], held["engine_model"]) == (wanted["provider"], wanted["engine_model"])
    )


def _check_of(deployment_id, key):
    return hashlib.sha256(f"{deployment_id}:{key}".encode()).hexdigest()[:16]


def _holds(held, key):
    if not key:
        return not held["has_api_key"]
    known = held["info"].get(_CHECK) or {}
    return known.get("mark") == held["api_key_mark"] and known.get("check") == _check_of(held["id"], key)


def _hidden(changed):
    return {"api_key": "…"} if "api_key" in changed else {}


def _shown(endpoint):
    return {**endpoint, **_hidden(endpoint)}


def _price_of(pricing):
    return {name: value for name, value in pricing.items() if name.endswith("_per_million")}


def _type_of(endpoints):
    return "convert" if all(one["provider"] == "docling" for one in endpoints) else "chat"


def retire(client, model, *, remove, check_mode):
    """Takes a model out of use. Returns what became of it: a used model is retired, never deleted."""
    if remove:
        try:
            if not check_mode:
                client.call("DELETE", f"{ADMIN}/models/{model['id']}")
        except GatewayError as error:
            if error.status != 409:
                raise
        else:
            return "removed"
    if model["status"] == "retired":
        return "unchanged"
    if not check_mode:
        client.post(f"{ADMIN}/models/{model['id']}/retire", {})
    return "retired"
