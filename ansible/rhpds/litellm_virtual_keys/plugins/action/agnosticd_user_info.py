"""How do messages and data reach the person who ordered a lab? As lines of the log, and as files that AgnosticD reads.

Files are written with mode 0600 and replaced as a whole; hosts that report at the same time wait for one another.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import tempfile

import yaml
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    TRANSFERS_FILES = False
    _VALID_ARGS = frozenset(("msg", "body", "data", "user", "users"))

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        variables = task_vars or {}
        messages, body, data, user, users = self._asked()
        result["changed"] = False
        if not user:
            shown = [f"user.info: {text}" for text in messages] + ([f"user.body: {body}"] if body is not None else [])
            if shown:
                result["msg"] = shown[0] if len(shown) == 1 else shown
                result["_ansible_verbose_always"] = True
        if self._task.check_mode:
            return result
        directory = self._directory(variables)
        action = self._from(variables, "ACTION") or "provision"
        with _held(directory):
            if users:
                _merge(directory, action, lambda known: _tell_each(known, users))
            if user:
                _merge(directory, action, lambda known: _tell(known, user, messages, body, data))
            else:
                _add_lines(os.path.join(directory, f"{action}-user-info.yaml"), messages)
                _add_lines(os.path.join(directory, f"{action}-user-body.yaml"), [] if body is None else [body])
                if data:
                    _merge(directory, action, lambda known: known.update(data))
        return result

    def _from(self, variables, name):
        if variables.get(name):
            return str(self._templar.template(variables[name]))
        host = (variables.get("hostvars") or {}).get("localhost")
        value = host.get(name) if host is not None else None
        return str(value) if value else None

    def _directory(self, variables):
        directory = self._from(variables, "output_dir") or variables.get("playbook_dir") or "."
        os.makedirs(directory, exist_ok=True)
        return str(directory)

    def _asked(self):
        asked = _plain(self._task.args)
        messages, body, data, user, users = (asked.get(name) for name in ("msg", "body", "data", "user", "users"))
        if unknown := sorted(set(asked) - self._VALID_ARGS):
            raise AnsibleActionFail(f"agnosticd_user_info does not know {', '.join(unknown)}.")
        if messages is not None and body is not None:
            raise AnsibleActionFail("agnosticd_user_info takes msg or body, not both.")
        if data is not None and not isinstance(data, dict):
            raise AnsibleActionFail("data of agnosticd_user_info must be a mapping.")
        if messages is None and body is None and data is None and users is None:
            raise AnsibleActionFail("agnosticd_user_info needs msg, body, data or users.")
        return _listed(messages), body, data or {}, None if user is None else str(user), users or {}


def _listed(messages):
    if messages is None:
        return []
    return [str(text) for text in messages] if isinstance(messages, list) else [str(messages)]


def _plain(value):
    """Without Ansible's own kinds of text and numbers, which YAML would write as such."""
    return json.loads(json.dumps(value, default=str))


@contextlib.contextmanager
def _held(directory):
    """One writer at a time; the lock leaves no file behind."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _add_lines(path, texts):
    """A text that stands there already is not written again."""
    known = _read(path)
    lines = known.splitlines()
    fresh = [line for line in dict.fromkeys(f"- {json.dumps(text)}" for text in texts) if line not in lines]
    if fresh:
        _write(path, known + "".join(line + "\n" for line in fresh))


def _tell_each(known, users):
    for user, own in users.items():
        _tell(known, user, _listed(own.get("msg")), own.get("body"), own.get("data") or {})


def _tell(known, user, messages, body, data):
    users = known["users"] = known.get("users") or {}
    own = users[user] = users.get(user) or {}
    own.update(data)
    for name, texts in (("msg", messages), ("body", [] if body is None else [str(body)])):
        lines = own[name].split("\n") if own.get(name) else []
        joined = lines + [text for text in texts if text not in lines]
        if joined:
            own[name] = "\n".join(joined)


def _merge(directory, action, change):
    path = os.path.join(directory, f"{action}-user-data.yaml")
    text = _read(path)
    known = yaml.safe_load(text) if text else {}
    if not isinstance(known, dict):
        raise AnsibleActionFail(f"{path} holds no mapping; move it away.")
    change(known)
    fresh = "---\n" + yaml.safe_dump(known, default_flow_style=False, allow_unicode=True, sort_keys=True)
    if fresh != text:
        _write(path, fresh)


def _read(path):
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def _write(path, text):
    handle, name = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".user-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
