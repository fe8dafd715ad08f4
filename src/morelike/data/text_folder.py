"""Folders of text files: splits and classes by name, many small files as items, few joined into one running text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath

import numpy as np

from ..core.errors import BadInput
from .columns import category_column, is_official, natural, split_indices, split_word
from .files import Files
from .source import Source
from .text_files import Read, lines, read_text
from .text_items import Text, ended, join, passages
from .text_records import file_splits

_MANY = 20
_SMALL = 2000
_SAID = 5

Judge = Callable[[Text], tuple[bool, str]]
"""(whether a text's lines are items, why)."""


def open_folder(name: str, files: Files, names: Sequence[str], kind: str | None, judge: Judge) -> Source:
    """Text files as one set: with sub-folders as classes where there are several, else as `_joined` says. Raises BadInput."""
    names = sorted(names, key=natural)
    reads, notes, skipped = _read(files, names)
    if not reads:
        raise BadInput(f"{name} holds no file that is text: {'; '.join(f'{file}: {why}' for file, why in skipped[:3])}")
    classes = _classes(list(reads)) if kind is None else None
    splits, said = file_splits(list(reads))
    notes = [*said, *notes]
    sizes = [len(read.text) for read in reads.values()]
    small = len(reads) >= _MANY and float(np.median(sizes)) <= _SMALL
    if classes is not None or (kind is None and small and not any(splits.values())):
        source = _items(name, reads, classes, splits, notes, whole=float(np.median(sizes)) <= _SMALL)
    else:
        source = _joined(name, reads, splits, kind, judge, notes)
    return Source(
        source.name, "text", source.items, source.columns, source.split, source.notes, tuple(skipped), why_kind=source.why_kind,
        ordered=source.ordered,
    )  # fmt: skip


def _read(files: Files, names: Sequence[str]) -> tuple[dict[str, Read], list[str], list[tuple[str, str]]]:
    """(texts by file, what was said of them, files left out and why)."""
    reads: dict[str, Read] = {}
    notes: list[str] = []
    skipped = []
    for file in names:
        try:
            read = read_text(files, file)
        except BadInput as error:
            skipped.append((file, str(error)))
            continue
        if not len(read.text):
            skipped.append((file, "is empty"))
            continue
        reads[file] = read
        notes += read.notes
    if len(notes) > _SAID:
        notes = [*notes[:_SAID], f"and {len(notes) - _SAID:,} more remarks of this sort"]
    return reads, notes, skipped


def _classes(names: Sequence[str]) -> list[str] | None:
    """The sub-folder of each file, below those of a split; None where some lie in none, or all in one."""
    folders = [[part for part in PurePosixPath(file).parts[:-1] if not split_word(part)] for file in names]
    if not all(folders):
        return None
    depth = 0
    while all(len(parts) > depth + 1 for parts in folders) and len({parts[depth] for parts in folders}) == 1:
        depth += 1
    found = [parts[depth] for parts in folders]
    return found if len(set(found)) > 1 else None


def _items(
    name: str, reads: dict[str, Read], classes: Sequence[str] | None, splits: dict[str, str | None], notes: list[str], whole: bool
) -> Source:
    """Each file an item, or where files are long each of its lines that isn't empty."""
    items: list[str] = []
    labels: list[str] = []
    words: list[str | None] = []
    for number, (file, read) in enumerate(reads.items()):
        text = read.text if isinstance(read.text, str) else read.text.read(0, len(read.text)).decode("utf-8", "replace")
        own = [text.rstrip("\r\n")] if whole else [line for line in lines(text) if line.strip()]
        items += own
        labels += [classes[number] if classes else ""] * len(own)
        words += [splits[file]] * len(own)
    split = split_indices(words)
    of = "each file an item" if whole else f"each line of a file an item, for half of the files have more than {_SMALL:,} characters"
    counts = Counter(classes or ())
    columns = {"label": category_column("label", labels)} if counts else {}
    why = f"{len(reads):,} text files{f' in {len(counts):,} folders, which are classes' if counts else ''}: {of}"
    return Source(name, "text", items, columns, split if is_official(split) else None, tuple(notes), why_kind=why)


def _joined(name: str, reads: dict[str, Read], splits: dict[str, str | None], kind: str | None, judge: Judge, notes: list[str]) -> Source:
    """The files of each split one after another: as lines where those of the first look like a list, else as a running text."""
    order = [word for word in ("train", "validation", "holdout", None) if word in splits.values()]
    first = next(file for file in reads if splits[file] == order[0])
    listed, why = judge(reads[first].text) if kind is None else (kind == "lines", "asked for")
    if listed:
        items: list[str] = []
        words: list[str | None] = []
        for file, read in reads.items():
            own = [line for line in lines(read.text) if line.strip()]
            items += own
            words += [splits[file]] * len(own)
        found = split_indices(words)
        official = found if is_official(found) else None
        return Source(name, "text", items, split=official, notes=tuple(notes), why_kind=f"a list, each line an item: {first}: {why}")
    if len(reads) > len(order):
        notes = [*notes, f"{len(reads):,} files were joined into one running text, in the order of their names"]
    # A file that doesn't end its last line gets the end that it lacks, before the next begins.
    texts = {word: [read.text for file, read in reads.items() if splits[file] == word] for word in order}
    whole = [join([part for text in parts[:-1] for part in ended(text)] + parts[-1:]) for parts in texts.values()]
    passaged, numbers = passages(name, whole)
    named = {str(word): rows for word, rows in zip(order, numbers, strict=True) if word is not None}
    split = named if is_official(named) else None
    return Source(name, "text", passaged, split=split, notes=tuple(notes), why_kind=f"a running text: {first}: {why}", ordered=True)
