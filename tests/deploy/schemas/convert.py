"""Which fields does a custom resource have? Read off the type declarations of an npm package, as a strict JSON schema.

npm pack @kubernetes-models/argo-cd@2.7.2 && tar xzf *.tgz
python tests/deploy/schemas/convert.py package argoproj.io/v1alpha1/Application > argoproj.io.v1alpha1.Application.json
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[A-Za-z_][\w.]*|-?\d+|[{}\[\]<>:;?|()&,]')
_IMPORT = re.compile(r'import \{([^}]*)\} from "([^"]+)"')
_PLAIN = {
    "string": {"type": "string"},
    "number": {"type": "number"},
    "boolean": {"type": "boolean"},
    "null": {"type": "null"},
}


class Declarations:
    """The interfaces of one package, read when they are needed; those of other packages may be anything."""

    def __init__(self, package: Path) -> None:
        self._package = package

    def of(self, file: Path, interface: str) -> dict[str, Any]:
        text = re.sub(r"/\*.*?\*/", "", file.read_text(), flags=re.DOTALL)
        start = re.search(rf"interface {interface}(?: extends ([\w, ]+?))?\s+(?=\{{)|type {interface} =\s+", text)
        if start is None:
            raise ValueError(f"{interface} is not declared in {file}")
        places: dict[str, tuple[str, str]] = {}
        for names, where in _IMPORT.findall(text):
            for name in names.split(","):
                original, _, alias = name.strip().partition(" as ")
                places[alias or original] = (original, where)
        schema = _Reader(_TOKEN.findall(text[start.end() :]), lambda name: self._named(file, name, places)).union()
        for base in start[1].split(", ") if start[1] else ():
            schema["properties"] |= self._named(file, base, places).get("properties", {})
        return schema

    def _named(self, file: Path, name: str, places: dict[str, tuple[str, str]]) -> dict[str, Any]:
        original, where = places.get(name, (name, ""))
        if where.startswith("."):
            declared = (file.parent / where).with_suffix(".d.ts")
            return self.of(declared, f"I{declared.name.removesuffix('.d.ts')}")
        return {"type": ["integer", "string"]} if original == "IIntOrString" else {}


class _Reader:
    def __init__(self, tokens: list[str], named: Any) -> None:
        self._tokens = tokens
        self._at = 0
        self._named = named

    def _take(self) -> str:
        self._at += 1
        return self._tokens[self._at - 1]

    def _accept(self, token: str) -> bool:
        if self._tokens[self._at] == token:
            self._at += 1
            return True
        return False

    def union(self) -> dict[str, Any]:
        options = [self._one()]
        while self._accept("|") or self._accept("&"):
            options.append(self._one())
        if all("const" in option for option in options):
            return {"enum": [option["const"] for option in options]}
        return options[0] if len(options) == 1 else {"anyOf": options}

    def _one(self) -> dict[str, Any]:
        token = self._take()
        if token == "{":
            return self._members()
        if token == "Array":
            self._take()
            items = self.union()
            self._take()
            return {"type": "array", "items": items}
        if token.startswith('"'):
            return {"const": json.loads(token)}
        return dict(_PLAIN[token]) if token in _PLAIN else self._named(token)

    def _members(self) -> dict[str, Any]:
        members: dict[str, Any] = {}
        required: list[str] = []
        others: Any = False
        while not self._accept("}"):
            if self._accept("["):
                while self._take() != "]":
                    pass
                self._take()
                others = self.union()
            else:
                name = self._take().strip('"')
                if not self._accept("?"):
                    required.append(name)
                self._take()
                members[name] = self.union()
            self._accept(";")
        # `{}` stands for an object whose members are kept as they are.
        open_ended = not members and others is False
        return {
            "type": "object",
            "properties": members,
            "additionalProperties": True if open_ended else others,
            **({"required": required} if required else {}),
        }


def main() -> None:
    package, path = Path(sys.argv[1]), sys.argv[2]
    about = json.loads((package / "package.json").read_text())
    schema = Declarations(package).of(package / f"{path}.d.ts", f"I{path.rsplit('/', 1)[1]}")
    schema["properties"].pop("status", None)
    schema["properties"].pop("operation", None)
    schema["$comment"] = f"{about['name']} {about['version']} ({about['license']})"
    if path.endswith("/ApplicationSet"):  # these repeat all generators once or twice more; we have no use for them
        generator = schema["properties"]["spec"]["properties"]["generators"]["items"]["properties"]
        for name in ("matrix", "merge", "scmProvider", "pullRequest", "plugin", "clusterDecisionResource"):
            generator[name] = False
    print(json.dumps(schema, separators=(",", ":"), sort_keys=True))


if __name__ == "__main__":
    main()
