"""Does every error have its place on the gateway's wire, in both profiles? (The control plane's tables have their own test.)"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from litemaas.core import errors
from litemaas.core.errors import LiteMaaSError
from litemaas.gateway.errors import PROFILES


def _leaves(kind: type[LiteMaaSError]) -> Iterator[type[LiteMaaSError]]:
    below = [child for child in kind.__subclasses__() if child.__module__ == errors.__name__]
    if not below:
        yield kind
    for child in below:
        yield from _leaves(child)


@pytest.mark.parametrize("profile", PROFILES)
def test_every_leaf_is_mapped_and_nothing_else(profile: str):
    assert set(PROFILES[profile]) == set(_leaves(LiteMaaSError))


def test_every_leaf_has_a_code_of_its_own():
    codes = [leaf.code for leaf in _leaves(LiteMaaSError)]
    assert len(codes) == len(set(codes))


def test_the_tree_in_the_docstring_names_every_leaf():
    drawn = errors.__doc__ or ""
    assert [leaf.__name__ for leaf in _leaves(LiteMaaSError) if leaf.__name__ not in drawn] == []
