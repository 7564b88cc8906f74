"""What is in the image? A software bill of materials (CycloneDX 1.6) of the Python distributions and the system's packages."""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import uuid
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import quote

Component = dict[str, Any]


def distributions() -> list[Component]:
    found = {}
    for distribution in metadata.distributions():
        name, version = distribution.metadata["Name"], distribution.version
        found[name.lower()] = _component(
            name, version, f"pkg:pypi/{name.lower()}@{version}",
            distribution.metadata.get("License-Expression") or distribution.metadata.get("License"),
        )  # fmt: skip
    return [found[name] for name in sorted(found)]


def packages(listing: str) -> list[Component]:
    """``listing``: name, version, architecture and licence, separated by tabs, a package a line."""
    rows = sorted(line.split("\t") for line in listing.splitlines() if line.count("\t") == 3)
    return [
        _component(name, version, f"pkg:rpm/redhat/{name}@{quote(version)}?arch={arch}", licence)
        for name, version, arch, licence in rows
    ]


def _component(name: str, version: str, purl: str, licence: str | None) -> Component:
    one_line = " ".join((licence or "").split())
    return {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": version,
        "purl": purl,
        **({"licenses": [{"license": {"name": one_line[:200]}}]} if one_line else {}),
    }


def bill(name: str, version: str, components: list[Component]) -> dict[str, Any]:
    """The same contents make the same bill: its serial number is derived from them and there is no time in it."""
    digest = hashlib.sha256(json.dumps(components, sort_keys=True).encode()).digest()
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.UUID(bytes=digest[:16], version=5)}",
        "version": 1,
        "metadata": {"component": {"type": "application", "bom-ref": name, "name": name, "version": version}},
        "components": components,
    }


def main() -> None:
    arguments = argparse.ArgumentParser(description="Writes a CycloneDX bill of materials to the standard output.")
    arguments.add_argument("--name", required=True)
    arguments.add_argument("--version", required=True)
    arguments.add_argument("--packages", type=Path, help="a listing of the system's packages")
    asked = arguments.parse_args()
    found = distributions() + (packages(asked.packages.read_text()) if asked.packages else [])
    json.dump(bill(asked.name, asked.version, found), sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
