"""MIDI files to tunes and back. What a damaged file still says is read, and what was mended is said.

The format: MIDI Manufacturers Association, Standard MIDI Files 1.0 (RP-001).
"""

from __future__ import annotations

import struct
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ..core.errors import BadInput
from .tune import TEMPO, Note, Tune, tidy

ENDINGS = (".mid", ".midi", ".smf")
LARGEST = 16 << 20
"""Bytes of a file, at most."""
_LONGEST = 10_000
"""Quarter notes of a tune, at most."""
_MOST_NOTES = 200_000
_DRUMS = 9
_TICKS = 480
"""Ticks a quarter note that are written, at least."""


@dataclass(slots=True)
class _Heard:
    """What the tracks of a file say so far."""

    notes: list[tuple[int, int, int, int, int]] = field(default_factory=list)
    """(pitch, start, end, velocity, place) with place = track * 16 + channel."""
    programs: dict[int, int] = field(default_factory=dict)
    tempos: list[tuple[int, int]] = field(default_factory=list)
    metres: list[tuple[int, int, int]] = field(default_factory=list)
    keys: list[tuple[int, int, bool]] = field(default_factory=list)
    said: Counter[str] = field(default_factory=Counter)
    end: int = 0
    drums: int = 0


def read_midi(data: bytes, name: str) -> tuple[Tune, Counter[str]]:
    """(the tune of a file's bytes, what was mended or left out: words -> how often). A voice is a channel of a track; drums are left out.

    Raises BadInput in a sentence that names the file.
    """
    if data[:4] == b"RIFF" and data[8:16] == b"RMIDdata":
        data = data[20:]
    if len(data) < 14 or data[:4] != b"MThd":
        raise BadInput(f"{name} is no MIDI file: it doesn't begin with MThd" if data else f"{name} is empty (0 bytes)")
    size, form, _, division = struct.unpack(">IHHH", data[4:14])
    if form > 1:
        raise BadInput(f"{name} is a MIDI file of the format {form}, whose tracks are tunes of their own: save each as a file of format 0")
    # below 0: frames a second and ticks a frame; at 120 a minute a quarter is half a second
    resolution = division if division < 1 << 15 else (256 - (division >> 8)) * (division & 255) // 2
    if not resolution:
        raise BadInput(f"{name} says that a quarter note has no ticks, so its rhythm can't be known")
    heard, at, track = _Heard(), 8 + size, 0
    while at + 8 <= len(data):
        kind, length = data[at : at + 4], struct.unpack(">I", data[at + 4 : at + 8])[0]
        at += 8
        if kind == b"MTrk":
            if at + length > len(data):
                heard.said["tracks that break off, read as far as they go"] += 1
            _track(data, at, min(at + length, len(data)), track, heard)
            track += 1
        at += length
    return _tune(heard, resolution, name), heard.said


def _tune(heard: _Heard, resolution: int, name: str) -> Tune:
    """Raises BadInput where there is no note, or where there are too many."""
    if not heard.notes:
        raise BadInput(f"{name} holds " + (f"only drums ({heard.drums:,} notes), which have no pitches" if heard.drums else "no notes"))
    last = max(note[2] for note in heard.notes)
    if last > _LONGEST * resolution or len(heard.notes) > _MOST_NOTES:
        size = f"lasts {last / resolution:,.0f} quarter notes and has {len(heard.notes):,} notes"
        raise BadInput(f"{name} {size}; at most {_LONGEST:,} and {_MOST_NOTES:,} are read")
    if heard.drums:
        heard.said["notes of drums left out"] += heard.drums
    places = {place: voice for voice, place in enumerate(sorted({note[4] for note in heard.notes}))}
    raw = [Note(pitch, start, max(1, end - start), places[place], velocity) for pitch, start, end, velocity, place in heard.notes]
    clean = tidy(raw)
    if len(clean) < len(raw):
        heard.said["notes that were there twice, counted once"] += len(raw) - len(clean)
    metre = min(heard.metres)[1:] if heard.metres else (4, 4)
    tempo = 6e7 / min(heard.tempos)[1] if heard.tempos else TEMPO
    key = min(heard.keys)[1:] if heard.keys else None
    for what, values in (("tempo", heard.tempos), ("metre", heard.metres)):
        if len({one[1:] for one in values}) > 1:
            heard.said[f"changes of {what} in mid-tune, of which the first is kept"] += 1
    programs = tuple(heard.programs.get(place, 0) for place in places)
    bar = max(1, resolution * 4 * metre[0] // metre[1])
    # an end far behind the last note is a slip of the program that wrote it
    length = heard.end if last <= heard.end <= last + bar else last
    return Tune(clean, length, resolution, tempo, metre, key, programs if any(programs) else ())




def _track(data: bytes, at: int, end: int, track: int, heard: _Heard) -> None:
    """Reads one track's events in data[at:end]; notes that never end do so with it."""
    sounding: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
    tick = 0
    try:
        for tick in _events(data, at, end, track * 16, sounding, heard):
            heard.end = max(heard.end, tick)
    except IndexError:
        heard.said["tracks that break off, read as far as they go"] += 1
    for key, left in sounding.items():
        for start, loud in left:
            heard.said["notes without an end, ended with their track"] += 1
            _add(heard, (key & 127, start, max(tick, start + 1), loud, track * 16 + (key >> 7)))


def _events(
    data: bytes, at: int, end: int, base: int, sounding: defaultdict[int, list[tuple[int, int]]], heard: _Heard
) -> Iterator[int]:
    """The tick of each event as it is taken in; `sounding`: channel * 128 + pitch -> (start, velocity) of notes that sound. Raises
    IndexError where the track breaks off."""
    tick = status = 0
    while at < end:
        delta, at = _number(data, at)
        tick += delta
        if data[at] & 128:
            status = data[at]
            at += 1
        kind = status & 0xF0
        if kind in (0x80, 0x90):
            key, velocity = (status & 15) << 7 | data[at] & 127, data[at + 1] & 127
            at += 2
            if kind == 0x90 and velocity:
                sounding[key].append((tick, velocity))
            elif sounding[key]:
                start, loud = sounding[key].pop(0)
                _add(heard, (key & 127, start, tick, loud, base + (status & 15)))
        elif kind == 0xC0:
            heard.programs.setdefault(base + (status & 15), data[at] & 127)
            at += 1
        elif kind in (0xA0, 0xB0, 0xD0, 0xE0):
            at += 1 if kind == 0xD0 else 2
        elif status in (0xFF, 0xF0, 0xF7):
            which = data[at] if status == 0xFF else -1
            length, at = _number(data, at + (which >= 0))
            _meta(which, data[at : min(at + length, end)], tick, heard)
            at += length
            if which == 0x2F:
                yield tick
                return
        else:
            heard.said["tracks with bytes that mean nothing, read up to there"] += 1
            return
        yield tick


def _number(data: bytes, at: int) -> tuple[int, int]:
    """(a number of groups of seven bits, where the next byte is)."""
    number, byte = 0, 128
    while byte & 128:
        byte = data[at]
        number = number << 7 | byte & 127
        at += 1
    return number, at


def _add(heard: _Heard, note: tuple[int, int, int, int, int]) -> None:
    if note[4] & 15 == _DRUMS:
        heard.drums += 1
        return
    if note[2] <= note[1]:
        heard.said["notes of no length, made as short as can be"] += 1
    heard.notes.append(note)


def _meta(which: int, data: bytes, tick: int, heard: _Heard) -> None:
    """Takes in a tempo, metre or key. One that makes no sense is counted and left out."""
    if which == 0x51 and len(data) >= 3 and any(data[:3]):
        heard.tempos.append((tick, int.from_bytes(data[:3], "big")))
    elif which == 0x58 and len(data) >= 2:
        if 1 <= data[0] <= 64 and data[1] <= 6:
            heard.metres.append((tick, data[0], 1 << data[1]))
        else:
            heard.said["metres that make no sense, left out"] += 1
    elif which == 0x59 and len(data) >= 2:
        sharps = data[0] - 256 if data[0] > 127 else data[0]
        if abs(sharps) <= 7:
            heard.keys.append((tick, sharps, data[1] == 1))


def midi_bytes(tune: Tune) -> bytes:
    """A MIDI file of the format 1: a track of tempo, metre and key, and a track a voice. `read_midi` gives the same tune again, with ticks
    as fine as 480 a quarter where they are coarser, and a tempo rounded to whole microseconds a quarter."""
    scale = max(1, -(-_TICKS // tune.resolution))
    head = [(0, b"\xff\x51\x03" + max(1, min(0xFFFFFF, round(6e7 / tune.tempo))).to_bytes(3, "big"))]
    head.append((0, b"\xff\x58\x04" + bytes([tune.metre[0], tune.metre[1].bit_length() - 1, 24, 8])))
    if tune.key is not None:
        head.append((0, b"\xff\x59\x02" + bytes([tune.key[0] & 255, tune.key[1]])))
    tracks = [_chunk(head, tune.length * scale)]
    for voice in range(tune.voices):
        # fifteen channels that are no drums, from the first again where there are more voices
        channel = [c for c in range(16) if c != _DRUMS][voice % 15]
        program = tune.programs[voice] if voice < len(tune.programs) else 0
        events = [(0, bytes([0xC0 | channel, program]))]
        for note in tune.notes:
            if note.voice == voice:
                events.append((note.start * scale, bytes([0x90 | channel, note.pitch, max(1, note.velocity)])))
                events.append((note.end * scale, bytes([0x80 | channel, note.pitch, 0])))
        # at one tick, notes end before others begin
        events.sort(key=lambda event: (event[0], event[1][0] & 0xF0 == 0x90))
        tracks.append(_chunk(events, tune.length * scale))
    return b"MThd" + struct.pack(">IHHH", 6, 1, len(tracks), tune.resolution * scale) + b"".join(tracks)


def _chunk(events: list[tuple[int, bytes]], end: int) -> bytes:
    body, now = bytearray(), 0
    for tick, event in [*events, (max([end, *(tick for tick, _ in events)]), b"\xff\x2f\x00")]:
        body += _variable(tick - now) + event
        now = tick
    return b"MTrk" + struct.pack(">I", len(body)) + bytes(body)


def _variable(number: int) -> bytes:
    """A number in groups of seven bits, the last without the top bit."""
    found = [number & 127]
    while number := number >> 7:
        found.append(number & 127 | 128)
    return bytes(reversed(found))


def write_midi(tune: Tune, path: Path) -> None:
    path.write_bytes(midi_bytes(tune))
