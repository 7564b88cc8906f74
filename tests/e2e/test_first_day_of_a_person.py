"""Can a person do it alone? Sign in at a real provider, ask for a model, be approved, make a key, call, see the cost."""

from __future__ import annotations

import html
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urljoin

import httpx2
import openai
import pytest
from tests.deploy.ports import free_port

from .conftest import StartUp
from .running import ANSWERS_WITHIN_S, until

PEOPLE = [
    {"sub": "ann-1", "email": "ann@corp.example", "name": "Ann", "preferred_username": "ann"},
    {"sub": "root-1", "email": "root@corp.example", "name": "Root", "preferred_username": "root"},
]
RESTRICTED = "granite-3.3-8b"


@pytest.fixture
def issuer() -> Iterator[str]:
    """A provider that others wrote, with two people."""
    port = free_port()
    claims = [argument for person in PEOPLE for argument in ("--user-claims", json.dumps(person))]
    command = [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "--port", str(port), *claims]
    provider = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"

    def is_up() -> bool:
        try:
            return httpx2.get(f"{url}/.well-known/openid-configuration", trust_env=False).status_code == 200
        except httpx2.HTTPError:
            return False

    until(is_up, 30.0, "the provider answers")
    yield str(httpx2.get(f"{url}/.well-known/openid-configuration", trust_env=False).json()["issuer"])
    provider.kill()
    provider.wait()


def sign_in(portal: str, subject: str) -> httpx2.Client:
    """A browser with this person's session, ready to write."""
    browser = httpx2.Client(base_url=portal, timeout=ANSWERS_WITHIN_S, trust_env=False)
    answer = browser.get("/api/v1/auth/login", params={"provider": "oidc", "return_to": "/"})
    for _ in range(12):
        where = answer.headers.get("location")
        if where is None:
            form = re.search(r"<form[^>]*>.*?</form>", answer.text, re.DOTALL)
            assert form is not None, answer.text
            hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form[0]))
            action = re.search(r'action="([^"]*)"', form[0])
            target = urljoin(str(answer.url), html.unescape(action[1])) if action else str(answer.url)
            answer = browser.post(target, data=hidden | {"sub": subject})
            continue
        target = urljoin(str(answer.url), where)
        if target == f"{portal}/":
            break
        answer = browser.get(target)
    session = browser.get("/api/v1/auth/session")
    assert session.status_code == 200, session.text
    browser.headers["X-CSRF-Token"] = session.json()["csrf_token"]
    return browser


def post(browser: httpx2.Client, path: str, body: object = None) -> dict[str, object]:
    answer = browser.post(f"/api/v1{path}", json=body)
    assert answer.is_success, answer.text
    found: dict[str, object] = answer.json() if answer.content else {}
    return found


@pytest.mark.slow
def test_from_sign_in_to_the_cost_in_usage(issuer: str, start_up: StartUp, state_dir: Path):
    port = free_port()
    portal = f"http://127.0.0.1:{port}"
    environ = {
        "LITEMAAS_CONTROL__PORT": str(port), "LITEMAAS_PUBLIC_URL": portal, "LITEMAAS_OIDC_ISSUER": issuer,
        "LITEMAAS_OIDC_CLIENT_ID": "litemaas", "LITEMAAS_OIDC_CLIENT_SECRET": "secret", "LITEMAAS_INITIAL_ADMINS": "root-1",
    }  # fmt: skip
    connection = start_up(state_dir, "--demo", environ=environ).ready()
    with closing(sign_in(portal, "ann-1")) as ann, closing(sign_in(portal, "root-1")) as root:
        models = {model["name"]: model for model in ann.get("/api/v1/models").json()["data"]}
        model = models[RESTRICTED]
        post(root, f"/admin/models/{model['id']}/restrict", {"existing": "review"})
        asked = post(ann, "/subscriptions", {"model_id": model["id"], "justification": "For the quarterly report"})
        assert asked["status"] == "pending"
        key = {"name": "laptop", "models": [RESTRICTED]}
        refused = ann.post("/api/v1/keys", json=key)
        assert (refused.status_code, RESTRICTED in refused.text) == (400, True)
        post(root, "/admin/subscriptions/approve", {"subscription_ids": [asked["id"]]})
        inbox = ann.get("/api/v1/notifications").json()["data"]
        assert inbox[0]["title"] == f"Access to {RESTRICTED} approved"
        secret = str(post(ann, "/keys", key)["secret"])
        with openai.OpenAI(
            base_url=f"{connection['LITEMAAS_GATEWAY_URL']}/v1", api_key=secret, max_retries=0
        ) as client:
            said = client.chat.completions.create(
                model=RESTRICTED, messages=[{"role": "user", "content": "Hello!"}], max_tokens=20
            )
        assert said.usage is not None
        price = model["pricing"]
        cost = -(
            -(
                said.usage.prompt_tokens * price["input_per_million"]
                + said.usage.completion_tokens * price["output_per_million"]
            )
            // 1_000_000
        )

        def booked() -> int:
            return int(ann.get("/api/v1/usage/analytics").json()["cost"]["total_nano"])

        until(lambda: booked() > 0, ANSWERS_WITHIN_S, "the call is in usage")
        assert booked() == cost
        everybody = root.get("/api/v1/usage/breakdown/user", params={"scope": "all"}).json()["data"]
        assert [(row["name"], row["cost_nano"]) for row in everybody] == [("ann", cost)]
