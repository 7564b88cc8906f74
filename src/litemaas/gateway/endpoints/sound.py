"""How long can a sound be, and how long is it? From the beginning of its file, before and after a model server has heard it.

Only what cannot be told otherwise is read of a file: a WAV that is plain PCM has its length in its bytes, and FLAC says how
many samples there are. Every other format is bounded by the least that speech codecs need. A file that is denser than that,
such as hours of silence, can last longer than its bound; what it costs is what the model server heard.
"""

from __future__ import annotations

from typing import Final

LEAST_BYTES_PER_SECOND: Final = 750
"""Opus at 6 kbit/s, the lowest rate that it has (RFC 6716, 2.1.1); MP3 and AAC need more."""
LIKELY_BYTES_PER_SECOND: Final = 4_000
"""32 kbit/s, a usual rate of speech; for estimates that are marked as such."""
HEAD_BYTES: Final = 4096
"""How much of a file's beginning is looked at."""
_PCM: Final = 1
_EXTENSIBLE: Final = 0xFFFE
_MOST_RATE: Final = 768_000


def sound_bound_ms(head: bytes, size: int) -> int:
    """The longest that a file can last, in whole seconds: model servers round up. Units: bytes in, milliseconds out."""
    known = sound_ms(head, size)
    return -(-known // 1000) * 1000 if known is not None else -(-size * 1000 // LEAST_BYTES_PER_SECOND)


def sound_estimate_ms(head: bytes, size: int) -> int:
    """How long a file likely lasts. Units: bytes in, milliseconds out."""
    known = sound_ms(head, size)
    return known if known is not None else size * 1000 // LIKELY_BYTES_PER_SECOND


def sound_ms(head: bytes, size: int) -> int | None:
    """How long a file lasts, rounded up; None where its beginning does not tell. Units: bytes in, milliseconds out."""
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        return _wav_ms(head, size)
    if head[:4] == b"fLaC":
        return _flac_ms(head)
    return None


def _wav_ms(head: bytes, size: int) -> int | None:
    """Source: Multimedia Programming Interface and Data Specifications 1.0 (IBM, Microsoft 1991), chapter 3."""
    at = 12
    while at + 8 <= len(head):
        length = int.from_bytes(head[at + 4 : at + 8], "little")
        if head[at : at + 4] == b"fmt ":
            kind = int.from_bytes(head[at + 8 : at + 10], "little")
            channels = int.from_bytes(head[at + 10 : at + 12], "little")
            rate = int.from_bytes(head[at + 12 : at + 16], "little")
            frame = int.from_bytes(head[at + 20 : at + 22], "little")
            bits = int.from_bytes(head[at + 22 : at + 24], "little")
            if kind == _EXTENSIBLE and length >= 40:  # the real kind stands where its GUID begins
                kind = int.from_bytes(head[at + 32 : at + 34], "little")
            if kind != _PCM or not frame or frame * 8 != channels * bits or not 0 < rate <= _MOST_RATE:
                return None  # what contradicts itself, decoders may read otherwise than we do
            return -(-size * 1000 // (frame * rate))
        at += 8 + length + length % 2
    return None


def _flac_ms(head: bytes) -> int | None:
    """Source: RFC 9639, 8.2: the first metadata block is STREAMINFO. A stream may not say how many samples it has: 0."""
    if len(head) < 26 or head[4] & 0x7F:
        return None
    packed = int.from_bytes(head[18:26], "big")
    rate, samples = packed >> 44, packed & 0xFFFFFFFFF
    if not rate or not samples:
        return None
    return -(-samples * 1000 // rate)
