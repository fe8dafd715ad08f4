"""Aligned files: line n of `NAME.de` belongs to line n of `NAME.en`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ..core.errors import BadInput, UnknownName
from .columns import natural
from .files import READ_LIMIT, Files
from .source import Source
from .text_files import lines, plain_name, read_text
from .text_records import Record, Roles, file_splits, from_records

_CODES = (
    "aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el en eo es et eu "
    "fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu ja jv ka kg ki kj kk kl km kn "
    "ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng nl nn no nr nv ny oc oj om or os "
    "pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq sr ss st su sv sw ta te tg th ti tk tl tn to tr ts tt tw "
    "ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu eng deu ger fra fre spa ita por rus zho jpn kor ara hin nld pol ces ukr tur "
    "src tgt trg "
)
"""ISO 639-1 codes, some of three letters, and the words that tools write for source and target."""
_LANGUAGES = frozenset(_CODES.split())


def language(file: str) -> str | None:
    """`de` of `train.de` or `train.de.gz`, `zh-CN` of `news.zh-CN`; None where the ending names no language."""
    ending = plain_name(file).suffix.removeprefix(".")
    plain = re.match(r"([A-Za-z]{2,3})(?:[-_][A-Za-z]{2,4})?$", ending)
    return ending if plain and plain[1].lower() in _LANGUAGES else None


def aligned(names: Sequence[str]) -> dict[str, dict[str, str]]:
    """Stem -> language -> file, of the stems that come in at least two languages."""
    found: dict[str, dict[str, str]] = {}
    for name in sorted(names, key=natural):
        if tongue := language(name):
            found.setdefault(str(plain_name(name).with_suffix("")), {})[tongue] = name
    several = {stem for stem, tongues in found.items() if len(tongues) > 1}
    known = {tongue for stem in several for tongue in found[stem]}
    # A stem in one language alone belongs here too: its language may have no training data, which is said.
    return {stem: tongues for stem, tongues in found.items() if several and known & tongues.keys()}


def open_aligned(name: str, files: Files, stems: Mapping[str, Mapping[str, str]], condition: Sequence[str] | None) -> Source:
    """Pairs of lines. `condition` names the source language; without it the alphabetically first with training data.

    The target is the language that follows it in the alphabet. Raises BadInput where counts of lines differ, naming both
    files, and UnknownName for a language that isn't there.
    """
    words, notes = file_splits([f"{stem}.x" for stem in stems])
    splits = {stem: words[f"{stem}.x"] for stem in stems}
    train = [stem for stem in stems if splits[stem] in ("train", None)]
    tongues = sorted({tongue for stem in train for tongue in stems[stem]})
    without = sorted({tongue for stem in stems for tongue in stems[stem]} - set(tongues))
    if without:
        notes.append(f"no training data in {', '.join(without)}: ignored")
    if len(tongues) < 2:
        raise BadInput(f"{name} has training lines in {', '.join(tongues) or 'no language'} only; aligned files need two languages.")
    source = condition[0] if condition else "src" if "src" in tongues else tongues[0]
    if source not in tongues:
        raise UnknownName("condition", source, tongues)
    target = tongues[(tongues.index(source) + 1) % len(tongues)]
    if len(tongues) > 2:
        others = ", ".join(tongue for tongue in tongues if tongue not in (source, target))
        notes.append(f"{source} is translated into {target}; {others} left alone (--condition names the source)")
    records: list[Record] = []
    for stem, files_of in stems.items():
        if {source, target} <= files_of.keys():
            records += _pairs(files, files_of[source], files_of[target], (source, target), splits[stem], notes)
        elif source in files_of or target in files_of:
            notes.append(f"{stem} has no lines in both {source} and {target}: left alone")
    why = f"aligned files, {source} to {target}: line n of one belongs to line n of the other"
    return from_records(name, records, why, notes, Roles(target, source, None))


def _pairs(files: Files, one: str, other: str, tongues: tuple[str, str], split: str | None, notes: list[str]) -> list[Record]:
    first, second = (_lines(files, file, notes) for file in (one, other))
    if len(first) != len(second):
        raise BadInput(
            f"{one} has {len(first):,} lines and {other} {len(second):,}: aligned files need the same number, for line n of one belongs "
            "to line n of the other."
        )
    rows = enumerate(zip(first, second, strict=True), 1)
    return [Record(dict(zip(tongues, pair, strict=True)), f"{one} and {other}, line {number}", split) for number, pair in rows]


def _lines(files: Files, file: str, notes: list[str]) -> list[str]:
    read = read_text(files, file, READ_LIMIT)
    if not isinstance(read.text, str):
        raise BadInput(f"{file} has more than {READ_LIMIT >> 30} GB; give a part of it.")
    notes += read.notes
    return list(lines(read.text))
