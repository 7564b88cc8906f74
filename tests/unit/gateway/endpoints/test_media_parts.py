"""Is every picture and sound in a client's messages held for, however its name is spelled?"""

from __future__ import annotations

import json

import pytest

from litemaas.core.errors import InvalidField
from litemaas.gateway.endpoints.media_parts import media_parts_of

PICTURE = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
SOUND = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}


def messages(*parts: object) -> bytes:
    return json.dumps([{"role": "user", "content": list(parts)}]).encode()


def test_texts_hold_none() -> None:
    assert media_parts_of(b'[{"role":"user","content":"snake_case and image_url are only words"}]') == 0
    assert media_parts_of(messages({"type": "text", "text": "line\nline \u0007 \u00e9 _"})) == 0


def test_a_type_is_no_part_of_its_own_but_held_for_too() -> None:
    assert media_parts_of(messages(PICTURE, SOUND)) >= 2
    assert media_parts_of(messages({"image_url": "data:,"})) == 1


@pytest.mark.parametrize("spelled", ["image\\u005furl", "\\u0069mage_url", "image_ur\\u006c", "image_ur\\u006C"])
def test_a_name_spelled_with_escapes_is_seen(spelled: str) -> None:
    assert media_parts_of(messages(PICTURE).replace(b"image_url", spelled.encode())) >= 1


def test_what_no_engine_could_read_is_refused() -> None:
    with pytest.raises(InvalidField):
        media_parts_of(b"[" * 100_000 + b'"\\u005f"' + b"]" * 100_000)
