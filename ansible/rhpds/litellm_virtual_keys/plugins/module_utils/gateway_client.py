"""How do the modules speak to the gateway and the control plane? By one small client of the standard library.

Patient with what passes, quick with what does not.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import ssl
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

PASSING = frozenset((408, 425, 429, 500, 502, 503, 504))
"""Worth another try; a 501 will not change."""
LONGEST_WAIT_S = 60.0
MOST_BYTES = 64 * 1024 * 1024
_SECRET = re.compile(r"(sk-|eyJ)[A-Za-z0-9_.-]{8,}")


class GatewayError(Exception):
    """``status`` None: no answer came."""

    def __init__(self, message, status=None, attempts=1):
        super().__init__(mask(message))
        self.status = status
        self.attempts = attempts


def mask(text):
    """A text without anything that looks like a key."""
    return _SECRET.sub(lambda found: found.group(1) + "…", str(text))


def plain_url(url):
    """The address without user names, queries and the slash at its end. Errors: GatewayError for what is no address."""
    parts = urllib.parse.urlsplit(str(url).strip())
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise GatewayError(f"{mask(url)!r} is no address of a gateway; it must begin with http:// or https://.")
    return urllib.parse.urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path.rstrip("/"), "", ""))


class _Straight(urllib.request.HTTPRedirectHandler):
    """A key never follows a redirection to somebody else; the caller is told where it would have gone."""

    def redirect_request(self, *_):
        return None


class GatewayClient:
    """``timeout_s`` holds for each try; ``retries`` come after the first one, ``retry_delay_s`` doubles each time."""

    def __init__(
        self,
        url,
        credential,
        timeout_s=30,
        retries=3,
        retry_delay_s=5.0,
        validate_certs=True,
        ca_path=None,
        sleep=time.sleep,
    ):
        self.url = plain_url(url)
        self._credential = credential
        self._timeout_s = timeout_s
        self._retries = retries
        self._retry_delay_s = retry_delay_s
        self._sleep = sleep
        context = ssl.create_default_context(cafile=ca_path)
        if not validate_certs:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        self._opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context), _Straight())
        self.attempts = 0
        """How often the last call was tried."""

    def get(self, path, **query):
        return self.call("GET", path, None, query)

    def post(self, path, body):
        return self.call("POST", path, body)

    def download(self, path, to):
        """Writes the answer to a file that only its owner reads; it is there wholly or not at all.

        Errors: GatewayError, OSError.
        """
        headers = {"Authorization": f"Bearer {self._credential}", "User-Agent": "rhpds.litellm_virtual_keys"}
        request = urllib.request.Request(self.url + path, headers=headers)  # noqa: S310
        handle, part = tempfile.mkstemp(dir=os.path.dirname(to), prefix=os.path.basename(to))
        try:
            with os.fdopen(handle, "wb") as file, self._opener.open(request, timeout=self._timeout_s) as answer:
                shutil.copyfileobj(answer, file)
                if answer.length:  # what is still missing of what was promised
                    raise GatewayError(f"GET {self.url}{path} broke off.")
            os.replace(part, to)
        except urllib.error.HTTPError as error:
            with error:
                self.attempts = 1
                raise GatewayError(self._said("GET", path, error.code, _read(error, quiet=True)), error.code) from None
        except (urllib.error.URLError, http.client.HTTPException) as error:
            raise GatewayError(f"GET {self.url}{path} broke off: {error}.") from None
        finally:
            if os.path.exists(part):
                os.remove(part)

    def call(self, method, path, body=None, query=None):
        """The decoded answer. Errors: GatewayError for every status that is not 2xx, and when no answer comes."""
        address = self.url + path + ("?" + urllib.parse.urlencode(query) if query else "")
        payload = None if body is None else json.dumps(body).encode("utf-8")
        for tried in range(1, self._retries + 2):
            self.attempts = tried
            status, text, retry_after = self._once(method, address, payload)
            if status is not None and 200 <= status < 300:
                return _decoded(text, method, path)
            if (status is not None and status not in PASSING) or tried > self._retries:
                break
            self._sleep(_wait_s(self._retry_delay_s, tried, retry_after))
        raise GatewayError(self._said(method, path, status, text), status, self.attempts)

    def _once(self, method, address, payload):
        """Returns the status (None: no answer), the text, and what Retry-After says."""
        headers = {
            "Authorization": f"Bearer {self._credential}",
            "Accept": "application/json",
            "User-Agent": "rhpds.litellm_virtual_keys",
        }
        if payload is not None:
            headers["Content-Type"] = "application/json"
        request = urllib.request.Request(address, data=payload, headers=headers, method=method)  # noqa: S310
        try:
            with self._opener.open(request, timeout=self._timeout_s) as answer:
                return answer.status, _read(answer), None
        except urllib.error.HTTPError as error:
            with error:
                return error.code, _read(error, quiet=True), error.headers.get("Retry-After")
        except (OSError, http.client.HTTPException) as error:
            return None, str(getattr(error, "reason", None) or error) or type(error).__name__, None

    def _said(self, method, path, status, text):
        tries = "" if self.attempts == 1 else f", also after {self.attempts} tries"
        if status is None:
            return f"{method} {self.url}{path} was not answered{tries}: {text}. Check the address and that the gateway is up."
        advice = {
            401: " The credential was refused: check it.",
            404: " Check that this is the address of a LiteMaaS gateway.",
        }.get(status, "")
        if 300 <= status < 400:
            advice = " The gateway does not redirect: check the address, http or https above all."
        return f"{method} {self.url}{path} answered {status}{tries}: {words_of(text)}{advice}"


def words_of(text):
    """The server's message, from ``detail``, ``error`` or ``message``."""
    try:
        body = json.loads(text)
    except ValueError:
        return " ".join(text.split())[:300] or "(no words)"
    found = body
    if isinstance(body, dict):
        found = body.get("error") or body.get("detail") or body.get("title") or body.get("message") or body
    if isinstance(found, dict):
        found = found.get("message") or found.get("error") or found
    return (found if isinstance(found, str) else json.dumps(found))[:1000]


def _wait_s(delay_s, tried, retry_after):
    wait_s = delay_s * 2 ** (tried - 1)
    if retry_after and retry_after.strip().isdigit():
        wait_s = float(retry_after)
    return min(wait_s, LONGEST_WAIT_S)


def _read(answer, quiet=False):
    try:
        return answer.read(MOST_BYTES).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException):
        if quiet:
            return ""
        raise


def _decoded(text, method, path):
    if not text.strip():
        return {}
    try:
        return json.loads(text)
    except ValueError:
        raise GatewayError(
            f"{method} {path} answered something that is not JSON. Is this the gateway's address?"
        ) from None
