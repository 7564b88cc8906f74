"""Does the official OpenAI client speak, transcribe, draw and moderate through us, and is each paid by its own unit?"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import httpx2
import openai
import pytest
from tests.contract.conftest import MakeClient, NewKey

pytestmark = pytest.mark.slow
SOUND = b"OggS" + bytes(600_000)
"""So large that it waits on disk."""
PRICES = {
    "hears": ("audio_transcription", {"input_cost_per_second": 0.0001}),
    "speaks": ("audio_speech", {"input_cost_per_character": 0.000015}),
    "draws": ("image_generation", {"output_cost_per_image": 0.04}),
    "judges": ("moderation", {"input_cost_per_query": 0.00001}),
}


class Engine(BaseHTTPRequestHandler):
    """Answers as OpenAI's API does (API reference, audio, images and moderations, 2026-11)."""

    protocol_version = "HTTP/1.1"
    bodies: ClassVar[dict[str, bytes]] = {}

    def do_POST(self) -> None:
        self.bodies[self.path] = self.rfile.read(int(self.headers["content-length"]))
        kind, body = {
            "/v1/audio/transcriptions": ("application/json", b'{"text":"Hello","usage":{"type":"duration","seconds":7}}'),
            "/v1/audio/speech": ("audio/mpeg", b"ID3\0\xff"),
            "/v1/images/generations": ("application/json", b'{"created":1,"data":[{"b64_json":"aW1n"},{"b64_json":"aW1n"}]}'),
            "/v1/moderations": (
                "application/json",
                b'{"id":"m1","model":"judge","results":[{"flagged":false,"categories":{},"category_scores":{}}]}',
            ),
        }[self.path]  # fmt: skip
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture(scope="module")
def media(administrator: httpx2.Client) -> Iterator[None]:
    """The models of ``PRICES``, served by one engine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Engine)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    made = []
    for name, (mode, price) in PRICES.items():
        params = {"model": f"openai/{name}-engine", "api_base": f"http://127.0.0.1:{server.server_port}/v1", **price}
        body = {"model_name": name, "litellm_params": params, "model_info": {"mode": mode}}
        answer = administrator.post("/model/new", json=body)
        assert answer.status_code == 200, answer.text
        made.append(answer.json()["model_id"])
    yield
    for model_id in made:
        administrator.post("/model/delete", json={"id": model_id})
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_sound_is_transcribed_and_paid_by_the_second(media: None, client_for: MakeClient, new_key: NewKey) -> None:
    audio = client_for(new_key()).audio.transcriptions.with_raw_response
    raw = audio.create(model="hears", file=("a.ogg", SOUND, "audio/ogg"), language="en")
    assert raw.parse().text == "Hello"
    assert float(raw.headers["x-litellm-response-cost"]) == pytest.approx(0.0007)
    sent = Engine.bodies["/v1/audio/transcriptions"]
    assert SOUND in sent
    assert b"hears-engine" in sent
    assert b'name="language"\r\n\r\nen' in sent


def test_a_text_is_spoken_and_paid_by_the_character(media: None, client_for: MakeClient, new_key: NewKey) -> None:
    key = new_key(max_budget=0.0001)  # six characters
    speech = client_for(key).audio.speech
    assert speech.create(model="speaks", voice="alloy", input="Hello!").content == b"ID3\0\xff"
    assert json.loads(Engine.bodies["/v1/audio/speech"])["model"] == "speaks-engine"
    with pytest.raises(openai.BadRequestError, match="Budget has been exceeded"):
        speech.create(model="speaks", voice="alloy", input="Hello!")


def test_images_are_made_and_paid_by_the_image(media: None, client_for: MakeClient, new_key: NewKey) -> None:
    raw = client_for(new_key()).images.with_raw_response.generate(model="draws", prompt="a boat", n=2)
    made = raw.parse()
    assert made.data is not None
    assert [image.b64_json for image in made.data] == ["aW1n", "aW1n"]
    assert float(raw.headers["x-litellm-response-cost"]) == pytest.approx(0.08)


def test_a_text_is_moderated_and_paid_by_the_request(media: None, client_for: MakeClient, new_key: NewKey) -> None:
    raw = client_for(new_key()).moderations.with_raw_response.create(model="judges", input="Hello")
    assert raw.parse().results[0].flagged is False
    assert float(raw.headers["x-litellm-response-cost"]) == pytest.approx(0.00001)
