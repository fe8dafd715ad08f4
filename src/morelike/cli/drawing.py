"""The verb `sample`: from words to conditions and dials, to files."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.errors import BadInput
from ..data.curve import CurveCodec
from ..data.text import TextCodec
from ..house import writing
from ..house.linked import is_linked, load_linked
from ..house.model import Model, check_count, load
from ..house.recipe import parse_value
from ..house.sampling import names_of, unlike_training
from ..house.texts import codec_of


@dataclass(frozen=True, slots=True)
class Asked:
    """What the samples are to be."""

    where: Sequence[str]
    dials: Sequence[str]
    seed: int
    device: str
    constraint: str | None = None
    stop: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Drawn:
    """What `sample` made: a file, or a text to be printed; `rule` says how the items stand in it, `notes` what was asked for and is odd."""

    path: Path | None
    text: str = ""
    rule: str = ""
    notes: Sequence[str] = ()


def sample(folder: str, n: int, asked: Asked, out: str | None) -> Drawn:
    """Draws and writes; texts are to be printed where no place is named. What is wrong with the place is said before anything is drawn."""
    if is_linked(folder):
        return _linked(folder, n, asked, out)
    dials = dials_of(asked.dials)
    check_count(n)
    model = load(folder)
    where = asked.where if model.codec.kind == "table" else where_of(model, asked.where)
    printed = out is None and isinstance(model.codec, TextCodec)
    name = "samples.csv" if model.codec.kind == "table" else "samples.png"
    place = None if printed else writing.target(out if out is not None else str(Path(folder) / name), model.codec.kind, n)
    if place is not None and model.codec.kind == "table":
        return _rows(model.to(asked.device), n, asked, dials, place)
    items, ids = model.to(asked.device).sample_with_conditions(
        n, where, asked.seed, constraint=asked.constraint, stop=asked.stop, **dials
    )
    if place is None:
        return Drawn(None, *writing.as_text(items))
    rule = writing.write(place, items, model.codec, ids, model.package.conditions)
    notes = [*unlike_training(model.package, where if isinstance(where, dict) else {}), *_crossed(model, items)]
    return Drawn(place.path, rule=rule, notes=notes)


def _crossed(model: Model, items: Any) -> list[str]:
    """A sentence where outlines were drawn that break the rules of their kind, which not every coding can rule out."""
    codec = model.codec
    broken = [fault for item in items if (fault := codec.broken(item)) is not None] if isinstance(codec, CurveCodec) else []
    return [f"{len(broken):,} of {len(items):,} outlines are none: {broken[0]}; draw some more and leave these out"] if broken else []


def _rows(model: Model, n: int, asked: Asked, dials: Mapping[str, Any], place: writing.Target) -> Drawn:
    """Draws and writes rows of a table, and says whether they obey what was asked of their columns."""
    if asked.constraint is not None or asked.stop:
        codec_of(model.package, "write under a constraint" if asked.constraint is not None else "be cut at a string")
    rows, report = model.sample_rows(n, asked.where, asked.seed, **dials)
    writing.write(place, rows, model.codec, {}, {})
    if not report:
        return Drawn(place.path)
    who = "all" if report["obeyed"] == 1 else f"{report['obeyed']:.4%} of them"
    kind = "a probability" if report["exact"] else "an estimated probability"
    rule = f"{who} obey {' and '.join(report['demands'])}, which has {kind} of {report['probability']:.4g} under the model"
    if report["kept"] is not None:
        rule += f"; {' and '.join(report['covered'])}: drawn within a covering box, {fits(report['kept'])}"
    return Drawn(place.path, rule=rule)


def fits(share: float) -> str:
    """Which share of drawn rows was kept, in words."""
    return f"{100 * share:.3g} % of its rows fit"


def _linked(folder: str, n: int, asked: Asked, out: str | None) -> Drawn:
    """Draws parents and their children, and writes a file of each into a folder."""
    if asked.constraint is not None or asked.stop:
        raise BadInput("constraints and stop strings are for texts; linked tables take --where COLUMN=VALUE of the parent")
    place = writing.table_folder(out if out is not None else str(Path(folder) / "samples"))
    tables = load_linked(folder).to(asked.device).sample(n, asked.where, asked.seed, **dials_of(asked.dials))
    writing.write_tables(place, tables)
    return Drawn(place, rule=", ".join(f"{len(cells):,} rows in {name}.csv" for name, cells in tables.items()))


def dials_of(texts: Sequence[str]) -> dict[str, Any]:
    """{name: value} of dials as they were typed. Raises BadInput for one that is no NAME=VALUE."""
    return {name: parse_value(text) for name, text in pairs(texts, "the dial", "temperature=0.8").items()}


def where_of(model: Model, texts: Sequence[str], what: str = "--where") -> dict[str, str]:
    """{name: value} of conditions or columns of the model, as they were typed. Raises BadInput for no NAME=VALUE."""
    return pairs(texts, what, "label=3", names_of(model.package))


def pairs(texts: Sequence[str], what: str, example: str, known: Collection[str] = ()) -> dict[str, str]:
    """{name: value} of NAME=VALUE, split at the first equals sign that leaves a `known` name, else at the first. Raises BadInput for a
    text that is none; `what` and `example` are for the sentence."""
    found = {}
    for text in texts:
        parts = text.split("=")
        splits = [("=".join(parts[:cut]).strip(), "=".join(parts[cut:]).strip()) for cut in range(1, len(parts))]
        splits = [(name, value) for name, value in splits if name and value]
        if not splits or not parts[0].strip():
            raise BadInput(f"{what} {text!r} is not NAME=VALUE, as in {example}")
        name, value = next((split for split in splits if split[0] in known), splits[0])
        found[name] = value
    return found
