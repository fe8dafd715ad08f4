"""Rows of named fields as text: which field is learnt, which it is conditioned on, and what the others are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.errors import BadInput
from .columns import category_column, is_official, split_indices, split_word
from .source import Column, Source
from .text_files import plain_name
from .text_items import scalars

TARGETS = (
    "target", "targets", "tgt", "summary", "output", "completion", "ref", "refs", "reference", "references", "response", "answer",
    "translation", "highlights",
)  # fmt: skip
SOURCES = ("source", "src", "input", "prompt", "document", "mr", "question", "article", "context", "instruction")
PLAIN = ("text", "x", "sentence", "content", "caption")
LABELS = ("label", "class", "category")
_CATEGORIES = 100
_SHOWN = 3
PROSE_LETTERS = 12
_DENSE = 3
"""A letter of a script that writes syllables or words by single characters counts as so many."""
_LARGEST = 1e38
"""Larger numbers don't fit single precision."""


@dataclass(slots=True)
class Record:
    """One row and where it stands."""

    values: Mapping[str, Any]
    where: str
    """"FILE, line N", or "item N"."""
    split: str | None = None


@dataclass(frozen=True, slots=True)
class Roles:
    """Names of the fields with a part to play."""

    x: str
    source: str | None
    label: str | None


def roles(name: str, records: Sequence[Record]) -> Roles:
    """What each field is, by its name; without a known name by which fields are texts. Raises BadInput where it can't be told."""
    fields = {key.lower(): key for record in records[:1000] for key in record.values}

    def first(names: Iterable[str]) -> str | None:
        return next((fields[known] for known in names if known in fields and _is_text(records, fields[known])), None)

    for known in (*TARGETS, *SOURCES, *PLAIN):
        if known in fields:
            _no_stray(records, fields[known])
    x = first(TARGETS) or first(PLAIN)
    label = next((fields[known] for known in LABELS if known in fields and fields[known] != x), None)
    source = first(SOURCES) or (first(known for known in PLAIN if fields.get(known) != x) if x else None)
    if x is None:
        free = [key for key in fields.values() if key not in (source, label) and key.lower() not in ("id", "title", "split")]
        texts = [key for key in free if _is_text(records, key)]
        if len(texts) == 2 and source is None:
            source, x = texts
        elif len(texts) == 1:
            x = texts[0]
    if x is None:
        _no_text(records, [fields[known] for known in (*TARGETS, *PLAIN) if known in fields and fields[known] != label])
        listed = ", ".join(fields.values()) or "(none)"
        raise BadInput(f"{name}: none of the fields {listed} is known to be the text; call it text, or source and target.")
    return Roles(x, source, label)


def _is_text(records: Sequence[Record], key: str) -> bool:
    """Whether the first values of a field are strings, or lists of them."""
    values = [record.values[key] for record in records[:100] if record.values.get(key) is not None]
    flat = [part for value in values for part in (value if isinstance(value, list) else [value])]
    return bool(flat) and all(isinstance(part, str) for part in flat)


def _no_stray(records: Sequence[Record], key: str) -> None:
    """Raises BadInput, naming the row, for a number or an object in a field whose other values are mostly texts."""
    values = [(record, record.values[key]) for record in records if record.values.get(key) is not None]
    stray = [(record, value) for record, value in values if not _of_text(value)]
    if stray and len(stray) * 2 < len(values):
        record, value = stray[0]
        rows = "1 row has" if len(stray) == 1 else f"{len(stray):,} rows have"
        raise BadInput(f"{record.where}: {key} is {str(value)[:40]}, but a text is expected, in quotes ({rows} none). Mend or remove it.")


def _of_text(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, list) and all(isinstance(part, str) for part in value))


def _no_text(records: Sequence[Record], keys: Sequence[str]) -> None:
    """Raises BadInput, naming the row, for the first of fields called like texts that holds something else."""
    for key in keys:
        for record in records:
            value = record.values.get(key)
            if value is not None and not _of_text(value):
                raise BadInput(f"{record.where}: {key} is {str(value)[:40]}, but a text is expected, in quotes.")


def prose(values: Sequence[str], least: int = PROSE_LETTERS) -> bool:
    """Whether strings are text rather than a table's cells: at least so many letters on average, one in ten distinct."""
    filled = [value for value in values if value]
    if not filled:
        return False
    letters = sum(sum(_weight(letter) for letter in value) for value in filled) / len(filled)
    return letters >= least and len(set(filled)) * 10 >= len(filled)


def _weight(letter: str) -> int:
    # from Thai on, without the Cherokee and Latin blocks between, scripts are mostly written without spaces
    dense = "\u0e00" <= letter <= "\u0eff" or "\u1780" <= letter <= "\u17ff" or "\u2e80" <= letter <= "\ud7ff" or letter >= "\U00020000"
    return letter.isalpha() * (_DENSE if dense else 1)


def from_records(name: str, records: Sequence[Record], why: str, notes: Sequence[str] = (), fields: Roles | None = None) -> Source:
    """A source of rows: one item a target. Rows without a target or a source are left out and said. Raises BadInput."""
    fields = fields or roles(name, records)
    kept, items, gaps = _rows(records, fields)
    said = [*notes, *_left_out(gaps)]
    if not items:
        raise BadInput(f"{name}: no row has a text in {fields.x!r}.")
    columns: dict[str, Column] = {}
    if fields.source:
        texts = np.empty(len(kept), dtype=object)
        texts[:] = [_one(record.values[fields.source]) for record in kept]
        columns[fields.source] = Column(fields.source, texts)
    if fields.label:
        labels = [record.values.get(fields.label) for record in kept]
        if all(label is not None and not isinstance(label, (list, dict)) for label in labels):
            columns["label"] = category_column("label", [str(label) for label in labels])
        else:
            said.append(f"some rows have no {fields.label!r}, so there are no labels")
    keys = dict.fromkeys(key for record in kept for key in record.values)
    for key in keys:
        if key not in (fields.x, fields.source, fields.label, "split"):
            found = _column(key, [record.values.get(key) for record in kept], said)
            columns |= {key: found} if found is not None else {}
    split = split_indices([record.split or _named_split(record.values) for record in kept])
    return Source(
        name, "text", items, columns, split if is_official(split) else None, tuple(said), why_kind=why,
        conditions=(fields.source,) if fields.source else (),
    )  # fmt: skip


def _named_split(values: Mapping[str, Any]) -> str | None:
    word = values.get("split")
    return split_word(word) if isinstance(word, str) else None


def _one(value: Any) -> str:
    return scalars(_joined(value))


def _joined(value: Any) -> str:
    return " ".join(value) if isinstance(value, list) else value


def _rows(records: Sequence[Record], fields: Roles) -> tuple[list[Record], list[str], dict[str, list[str]]]:
    """(the record of each item, the items, what rows lack -> where those rows are); a list of targets gives a row each."""
    kept: list[Record] = []
    items: list[str] = []
    gaps: dict[str, list[str]] = {}
    for record in records:
        value = record.values.get(fields.x)
        answers = value if isinstance(value, list) else [value]
        targets = [text for text in answers if isinstance(text, str) and text.strip()]
        if not targets:
            gaps.setdefault(f"{_lack(value)} target and {{were}} left out", []).append(record.where)
            continue
        source = record.values.get(fields.source) if fields.source else ""
        if fields.source and not _filled(source):
            gaps.setdefault(f"{_lack(source)} source and {{were}} left out", []).append(record.where)
            continue
        if len(targets) < len(answers):
            gaps.setdefault("an empty text among the targets; only the others are learnt", []).append(record.where)
        clean = [scalars(text) for text in targets]
        if clean != targets or (fields.source and _joined(source) != _one(source)):
            gaps.setdefault("half a character (a lone surrogate), which became U+FFFD", []).append(record.where)
        kept += [record] * len(targets)
        items += clean
    return kept, items, gaps


def _lack(value: Any) -> str:
    return "no" if value is None else "an empty"


def _filled(value: Any) -> bool:
    if isinstance(value, list):
        return all(isinstance(part, str) for part in value) and bool("".join(value).strip())
    return isinstance(value, str) and bool(value.strip())


def _left_out(gaps: Mapping[str, Sequence[str]]) -> list[str]:
    said = []
    for what, places in gaps.items():
        shown = "; ".join(places[:_SHOWN]) + ("; ..." if len(places) > _SHOWN else "")
        rows, were = ("1 row has", "was") if len(places) == 1 else (f"{len(places):,} rows have", "were")
        said.append(f"{rows} {what.format(were=were)} ({shown})")
    return said


def _column(name: str, values: list[Any], notes: list[str]) -> Column | None:
    """A field that is not the text: numbers, categories where a string has few values, else texts; None where it is nothing of these."""
    missing = sum(value is None for value in values)
    if all(isinstance(value, str) or value is None for value in values):
        texts = [scalars(value or "") for value in values]
        if len(set(texts)) <= max(2, min(_CATEGORIES, len(texts) // 5)):
            return category_column(name, texts)
        array = np.empty(len(texts), dtype=object)
        array[:] = texts
        return Column(name, array)
    if all(isinstance(value, bool) for value in values):
        return category_column(name, [str(value).lower() for value in values])
    if all(isinstance(value, (int, float)) and abs(value) < _LARGEST for value in values):
        return Column(name, np.array(values, dtype=np.float32))
    why = f"{missing:,} rows lack it" if missing else "its values are lists, of several kinds, or numbers beyond measure"
    notes.append(f"the field {name!r} was left out: {why}")
    return None


def from_parts(name: str, parts: Mapping[str, Callable[[], Sequence[Record]]], why: str, notes: Sequence[str] = ()) -> Source:
    """A source of several files of records: file -> its reader; file names that name a split make the official one."""
    words, said = file_splits(list(parts))
    records: list[Record] = []
    for file, read in parts.items():
        rows = read()
        for row in rows:
            row.split = words[file]
        records += rows
    return from_records(name, records, why, [*said, *notes])


def stem_split(stem: str) -> str | None:
    """The split that a file's name begins or ends with: `train`, `devset`, `test_2016_flickr`, `news.test`; None where it names none."""
    words = stem.lower().replace("-", "_").replace(".", "_").split("_")
    return next((found for word in (words[0], words[-1]) if (found := split_word(word.removesuffix("set") or word))), None)


def file_splits(names: Sequence[str]) -> tuple[dict[str, str | None], list[str]]:
    """(split of each file by its name or its folder's, notes).

    Without a training file, those that name no split are trained on, else `dev` files where there are `test` files too.
    """
    folders = {name: next(filter(None, map(split_word, plain_name(name).parts[:-1])), None) for name in names}
    words = {name: folders[name] or stem_split(plain_name(name).stem) for name in names}
    found = set(words.values())
    if found == {"validation", "holdout"}:
        used = ", ".join(name for name in names if words[name] == "validation")
        trained: dict[str, str | None] = {name: "train" if word == "validation" else word for name, word in words.items()}
        return trained, [f"there is no training file: {used} is trained on"]
    if len(found - {None}) < 2 and found not in ({None, "holdout"}, {None, "validation"}):
        return dict.fromkeys(names), []
    bare = [name for name in names if words[name] is None]
    notes = [f"trained on too: {', '.join(bare)}, whose names speak of no split"] if bare and "train" in found else []
    return {name: word or "train" for name, word in words.items()}, notes
