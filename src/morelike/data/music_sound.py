"""Tunes as sound: sines and their overtones under an envelope, written as a WAV file that any player knows.

S samples.
"""

from __future__ import annotations

import wave
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .tune import Tune

RATE = 22_050
"""Samples a second."""
_OVERTONES = 8
_ATTACK, _RELEASE = 0.012, 0.09
"""Seconds in which a note rises, and dies away after its end: from nothing and to nothing, so that nothing clicks."""
_HALVES = 1.2
"""Seconds in which a held note falls to half."""
_LOUDEST = 0.9
LONGEST = 20 * 60
"""Seconds of sound, at most."""


def frequency(pitch: int) -> float:
    """Hertz, in equal temperament; pitch 69 has 440."""
    return 440.0 * float(2 ** ((pitch - 69) / 12))


@lru_cache(maxsize=512)
def _tone(pitch: int, samples: int) -> NDArray[np.float32]:
    """(S + release,) one note held for `samples` samples."""
    total = samples + int(_RELEASE * RATE)
    time = np.arange(total) / RATE
    sound = np.zeros(total)
    for number in range(1, _OVERTONES + 1):
        if number * frequency(pitch) < RATE / 2:
            # higher overtones are softer, and die away sooner
            sound += np.sin(2 * np.pi * number * frequency(pitch) * time) * number**-1.4 * np.exp(-0.35 * (number - 1) * time)
    sound *= 0.5 ** (time / _HALVES) * np.minimum(1.0, time / _ATTACK)
    fade = np.clip((total - 1 - np.arange(total)) / (total - samples), 0.0, 1.0)
    tone: NDArray[np.float32] = (sound * np.sin(fade * np.pi / 2) ** 2).astype(np.float32)
    return tone


def sound(tune: Tune) -> NDArray[np.int16]:
    """(S,) 16-bit samples of a tune, at most 20 minutes of it, as loud as they can be without clipping."""
    second = RATE * 60 / tune.tempo / tune.resolution
    end = min(LONGEST * RATE, int(tune.length * second)) + int((_RELEASE + 0.2) * RATE)
    mixed = np.zeros(end, np.float32)
    for note in tune.notes:
        at = int(note.start * second)
        tone = _tone(note.pitch, max(1, int(note.end * second) - at))[: max(0, end - at)]
        # low notes need more power to be heard as loud
        mixed[at : at + len(tone)] += tone * (note.velocity / 127) * 2 ** ((60 - note.pitch) / 48)
    peak = float(np.abs(mixed).max(initial=0.0))
    whole: NDArray[np.int16] = np.round(mixed * (_LOUDEST * 32767 / peak if peak else 0.0)).astype(np.int16)
    return whole


def write_wav(tune: Tune, path: Path) -> None:
    """One channel, 16 bits, 22,050 samples a second."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(sound(tune).astype("<i2").tobytes())
