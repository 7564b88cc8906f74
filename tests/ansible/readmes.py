"""Which playbook does a README show?"""

from __future__ import annotations

from pathlib import Path


def block(role: Path) -> str:
    """The first playbook of a role's README."""
    text = (role / "README.md").read_text(encoding="utf-8")
    return text.partition("```yaml\n")[2].partition("\n```")[0]
