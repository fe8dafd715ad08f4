"""The verbs `restore`, `extend`, `simulate` and `detect` for models of series: from files to files.  L steps, C channels, n paths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..core.contract import Codec
from ..core.errors import BadInput
from ..data.series import SeriesCodec
from ..data.series_items import Series
from ..house import writing
from ..house.faults import RATE
from ..house.forecasting import Completed
from ..house.model import Model
from ..house.risk import LEVELS, Stress
from ..house.series_files import FORMS, write_completed, write_scores
from ..tasks.repairing import STEPS
from . import show
from .audience import RichAudience
from .drawing import dials_of, where_of
from .tasking import Words, said

PATHS, LEVEL = 100, 0.8


@dataclass(frozen=True, slots=True)
class Asked:
    """What was typed of a series that is to be completed."""

    known: str | None
    ahead: int
    n: int | None
    interval: float | None


@dataclass(frozen=True, slots=True)
class Scenario:
    """What was typed of paths under stress."""

    known: str | None
    ahead: int | None
    n: int
    shifts: Sequence[str]
    volatility: float
    weights: str | None
    levels: Sequence[float] | None


def restore(model: Model, words: Words, asked: Asked, out: str | None, as_json: bool, audience: RichAudience) -> None:
    """Fills gaps, goes on beyond the end, and writes what was drawn."""
    known = asked.known if asked.known is not None else words.file if words.file is not None else words.text
    if known is None:
        raise BadInput("name the series that is known: --known FILE.csv, and how far to go on: --ahead STEPS")
    place = _place(model, out, "forecast.csv", known)
    n, level = PATHS if asked.n is None else asked.n, LEVEL if asked.interval is None else asked.interval
    where = where_of(model, words.where)
    found = model.forecast(known, asked.ahead, n, level, where=where, seed=words.seed, steps=_steps(words), audience=audience)
    paths = write_completed(place, found, model.codec)
    if as_json:
        show.as_json({"known": known, "ahead": asked.ahead, "n": n, "interval": level, "calibrated": found.calibrated,
                      "drawn": int(found.drawn.sum()), "paths": list(map(str, paths)), "notes": found.notes})  # fmt: skip
        return
    said(audience, found.notes)
    how = "widened or narrowed to what held on validation data" if found.calibrated else "as the model draws them"
    show.say(f"{int(found.drawn.sum()):,} values drawn {n:,} times; intervals of {level:.0%}, {how}: {', '.join(map(str, paths))}")
    _ends(found)


def extend(model: Model, words: Words, length: int | None, n: int, out: str | None, as_json: bool, audience: RichAudience) -> None:
    """Goes on with a series."""
    if length is None:
        raise BadInput("say how many steps the series is to go on: --length STEPS")
    restore(model, words, Asked(None, length, PATHS if n == 1 else n, None), out, as_json, audience)


def _ends(found: Completed) -> None:
    """Prints each channel's last step where it was drawn."""
    low, high = found.bounds()
    for number, name in enumerate(found.item.names[:20]):
        if found.drawn[-1, number]:
            middle, least, most = (float(own[-1, number]) for own in (found.median, low, high))
            show.say(f"{name} at the end: {middle:.6g} ({least:.6g} to {most:.6g})")


def simulate(model: Model, words: Words, asked: Scenario, out: str | None, as_json: bool) -> None:
    """Draws paths under stress and writes them, and prints what may be lost."""
    if asked.known is None or asked.ahead is None:
        raise BadInput("paths start from what has been: add --known FILE.csv and --ahead STEPS")
    place = _place(model, out, "simulated.csv", asked.known)
    stress = Stress(asked.shifts, asked.volatility, asked.weights, LEVELS if asked.levels is None else asked.levels)
    audience = RichAudience(as_json)
    where = where_of(model, words.where)
    found = model.stress(asked.known, asked.ahead, asked.n, stress, where=where, seed=words.seed, steps=_steps(words), audience=audience)
    paths = write_completed(place, found.stressed, model.codec, plain=found.plain)
    if as_json:
        show.as_json({"paths": list(map(str, paths)), **found.summary()})
        return
    said(audience, found.notes)
    show.say(f"{asked.n:,} paths of {asked.ahead:,} steps: {', '.join(map(str, paths))}")
    for own in found.summary()["ends"]:
        show.say(f"{own['column']}: {own['known']:.6g} now; median at the end {own['median']:.6g}, under stress {own['stressed']:.6g}")
    if found.risk is not None:
        show.say(f"{asked.weights} is worth {found.risk['value']:.6g} now; over {asked.ahead:,} steps")
        for row in found.risk["levels"]:
            show.say(
                f"at {row['level']:g}: value at risk {row['value_at_risk']:.4g}, expected shortfall {row['expected_shortfall']:.4g}; under "
                f"stress {row['stressed_value_at_risk']:.4g} and {row['stressed_expected_shortfall']:.4g}"
            )
        show.say("these are numbers of a model of past data, and no advice")


def detect(
    model: Model, file: str | None, rate: float | None, asked: dict[str, Any], out: str | None, as_json: bool, audience: RichAudience
) -> None:
    """Scores every value of a series and names the alarms. `asked`: data, offline."""
    if file is None:
        raise BadInput("name the series in which faults are looked for: a CSV file")
    place = None if out is None else writing.file_for(out, {".csv": "time, column, score and fault of every value"})
    if place is not None and place.exists() and Path(file).exists() and place.samefile(file):
        raise BadInput(f"{out} is the file that is read, and would be lost: name another one with --out")
    found = model.faults(file, RATE if rate is None else rate, audience=audience, **asked)
    if place is not None:
        write_scores(place, found, model.codec)
    if as_json:
        show.as_json(found.summary() | {"path": None if place is None else str(place)})
        return
    summary = found.summary()
    said(audience, found.notes)
    count = f"{summary['alarms']:,} {'stretch' if summary['alarms'] == 1 else 'stretches'}"
    expected = f"{summary['rate']:.2%} of sound ones are expected"
    show.say(f"{count} above {summary['threshold']:.3g}, {summary['share']:.2%} of the values ({expected})")
    for own in summary["top"]:
        rows = f"row {own['first']:,}" if own["first"] == own["last"] else f"rows {own['first']:,} to {own['last']:,}"
        show.say(f"{own['column']}, {rows}{_at(found.item, own['first'], model.codec)}: {own['fault']}, score {own['score']:.3g}")
    show.say(*([f"every value with its score: {place}"] if place is not None else []))


def _at(item: Series, row: int, codec: Codec) -> str:
    """The row's time as the model's data write it."""
    if item.times is None:
        return ""
    if isinstance(codec, SeriesCodec) and codec.clock is not None:
        return f" ({codec.clock.write(item.times[row - 1 : row])[0]})"
    time = item.times[row - 1]
    return f" ({np.datetime_as_string(time, unit='s')})" if item.times.dtype.kind == "M" else f" ({time:.6g})"


def _place(model: Model, out: str | None, name: str, known: str) -> writing.Target:
    """Where to write. Raises BadInput where it can't be, or where it is the file that is read."""
    path = out if out is not None else str((model.folder or Path()) / name)
    folder = path.endswith("/") or not Path(path).suffix
    file = None if folder else writing.Target(writing.file_for(path, FORMS), Path(path).suffix.lower())
    place = writing.target(path, "series", 1) if file is None else file
    if place.path.exists() and Path(known).exists() and place.path.samefile(known):
        raise BadInput(f"{place.path} is the file that is read, and would be lost: name another one with --out")
    return place


def _steps(words: Words) -> int:
    """The dial `steps`. Raises BadInput for other dials."""
    dials = dials_of(words.dials)
    if others := sorted(dials.keys() - {"steps"}):
        raise BadInput(f"series are completed with the dial steps, not {others[0]}: leave it out")
    steps = dials.get("steps", STEPS)
    if isinstance(steps, bool) or not isinstance(steps, int):
        raise BadInput(f"steps is a whole number, not {steps!r}")
    return steps


