"""Is the line on the screen one that a shell takes, and does it keep the master key to itself?"""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from litemaas.cli.up.demo import CHAT_MODEL
from litemaas.cli.up.screen import Screen, Summary, try_it


def _summary(demo_key: str | None, *models: str) -> Summary:
    directory = Path("/a path/with 'quotes'")
    return Summary(
        "http://127.0.0.1:4000", "http://127.0.0.1:8080", directory, directory / "connection.env", demo_key, models
    )


def test_demo_is_tried_with_its_own_key():
    words = shlex.split(try_it(_summary("sk-demo")))
    assert words[:3] == ["curl", "-sS", "http://127.0.0.1:4000/v1/chat/completions"]
    assert "Authorization: Bearer sk-demo" in words
    assert json.loads(words[-1])["model"] == CHAT_MODEL


def test_real_model_is_tried_with_the_master_key_from_its_file():
    words = shlex.split(try_it(_summary(None, "mine")))
    assert words[:3] == [".", "/a path/with 'quotes'/connection.env", "&&"]
    assert "Authorization: Bearer $LITEMAAS_MASTER_KEY" in words
    assert json.loads(words[-1])["model"] == "mine"


def test_empty_platform_is_asked_for_its_models():
    assert "http://127.0.0.1:4000/v1/models" in shlex.split(try_it(_summary(None)))


def test_the_portal_is_named_only_where_it_is_served(capsys: pytest.CaptureFixture[str]):
    for has_portal in (False, True):
        Screen(0.0).ready(replace(_summary(None), has_portal=has_portal))
        assert ("Portal" in capsys.readouterr().out) is has_portal
