"""How does the built portal come into a wheel? As ``litemaas/portal``, when ``make portal`` has made it before.

The source distribution carries the bundle as well, so that a wheel made from it has a portal without node.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PLACES = {"wheel": "litemaas/portal", "sdist": "portal/dist"}


class PortalHook(BuildHookInterface[Any]):
    """Adds portal/dist to what is built; an editable installation finds it in the checkout."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        bundle = Path(self.root) / "portal/dist"
        if version == "editable" or self.target_name not in PLACES:
            return
        if (bundle / "index.html").is_file():
            build_data["force_include"][str(bundle)] = PLACES[self.target_name]
        else:
            self.app.display_warning("portal/dist is not built: the package has no portal (make portal)")
