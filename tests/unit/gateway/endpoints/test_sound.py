"""How long is a sound, as far as its file tells?"""

from __future__ import annotations

import io
import struct
import wave

import pytest
from hypothesis import given
from hypothesis import strategies as st

from litemaas.gateway.endpoints.sound import (
    HEAD_BYTES,
    LEAST_BYTES_PER_SECOND,
    LIKELY_BYTES_PER_SECOND,
    sound_bound_ms,
    sound_estimate_ms,
    sound_ms,
)


def wav(seconds: float, rate: int = 16_000, channels: int = 1) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(channels)
        writer.setsampwidth(2)
        writer.setframerate(rate)
        writer.writeframes(bytes(int(seconds * rate) * 2 * channels))
    return file.getvalue()


def flac(rate: int, samples: int) -> bytes:
    packed = (rate << 44) | (1 << 41) | (15 << 36) | samples
    return b"fLaC" + b"\x80\0\0\x22" + bytes(10) + packed.to_bytes(8, "big") + bytes(16)


@pytest.mark.parametrize(("seconds", "rate", "channels"), [(3, 16_000, 1), (0.5, 44_100, 2), (60, 8_000, 1)])
def test_a_plain_wav_has_its_length_in_its_bytes(seconds: float, rate: int, channels: int) -> None:
    file = wav(seconds, rate, channels)
    found = sound_ms(file[:HEAD_BYTES], len(file))
    assert found is not None
    assert seconds * 1000 <= found <= seconds * 1000 + 44 / (2 * channels * rate) * 1000 + 1


def test_a_wav_of_the_extensible_kind_is_read_by_its_subformat() -> None:
    guid = struct.pack("<H", 1) + b"\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71"
    fmt = struct.pack("<HHIIHHHHI", 0xFFFE, 1, 16_000, 32_000, 2, 16, 22, 16, 4) + guid
    head = b"RIFF\xff\xff\xff\xffWAVEfmt " + struct.pack("<I", len(fmt)) + fmt + b"data\xff\xff\xff\xff"
    assert sound_ms(head, 32_000) == 1000


def test_a_wav_that_contradicts_itself_tells_nothing() -> None:
    fmt = struct.pack("<HHIIHH", 1, 1, 16_000, 32_000, 200, 16)  # frames of 200 bytes for one channel of 16 bits
    head = b"RIFF\0\0\0\0WAVEfmt " + struct.pack("<I", len(fmt)) + fmt + b"data\0\0\0\0"
    assert sound_ms(head, 1_000_000) is None
    assert sound_bound_ms(head, 1_500_000) == 1_500_000 // LEAST_BYTES_PER_SECOND * 1000


def test_flac_says_how_many_samples_there_are() -> None:
    assert sound_ms(flac(44_100, 44_100 * 5), 1234) == 5000
    assert sound_ms(flac(44_100, 0), 1234) is None


def test_what_does_not_tell_is_bounded_by_the_lowest_rate_and_estimated_by_a_usual_one() -> None:
    file = b"OggS" + bytes(20_000)
    assert sound_bound_ms(file, 75_000) == 75_000 // LEAST_BYTES_PER_SECOND * 1000
    assert sound_estimate_ms(file, 20_000) == 20_000 // LIKELY_BYTES_PER_SECOND * 1000


@given(st.binary(max_size=64), st.sampled_from([b"RIFF\0\0\0\0WAVEfmt ", b"RIFF\0\0\0\0WAVE", b"fLaC", b""]))
def test_no_beginning_of_a_file_breaks_the_reading(rest: bytes, start: bytes) -> None:
    head = start + rest
    assert sound_bound_ms(head, 1000) >= 0
    assert sound_estimate_ms(head, 1000) >= 0
