"""Which variables with a role's prefix does the role not know, or ignore? A mistyped limit must not go unseen."""

from __future__ import annotations

import difflib
import os

import yaml
from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    """Warns; never fails. ``ignored`` names variables that have no effect any more."""

    TRANSFERS_FILES = False
    _VALID_ARGS = frozenset(("role_path", "ignored"))

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        role_path = str(self._task.args["role_path"])
        prefix = os.path.basename(role_path) + "_"
        with open(os.path.join(role_path, "meta", "argument_specs.yml"), encoding="utf-8") as file:
            entries = yaml.safe_load(file)["argument_specs"]
        known = sorted({name for entry in entries.values() for name in entry.get("options") or {}})
        ignored = [str(name) for name in self._task.args.get("ignored") or []]
        warnings = []
        for name in sorted(str(name) for name in task_vars or {}):
            if name.startswith(prefix) and name not in known:
                near = difflib.get_close_matches(name, known, 1, 0.8)
                warnings.append(
                    f"{name} is no variable of this role{f'; {near[0]} is' if near else ''}. It has no effect."
                )
        warnings += [f"{name} has no effect any more." for name in ignored]
        result.update(changed=False, warnings=warnings)
        return result
