"""How does a process read its settings? From the environment, once, into a typed struct that is handed down.

``LITEMAAS_GATEWAY__UPSTREAM__CONNECT_TIMEOUT_S=5`` sets ``settings.gateway.upstream.connect_timeout_s``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

PREFIX = "LITEMAAS_"
T = TypeVar("T", bound=msgspec.Struct)


class SettingsError(Exception):
    """A setting cannot be read; the message names its variable and never its value."""


def load_settings(kind: type[T], environ: Mapping[str, str]) -> T:
    """Reads the settings of ``kind``; variables that it does not know belong to other processes and are passed over.

    Errors: SettingsError naming the variable.
    """
    tree: dict[str, Any] = {}
    for name, value in environ.items():
        if not name.startswith(PREFIX) or value == "":
            continue
        *parents, leaf = name.removeprefix(PREFIX).lower().split("__")
        branch = tree
        for parent in parents:
            branch = branch.setdefault(parent, {})
            if not isinstance(branch, dict):
                raise SettingsError(f"{name}: its parent is set as a plain value, too")
        branch[leaf] = value
    try:
        return msgspec.convert(tree, kind, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsError(_in_variables(error)) from None


def _in_variables(error: msgspec.ValidationError) -> str:
    reason, _, path = str(error).partition(" - at `$.")
    if not path:
        # A missing member carries no path of its own: the name stands in the reason.
        field = reason.partition("`")[2].rstrip("`")
        return f"{PREFIX}{field.upper()} must be set" if "missing" in reason else reason
    variable = path.rstrip("`").replace(".", "__").upper()
    return f"{PREFIX}{variable}: {reason[0].lower()}{reason[1:]}"


def pairs_of(value: str, name: str) -> dict[str, str]:
    """Headers from ``name=value,name=value``. Errors: SettingsError, without a value."""
    found = {}
    for pair in value.split(","):
        key, is_pair, text = pair.partition("=")
        if not pair.strip():
            continue
        if not is_pair or not key.strip().replace("-", "").isalnum() or not text.isascii() or not text.isprintable():
            raise SettingsError(f"{name}: must be name=value, with commas between them")
        found[key.strip().lower()] = text.strip()
    return found
