"""The verbs of tasks on tables: from words to a model's methods, to the terminal or a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..core.errors import BadInput
from ..data.table_arrow_types import library
from ..house import table_bayes, writing
from ..house.model import Model
from . import heat, show
from .audience import RichAudience
from .drawing import dials_of, pairs
from .tasking import Words, said


def restore(model: Model, words: Words, n: int, best: bool, out: str | None, as_json: bool, audience: RichAudience) -> None:
    """Fills the missing cells of a table and writes it."""
    file = words.file if words.file is not None else words.text
    if file is None:
        raise BadInput("there is no table: give a CSV or Parquet file with missing cells")
    if out is None:
        raise BadInput("say where the filled table goes: --out FILLED.csv")
    places = table_files(out, n, file)
    found = model.impute(file, n, best=best, seed=words.seed, audience=audience, **dials_of(words.dials))
    said(audience, found.notes)
    for place, rows in zip(places, found.copies, strict=True):
        writing.write_rows(place, rows)
    if as_json:
        show.as_json({**found.summary(), "paths": [str(place) for place in places]})
        return
    summary = found.summary()
    each = ", ".join(f"{name} {count:,}" for name, count in summary["columns"].items())
    show.say(f"{summary['filled']:,} cells filled in {summary['rows']:,} rows{f' ({each})' if each else ''}: {', '.join(map(str, places))}")


def classify(model: Model, file: str, column: str | None, out: str | None, as_json: bool, audience: RichAudience) -> None:
    """Names the class of each row of a file; writes them beside the rows, or prints them."""
    place = None if out is None else table_files(out, source=file)[0]
    found = table_bayes.classify_rows(model.package, file, column, audience)
    said(audience, found.notes)
    if place is not None:
        writing.write_rows(place, found.rewritten())
    if as_json:
        show.as_json(found.summary() | {"path": None if place is None else str(place)})
    elif place is not None:
        show.say(f"{len(found.labels):,} rows with their {found.target.name}: {place}")
    else:
        for label, share in zip(found.labels, found.probabilities.max(1).tolist(), strict=True):
            print(f"{label}\t{share:.4f}")


def detect(
    model: Model, file: str | None, label: str | None, asked: dict[str, Any], out: str | None, as_json: bool, audience: RichAudience
) -> None:
    """Scores rows and explains the oddest. `asked`: data, offline."""
    place = None if out is None else table_files(out, source=file)[0]
    named = None if label is None else next(iter(pairs([label], "--label", "default=1").items()))
    found = model.detect(file, named, audience=audience, **asked)
    said(audience, found.notes)
    if place is not None:
        writing.write_rows(place, found.rewritten())
    if as_json:
        show.as_json(found.summary() | {"path": None if place is None else str(place)})
        return
    heat.odd_rows(found.summary())
    show.say(*([f"{len(found.scores):,} rows with score and rank: {place}"] if place is not None else []))


def augment(model: Model, asked: dict[str, Any], out: str | None, anyway: bool, as_json: bool, audience: RichAudience) -> bool:
    """Measures what generated rows are worth and writes the larger table where they are worth something, or `anyway`; whether it is so.
    `asked`: column, n, data, seed, offline."""
    place = None if out is None else table_files(out)[0]
    found = model.augment(audience=audience, **asked)
    good = found.recommended or anyway
    if place is not None and good:
        writing.write_rows(place, found.rows)
    if as_json:
        show.as_json(found.summary() | {"path": str(place) if place is not None and good else None})
        return good
    heat.gains(found.summary())
    if place is not None:
        show.say(
            f"{len(found.rows.table) - found.added:,} training rows and {found.added:,} generated ones after them: {place}" if good
            else "nothing is written; --anyway writes the table all the same"
        )  # fmt: skip
    return good


def table_files(out: str, n: int = 1, source: str | None = None) -> list[Path]:
    """The path of one file of rows, or of n with numbers before the ending. Raises BadInput where they can't be written, or where one is
    the `source` that is read."""
    path = Path(out)
    if path.suffix.lower() not in (".csv", ".parquet"):
        raise BadInput(f"rows are written as CSV or Parquet: name a file that ends in .csv or .parquet, not {out}")
    if path.suffix.lower() == ".parquet":
        library("pyarrow.parquet", "writing Parquet")
    names = [out] if n == 1 else [str(path.with_name(f"{path.stem}-{number}{path.suffix}")) for number in range(1, n + 1)]
    places = [writing.file_for(name) for name in names]
    if source is not None and any(place.exists() and Path(source).exists() and place.samefile(source) for place in places):
        raise BadInput(f"{out} is the file that is read, and would be lost: name another one with --out")
    return places
