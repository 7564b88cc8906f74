"""Why does ``litemaas up`` not come up? Each error says what the person at the terminal does next."""

from __future__ import annotations


class CannotStart(Exception):
    """The platform cannot start; the message is meant for the person who started it."""


class PartDidNotStart(CannotStart):
    """A part ended or stayed silent; the end of its log is in the message."""


class RegistrationRefused(CannotStart):
    """The control plane did not take a model or a key."""
