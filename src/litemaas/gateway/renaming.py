"""How does an answer carry the model name that its client asked for? The engine's own is replaced where it stands."""

from __future__ import annotations

from litemaas.gateway.bodies import encode, read_members, render


class EngineName:
    """A model's name as its engine writes it, a JSON text.

    ``_at``: where it stood in the last answer; engines repeat themselves. ``_public``: the name that it last got, also as JSON.
    """

    __slots__ = ("_at", "_public", "_public_json", "_written")

    def __init__(self, engine_model: bytes) -> None:
        self._written = b'"model":' + engine_model
        self._at = 0
        self._public = ""
        self._public_json = b'""'

    def replaced(self, body: bytes, name: str) -> bytes:
        """The same JSON object under another name.

        A quote inside a JSON string is always escaped, so what is found can only be a member; with no brace before it but
        the first, it is the answer's own. Whatever is written otherwise goes to the parser. Errors: MalformedBody.
        """
        if name != self._public:
            self._public = name
            self._public_json = encode(name)
        written = self._written
        at = self._at
        stop = at + len(written)
        if body[at:stop] != written:
            at = self._at = max(0, body.find(written))
            stop = at + len(written)
        if at > 0 and not body[1:at].partition(b"{")[1]:
            return b'%b"model":%b%b' % (body[:at], self._public_json, body[stop:])
        members = read_members(body)
        if "model" not in members:
            return body
        members["model"] = self._public_json
        return render(members)
