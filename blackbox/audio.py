"""G.711, tones and WAV files, written from the recommendation, independent of the program under test."""

import math
import struct


def _alaw(code):
    code ^= 0x55
    magnitude = (code & 0x0F) << 4 | 8
    segment = code >> 4 & 7
    if segment:
        magnitude = (magnitude + 0x100) << (segment - 1)
    return magnitude if code & 0x80 else -magnitude


def _ulaw(code):
    code ^= 0xFF
    magnitude = (((code & 0x0F) << 3) + 132 << (code >> 4 & 7)) - 132
    return -magnitude if code & 0x80 else magnitude


ALAW = [_alaw(code) for code in range(256)]
ULAW = [_ulaw(code) for code in range(256)]
# By RTP payload type (RFC 3551 section 6).
LAWS = {0: ULAW, 8: ALAW}
_ENCODE = {}


def encode(sample, law=8):
    """The code of the law nearest to a 16-bit sample."""
    sample = max(-32768, min(32767, sample)) >> 4 << 4
    if (sample, law) not in _ENCODE:
        _ENCODE[sample, law] = min(range(256), key=lambda code: abs(LAWS[law][code] - sample))
    return _ENCODE[sample, law]


def tone(frequency, milliseconds, level=8000, law=8):
    """G.711 bytes of a sine."""
    return bytes(
        encode(int(level * math.sin(2 * math.pi * frequency * i / 8000)), law) for i in range(8 * milliseconds)
    )


_ROWS, _COLUMNS = (697, 770, 852, 941), (1209, 1336, 1477)
_KEYS = {digit: (_ROWS[n // 3], _COLUMNS[n % 3]) for n, digit in enumerate("123456789*0#")}


def silence(samples, law=8):
    return bytes([encode(0, law)]) * samples


def key_tone(digit, milliseconds, law=8, level=6000):
    """G.711 bytes of the two tones of a key (ITU-T Q.23)."""
    two = [2 * math.pi * frequency / 8000 for frequency in _KEYS[digit]]
    return bytes(encode(int(level * sum(math.sin(w * i) for w in two)), law) for i in range(8 * milliseconds))


def power(samples, frequency):
    """Share (0 to 1) of the signal's energy that lies at the frequency (Goertzel)."""
    if not samples:
        return 0.0
    w = 2 * math.cos(2 * math.pi * frequency / 8000)
    s1 = s2 = 0.0
    total = 0.0
    for x in samples:
        s1, s2 = x + w * s1 - s2, s1
        total += x * x
    if total == 0:
        return 0.0
    return min(1.0, 2 * (s1 * s1 + s2 * s2 - w * s1 * s2) / (len(samples) * total))


def heard(samples, frequency, frame=400, share=0.7):
    """Milliseconds in which the frequency rules."""
    frames = (samples[i : i + frame] for i in range(0, len(samples) - frame + 1, frame))
    return sum(frame // 8 for part in frames if power(part, frequency) > share)


def wav_alaw(payload):
    """A WAV file with A-law data, as customers upload prompts."""
    fmt = struct.pack("<HHIIHHH", 6, 1, 8000, 8000, 1, 8, 0)
    chunks = b"fmt " + struct.pack("<I", len(fmt)) + fmt + b"data" + struct.pack("<I", len(payload)) + payload
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


def read_wav(content):
    """Channels of a WAV file as lists of 16-bit samples; fails on anything but 8 kHz PCM16 or A-law."""
    assert content[:4] == b"RIFF" and content[8:12] == b"WAVE", "no WAV file"
    assert struct.unpack("<I", content[4:8])[0] + 8 == len(content), "RIFF size is wrong"
    at, fmt, data = 12, None, None
    while at + 8 <= len(content):
        name, size = content[at : at + 4], struct.unpack("<I", content[at + 4 : at + 8])[0]
        if name == b"fmt ":
            fmt = struct.unpack("<HHIIHH", content[at + 8 : at + 24])
        elif name == b"data":
            data = content[at + 8 : at + 8 + size]
            assert len(data) == size, "data chunk is cut"
        at += 8 + size + size % 2
    codec, channels, rate, _, _, bits = fmt
    assert rate == 8000
    if codec == 6:
        samples = [ALAW[c] for c in data]
    else:
        assert codec in (1, 0xFFFE) and bits == 16, f"unexpected format {fmt}"
        samples = struct.unpack(f"<{len(data) // 2}h", data)
    return [list(samples[c::channels]) for c in range(channels)]
