"""What does only this plane refuse? Each refusal names its status and its public code; see ``core.errors`` for the shared ones.

ControlRefusal
├── NotSignedIn · SessionExpired                                          401
├── PermissionDenied · AccountDisabled · ReauthenticationRequired         403
├── WrongCode                                                             403
├── InvalidRequestMembers · LimitAboveMaximum                             400, each with its violations
├── InvalidDateRange · DateRangeTooLarge                                  400
├── InvalidTransition · Conflict · NoSeat                                 409
├── PreconditionFailed                                                    412
├── TooManyRequests                                                       429
└── PartnerFailed                                                         502, a server that we asked did not do its part
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import msgspec

from litemaas.core.errors import LiteMaaSError


class Mend(msgspec.Struct, frozen=True):
    """One member that must be mended."""

    field: str
    message: str
    code: str


class ControlRefusal(LiteMaaSError):
    status: ClassVar[int]
    public_code: ClassVar[str]


class NotSignedIn(ControlRefusal):
    status, public_code = 401, "UNAUTHENTICATED"


class SessionExpired(ControlRefusal):
    status, public_code = 401, "SESSION_EXPIRED"


class PermissionDenied(ControlRefusal):
    status, public_code = 403, "FORBIDDEN"


class AccountDisabled(ControlRefusal):
    status, public_code = 403, "ACCOUNT_DISABLED"


class ReauthenticationRequired(ControlRefusal):
    status, public_code = 403, "REAUTHENTICATION_REQUIRED"


class WrongCode(ControlRefusal):
    """No seat has this code, or it was used."""

    status, public_code = 403, "WRONG_CODE"


class NoSeat(ControlRefusal):
    """Seats of this workshop cannot be claimed now."""

    status, public_code = 409, "NO_SEAT"


class InvalidRequestMembers(ControlRefusal):
    """Everything that is wrong with a request, at once."""

    status, public_code = 400, "VALIDATION_ERROR"

    def __init__(self, mends: Sequence[Mend], message: str | None = None) -> None:
        one = mends[0].message if len(mends) == 1 else f"{len(mends)} members of the request must be mended."
        super().__init__(message or one)
        self.mends = tuple(mends)


class LimitAboveMaximum(InvalidRequestMembers):
    public_code = "LIMIT_ABOVE_MAXIMUM"


class InvalidDateRange(ControlRefusal):
    status, public_code = 400, "INVALID_DATE_RANGE"


class DateRangeTooLarge(ControlRefusal):
    status, public_code = 400, "DATE_RANGE_TOO_LARGE"


class InvalidTransition(ControlRefusal):
    status, public_code = 409, "INVALID_TRANSITION"


class Conflict(ControlRefusal):
    status, public_code = 409, "CONFLICT"


class PreconditionFailed(ControlRefusal):
    status, public_code = 412, "PRECONDITION_FAILED"


class TooManyRequests(ControlRefusal):
    """Units: ``retry_after_s`` in seconds, at least 1."""

    status, public_code = 429, "RATE_LIMITED"

    def __init__(self, message: str, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class PartnerFailed(ControlRefusal):
    status, public_code = 502, "UPSTREAM_ERROR"
