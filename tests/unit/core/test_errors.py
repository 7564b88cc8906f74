"""Is the tree of errors what its module says, and does each leaf have its own code?"""

from __future__ import annotations

import re
from collections.abc import Iterator

from litemaas.core import errors
from litemaas.core.errors import LiteMaaSError


def family(kind: type[LiteMaaSError] = LiteMaaSError) -> Iterator[type[LiteMaaSError]]:
    yield kind
    for child in kind.__subclasses__():
        if child.__module__ == "litemaas.core.errors":
            yield from family(child)


def test_the_drawn_tree_names_every_error_and_no_other() -> None:
    drawn = set(re.findall(r"\b[A-Z][A-Za-z]+\b", (errors.__doc__ or "").split("Each plane")[0]))
    assert {kind.__name__ for kind in family()} <= drawn
    assert {name for name in drawn if hasattr(errors, name)} == {kind.__name__ for kind in family()}


def test_every_code_is_its_own_and_stable_in_form() -> None:
    codes = [kind.__dict__.get("code") for kind in family() if kind is not LiteMaaSError]
    assert len(set(codes)) == len(codes)
    assert all(code is not None and re.fullmatch(r"[a-z]+(_[a-z]+)*", code) for code in codes)


def test_an_error_is_its_message() -> None:
    error = errors.InvalidField("n must be a whole number", "n")
    assert (str(error), error.message, error.field) == ("n must be a whole number", "n must be a whole number", "n")
