"""New data under the codecs of a model that exists: what they can't take is refused, what is changed is said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, overload

import numpy as np

from ..core.contract import Codec
from ..core.errors import BadInput, UnknownName
from ..data.caption import CaptionCodec
from ..data.image import ImageCodec
from ..data.source import Column, Source
from ..data.survey import survey
from ..data.text import TextCodec

_COLUMN_CODECS = {"category": "category", "text": "text", "number": "vector", "picture": "image", "around": "around"}


def codec_kind(source: Source, column: Column) -> str:
    """The kind of codec of a column that is a condition: a text is one of texts, and beside anything else a caption."""
    return "caption" if column.kind == "text" and source.kind != "text" else _COLUMN_CODECS[column.kind]


@dataclass(frozen=True, slots=True)
class Codecs:
    """The codecs of a saved model, and its name, for sentences."""

    owner: str
    x: Codec
    conditions: Mapping[str, Codec]


class Ended(Sequence[str]):
    """Separate texts as passages of one running text: a line end after each."""

    def __init__(self, items: Sequence[str]) -> None:
        self._items = items

    def __len__(self) -> int:
        return len(self._items)

    @overload
    def __getitem__(self, row: int) -> str: ...
    @overload
    def __getitem__(self, row: slice) -> list[str]: ...
    def __getitem__(self, row: int | slice) -> str | list[str]:
        if isinstance(row, slice):
            return [self[number] for number in range(*row.indices(len(self)))]
        return f"{self._items[row]}\n"


def recast(source: Source, codecs: Codecs) -> tuple[Source, list[str]]:
    """(the source as the codecs take it, what was changed in sentences). Split before: joined items stand in an order.

    Raises BadInput or UnknownName where the codecs can't take it.
    """
    if source.kind != codecs.x.kind:
        raise BadInput(f"{codecs.owner} makes data of the kind {codecs.x.kind!r}, and {source.name} is of the kind {source.kind!r}")
    columns = {name: _column(source, name, codec, codecs.owner) for name, codec in codecs.conditions.items()}
    unknown = [name for name in source.conditions if name not in codecs.conditions]
    said = [f"left out: condition {', '.join(unknown)}: {codecs.owner} was not trained on it"] if unknown else []
    changed = replace(source, columns={**source.columns, **columns}, conditions=tuple(codecs.conditions))
    if isinstance(codecs.x, TextCodec):
        changed, joined = _in_one_piece(changed, codecs.x, codecs.owner)
        said += joined + _misfits(changed.items, codecs.x, codecs.owner)
    if isinstance(codecs.x, ImageCodec):
        said += _converted(changed.items, codecs.x, codecs.owner)
    for name, codec in codecs.conditions.items():
        if isinstance(codec, TextCodec):
            said += [f"{name}: {text}" for text in _misfits(columns[name].values, codec, codecs.owner)]
        if isinstance(codec, CaptionCodec):
            said += [f"{name}: {text}" for text in unseen(codec, columns[name].values)]
    return changed, said


def _converted(items: Any, codec: ImageCodec, owner: str) -> list[str]:
    """How many pictures have another size, or other channels, than those that the codec was made for."""
    seen, (channels, height, width) = survey(items), codec.shape
    sizes, others = seen.count - seen.sizes[height, width], seen.count - seen.channels[channels]
    said = [f"{sizes:,} of {seen.count:,} pictures are scaled and cut to {width} x {height}, the size of {owner}"] if sizes else []
    return said + ([f"{others:,} of {seen.count:,} pictures are turned into {channels} channels, as {owner} has them"] if others else [])


def _column(source: Source, name: str, codec: Codec, owner: str) -> Column:
    """A column with the class ids of the codec."""
    if name not in source.columns:
        there = ", ".join(source.columns) or "none"
        raise BadInput(f"{owner} is conditioned on {name!r}, which {source.name} doesn't have (its columns: {there})")
    column = source.columns[name]
    if codec_kind(source, column) != codec.kind:
        raise BadInput(f"{name!r} of {source.name} is a {column.kind}; {owner} takes it as {codec.kind}")
    if column.kind != "category":
        return column
    names: tuple[str, ...] = tuple(codec.names)  # type: ignore[attr-defined]
    numbers = {known: number for number, known in enumerate(names)}
    for used in np.unique(column.values).tolist():
        if column.categories[used] not in numbers:
            raise UnknownName(f"{name} of {source.name}, on which {owner} is conditioned:", column.categories[used], names)
    ids = np.array([numbers.get(known, 0) for known in column.categories])
    return replace(column, values=ids[column.values], categories=names)


def unseen(codec: CaptionCodec, captions: Sequence[str] | np.ndarray) -> list[str]:
    """Sentences on words of captions that were not learnt as words, and on captions that are cut."""
    strange, cut = codec.strange(captions), codec.cut(captions)
    said = []
    if strange:
        shown = ", ".join(map(repr, strange[:5])) + (", ..." if len(strange) > 5 else "")
        words = "1 word was" if len(strange) == 1 else f"{len(strange):,} words were"
        said.append(f"{words} in no two training captions ({shown}) and {'is' if len(strange) == 1 else 'are'} spelt by letters")
    if cut:
        which = "the caption is" if len(captions) == 1 else f"{cut:,} of {len(captions):,} captions are"
        said.append(f"{which} longer than the {codec.spec.shape[0]} ids that were learnt, and cut there")
    return said


def _in_one_piece(source: Source, codec: TextCodec, owner: str) -> tuple[Source, list[str]]:
    """Separate texts joined where the codec is for a running one."""
    if source.ordered == codec.running:
        return source, []
    if source.ordered:
        raise BadInput(f"{owner} makes separate items, and {source.name} is one running text (--kind lines reads each line as an item)")
    said = f"the {len(source.items):,} items are joined by line ends: {owner} makes running text"
    return replace(source, items=Ended(source.items), ordered=True), [said]


def _misfits(items: Any, codec: TextCodec, owner: str) -> list[str]:
    """Says how many characters the codec doesn't know, and which; and how many items are too long for it."""
    found: Counter[str] = Counter()
    cut = 0
    for text in items:
        found.update({letter: text.count(letter) for letter in codec.strangers(text)})
        # no id stands for less than a byte
        if not codec.running and len(text.encode("utf-8", "replace")) > codec.window:
            cut += len(codec.ids([text])) > codec.window
    said = []
    if found:
        shown = ", ".join(repr(letter) for letter, _ in found.most_common(5)) + (", ..." if len(found) > 5 else "")
        said.append(f"{found.total():,} characters ({shown}) are none that {owner} knows; one that it knows stands for each")
    if cut:
        said.append(f"{cut:,} of {len(items):,} texts are longer than the {codec.window:,} ids that {owner} takes, and are cut there")
    return said
