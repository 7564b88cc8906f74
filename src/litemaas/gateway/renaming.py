"""How does an answer carry the model name that its client asked for? The engine's own is replaced where it stands."""

from __future__ import annotations

from litemaas.gateway.bodies import read_members, render


class EngineName:
    """A model's name as its engine writes it. ``_at``: where it stood in the last answer; engines repeat themselves.

    Names are JSON texts, with their quotes.
    """

    __slots__ = ("_at", "_written")

    def __init__(self, engine_model: bytes) -> None:
        self._written = b'"model":' + engine_model
        self._at = 0

    def replaced(self, body: bytes, name: bytes) -> bytes:
        """The same JSON object under another name.

        A quote inside a JSON string is always escaped, so what is found can only be a member; with no brace before it but
        the first, it is the answer's own. Whatever is written otherwise goes to the parser. Errors: MalformedBody.
        """
        written = self._written
        at = self._at
        stop = at + len(written)
        if body[at:stop] != written:
            at = self._at = max(0, body.find(written))
            stop = at + len(written)
        if at > 0 and not body[1:at].partition(b"{")[1]:
            return b"".join((body[: at + 8], name, body[stop:]))
        members = read_members(body)
        if "model" not in members:
            return body
        members["model"] = name
        return render(members)
