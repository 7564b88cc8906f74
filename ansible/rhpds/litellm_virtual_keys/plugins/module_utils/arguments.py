"""Which arguments do all modules share, and how do they begin and fail alike?"""

from __future__ import annotations

from ansible_collections.rhpds.litellm_virtual_keys.plugins.module_utils.gateway_client import GatewayClient

CONNECTION = {
    "url": {"type": "str", "required": True},
    "credential": {"type": "str", "required": True, "no_log": True, "aliases": ["master_key", "provisioning_key"]},
    "timeout": {"type": "int", "default": 30},
    "retries": {"type": "int", "default": 3},
    "retry_delay": {"type": "float", "default": 5.0},
    "validate_certs": {"type": "bool", "default": True},
    "ca_path": {"type": "path"},
}
_HOW = {
    "timeout": "timeout_s",
    "retries": "retries",
    "retry_delay": "retry_delay_s",
    "validate_certs": "validate_certs",
    "ca_path": "ca_path",
}
LIMITS = {
    "max_budget": {"type": "float"},
    "budget_duration": {"type": "str"},
    "tpm_limit": {"type": "int"},
    "rpm_limit": {"type": "int"},
    "max_parallel_requests": {"type": "int"},
}


def client_of(module):
    """Fails the module for a credential that is empty. Errors: GatewayError for an address that is none."""
    asked = module.params
    if not asked["credential"].strip():
        module.fail_json(msg="credential is empty: give the master key or a provisioning key.")
    how = {ours: asked[name] for name, ours in _HOW.items()}
    return GatewayClient(asked["url"], asked["credential"].strip(), **how)


def given(params, names):
    """Those that are not null: null is not sent."""
    return {name: params[name] for name in names if params[name] is not None}


def check_no_log(module):
    """Keys are returned only to tasks that do not print them."""
    if module.params["return_keys"] and not module.no_log:
        module.fail_json(
            msg="return_keys puts keys into the result: say `no_log: true` on the task, so that nobody reads them in a log."
        )


def without_keys(seats):
    return [{name: value for name, value in seat.items() if name != "key"} for seat in seats]
