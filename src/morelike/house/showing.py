"""What people look at: pages of samples beside real data, stages, nearest pairs, and the report."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from .. import __version__
from ..core.contract import Codec, Trainable
from ..core.spec import sequential
from ..data.image import grid, rgb8
from ..data.world import World
from ..judges.report import ClassShare, Cost, DataCard, NearestPair, ReportData, Stage, write_report
from ..judges.report_text import MOST_CARDS, Writing
from ..training.record import read
from ..training.watchdog import UNHEALED
from .carrying import page
from .package import Package
from .prepare import Prepared, raw_of
from .sampling import draw
from .table_evidence import side_by_side
from .varying import picture_condition

if TYPE_CHECKING:
    from .judging import Judged

STAGE_TEXTS = 3
"""Texts kept of each stage of the training."""

def by_class(package: Package, rows: int, columns: int) -> dict[str, Tensor]:
    """Conditions for a page of rows x columns: a class a row where there is one label and nothing else, else nothing."""
    if len(package.conditions) != 1:
        return {}
    name, codec = next(iter(package.conditions.items()))
    if codec.kind != "category":
        return {}
    classes = torch.arange(rows) % codec.spec.vocab  # type: ignore[union-attr]
    return {name: classes.repeat_interleave(columns)[:, None]}


def page_conditions(package: Package, data: Prepared, rows: int, columns: int) -> tuple[dict[str, Tensor], np.ndarray | None]:
    """(conditions for a page of rows x columns, the hold-out's rows that they come from): a class a row where there is one label
    and nothing else, without such rows; for other conditions those of held-out items drawn at random."""
    wanted = by_class(package, rows, columns)
    if wanted or not package.conditions:
        return wanted, None
    order = np.argsort(np.random.PCG64(0).random_raw(len(data.holdout)), kind="stable")[: rows * columns]
    chosen = np.resize(order, rows * columns)
    return {name: torch.from_numpy(data.holdout.condition[name][chosen]) for name in package.conditions}, chosen


def real_page(data: Prepared, wanted: Mapping[str, Tensor], rows: int, columns: int) -> np.ndarray:
    """Stored training examples for a page, drawn at random, a class a row where `wanted` has one label."""
    if not wanted:
        order = np.argsort(np.random.PCG64(0).random_raw(len(data.train)), kind="stable")
        return data.train.x[np.sort(order[: rows * columns])]
    name, ids = next(iter(wanted.items()))
    labels = data.train.condition[name][:, 0]
    found: list[int] = []
    for row in range(rows):
        members = np.flatnonzero(labels == int(ids[row * columns]))
        members = members[np.argsort(np.random.PCG64([row]).random_raw(len(members)), kind="stable")][:columns]
        found += [int(members[i % len(members)]) if len(members) else 0 for i in range(columns)]
    return data.train.x[found]


def picture(codec: Codec, items: Any, columns: int, folder: Path, about: Sequence[str] = (), beside: Any = None) -> Any:
    """Raw items for the report: texts, each with its line of `about`, or pictures over it; or one picture, a grid or a scatter plot's PNG
    bytes. `beside`: the items of all scatter plots that are to have the same axes."""
    if codec.kind == "text":
        lines = about or [""] * len(items)
        return tuple(Writing(str(text), line) for text, line in zip(items, lines, strict=True))
    if codec.kind == "image":
        low, high = _range(codec)
        if about:
            return tuple(Writing("", line, rgb8(item, low, high)) for item, line in zip(items, about, strict=True))
        return grid([rgb8(item, low, high) for item in items], columns, gap=1, scale=1)
    path = folder / "page.png"
    codec.draw(items, path, columns, **({} if beside is None else {"beside": beside}))
    found = path.read_bytes()
    path.unlink()
    return found


def _range(codec: Codec) -> tuple[float, float]:
    return float(getattr(codec, "low", 0.0)), float(getattr(codec, "high", 1.0))


def keep_stage(package: Package, data: Prepared, model: Trainable, path: Path, precision: str) -> None:
    """Draws some samples in mid-training and keeps them for the report: texts as `path`.json, anything else as a picture, `path`.png."""
    text = package.codec.kind == "text"
    rows, columns = (STAGE_TEXTS, 1) if text else (1, package.codec.page[1]) if isinstance(package.codec, World) else (3, 10)
    condition, _ = page_conditions(package, data, rows, columns)
    # ids come one after another, so of texts no more are drawn than are kept
    x = draw(model, rows * columns, condition, seed=package.recipe.seed, precision=precision, chunk=rows if text else None)
    items = raw_of(package.codec, x.numpy())
    if text:
        path.with_suffix(".json").write_text(json.dumps(items.tolist()), encoding="utf-8")
    else:
        package.codec.draw(items, path.with_suffix(".png"), columns)


def said(conditions: Mapping[str, Codec], values: Mapping[str, Tensor]) -> list[str]:
    """One line for each row of the conditions: a text as it is, classes by name, numbers with their names; pictures are shown elsewhere."""
    parts: list[list[str]] = []
    for name, codec in conditions.items():
        if name not in values or codec.kind == "image":
            continue
        raw = raw_of(codec, values[name].numpy())
        match codec.kind:
            case "text" | "caption" | "category":
                parts.append([str(value) for value in raw])
            case _:
                parts.append([f"{name} {', '.join(f'{number:.4g}' for number in np.ravel(value))}" for value in raw])
    return [" · ".join(row) for row in zip(*parts, strict=True)]


def page_size(package: Package) -> tuple[int, int]:
    """(rows, columns) of the pages of samples."""
    if captioned(package):
        return MOST_CARDS, 1
    if package.codec.kind == "image":
        return 10, 10
    if isinstance(package.codec, World):
        label, (rows, columns) = by_class(package, 1, 1), package.codec.page
        return (min(next(iter(package.conditions.values())).spec.vocab, rows) if label else rows), columns  # type: ignore[union-attr]
    if not sequential(package.codec.spec):
        return 20, 50
    label = by_class(package, 1, 1)
    classes = next(iter(package.conditions.values())).spec.vocab if label else 0  # type: ignore[union-attr]
    return (min(classes, 8), max(2, 8 // classes)) if label else (8, 1)


def captioned(package: Package) -> bool:
    """Whether they are pictures with captions."""
    return package.codec.kind == "image" and any(codec.kind == "caption" for codec in package.conditions.values())


def _pages(package: Package, data: Prepared, precision: str, folder: Path) -> dict[str, Any]:
    """The report's real and generated pages and the names of their rows; tables have sections of their own."""
    if package.codec.kind == "table":
        return {}
    rows, columns = page_size(package)
    condition, chosen = page_conditions(package, data, rows, columns)
    made = draw(package.model, rows * columns, condition, seed=package.recipe.seed, precision=precision)
    stored = real_page(data, condition, rows, columns) if chosen is None else data.holdout.x[chosen]
    text = package.codec.kind == "text"
    about = said(package.conditions, condition) if text or captioned(package) else []
    names: tuple[str, ...] = ()
    if condition and chosen is None and not text:
        codec = next(iter(package.conditions.values()))
        names = tuple(codec.names[row % len(codec.names)] for row in range(rows))  # type: ignore[attr-defined]
    real, generated = raw_of(data.codec, stored), raw_of(package.codec, made.numpy())
    return {
        "real": picture(package.codec, real, columns, folder, about),
        "generated": picture(package.codec, generated, columns, folder, about),
        "row_labels": names,
        **told_page(package, condition, generated, real),
    }


def told_page(package: Package, condition: Mapping[str, Tensor], generated: np.ndarray, real: np.ndarray) -> dict[str, Any]:
    """The report's held-out picture conditions, what was made under each and the real ones, row by row; {} where there is none."""
    name = picture_condition(package)
    if name is None or package.codec.kind != "image":
        return {}
    codec, (height, width) = package.conditions[name], real.shape[1:3]
    told = raw_of(codec, condition[name].numpy())
    # as large as the pictures, without smoothing
    rows, columns = (np.arange(side) * have // side for side, have in zip((height, width), told.shape[1:3], strict=True))
    pages = ((told[:, rows[:, None], columns], _range(codec)), (generated, _range(package.codec)), (real, _range(package.codec)))
    shown = [rgb8(item, *ends) for at in (0, 10, 20) for items, ends in pages for item in items[at : at + 10]]
    return {"told": grid(shown, 10, gap=1, scale=1), "told_labels": (name, "made", "real") * 3}


def _carried(package: Package, judged: Judged) -> dict[str, Any]:
    """The report's held-out pictures carried over and back, and the names of their rows."""
    carried = judged.evidence.carried
    if carried is None or package.codec.kind != "image":
        return {}
    items, names = page(carried, 10)
    low, high = _range(package.codec)
    return {"carried": grid([rgb8(item, low, high) for item in items], 10, gap=1, scale=1), "carried_labels": names}


def report(package: Package, data: Prepared, judged: Judged, path: Path, facts: Mapping[str, Any]) -> None:
    """Writes the report to `path`, in the model's folder. `facts`: seconds, steps, batch, peak_memory, threads, precision, device."""
    folder = path.parent
    rows_of = read(folder / "training" / "record.jsonl")
    result = judged.result
    unhealed = [row for row in rows_of if row.get("event") == "verdict"]
    evidence = ReportData(
        name=data.source.name,
        kind=package.codec.kind,
        model=str(package.recipe.model),
        title=f"{data.source.name}: more like it",
        date=date.today().isoformat(),
        version=__version__,
        verdict="\n".join([judged.verdict.replace(". ", ".\n", 1), *(f"In training {row['what']}. {UNHEALED}." for row in unhealed)]),
        scores=result["scores"],
        copiers=result["copiers"],
        classes=[ClassShare(**row) for row in result["classes"]],
        classifier_accuracy=result["scores"].get("label-accuracy", {}).get("floor"),
        **_pages(package, data, facts.get("precision", "fp32"), folder),
        **_carried(package, judged),
        stages=_stages(folder / "training"),
        nearest=_nearest(package.codec, judged, folder),
        curves=[row for row in rows_of if row.get("event") in ("step", "validation")],
        incidents=incidents_of(folder / "training"),
        choice=package.card.get("choice"),
        cost=_cost(facts, judged.seconds),
        recipe=package.recipe.to_toml(),
        data=_data_card(data),
        table=side_by_side(judged.evidence),
    )
    write_report(evidence, path)


def _cost(facts: Mapping[str, Any], judging: float) -> Cost | None:
    if "steps" not in facts:
        return None
    return Cost(
        seconds=facts["seconds"], steps=facts["steps"], examples=facts["steps"] * facts["batch"], peak_memory=facts.get("peak_memory"),
        threads=facts["threads"], device=facts["device"], precision=facts["precision"], judging_seconds=judging,
    )  # fmt: skip


def _data_card(data: Prepared) -> DataCard:
    return DataCard(
        shape=example_words(data.codec),
        counts={"train": len(data.train), "validation": len(data.validation), "hold-out": len(data.holdout)},
        fingerprint=data.split.fingerprint,
        conditions={name: _condition_words(codec) for name, codec in data.conditions.items()},
        notes=[*data.source.notes, *data.codec.describe()],  # type: ignore[attr-defined]
        skipped=data.source.skipped,
    )


_SIZES = {"image": "(channels, height, width)", "text": "ids at most", "vector": "numbers"}


def example_words(codec: Codec) -> str:
    """What one example of this kind of data is."""
    if codec.kind == "table":
        return f"{len(codec.names):,} columns"  # type: ignore[attr-defined]  # a table's codec has them
    return f"{' x '.join(map(str, codec.spec.shape))} {_SIZES.get(codec.kind, '')}".strip()


def _condition_words(codec: Codec) -> str:
    if codec.kind == "category":
        return f"{codec.spec.vocab} classes"  # type: ignore[union-attr]
    if codec.kind == "image":
        return f"a picture, {example_words(codec)}"
    return f"a text of at most {codec.spec.shape[0]} ids" if codec.kind in ("text", "caption") else "a number"


def _stages(folder: Path) -> list[Stage]:
    found = []
    for path in sorted([*folder.glob("stage-*.png"), *folder.glob("stage-*.json")]):
        _, step, seconds = path.stem.split("-")
        found.append(Stage(label=f"step {int(step):,} · {int(seconds)} s", picture=_kept(path)))
    return found


def _kept(path: Path) -> bytes | tuple[Writing, ...]:
    """What `keep_stage` has written."""
    return tuple(map(Writing, json.loads(path.read_text(encoding="utf-8")))) if path.suffix == ".json" else path.read_bytes()


def incidents_of(folder: Path) -> list[dict[str, Any]]:
    """What the watchdog did, as in the record of a run's `training` folder; "before" and "after": samples, where they were drawn."""
    found = [dict(row) for row in read(folder / "record.jsonl") if row.get("event") in ("incident", "verdict")]
    for row in found:
        for when in ("before", "after"):
            for path in folder.glob(f"incident-{row.get('number')}-{when}.*"):
                row[when] = _kept(path)
    return found


def _nearest(codec: Codec, judged: Judged, folder: Path) -> list[NearestPair]:
    """The closest pairs, where single items can be looked at."""
    if codec.kind not in ("image", "text") and not isinstance(codec, World):
        return []
    evidence, (low, high) = judged.evidence, _range(codec)

    def show(item: Any) -> Any:
        if isinstance(codec, World):
            return picture(codec, [item], 1, folder)
        return item if codec.kind == "text" else rgb8(item, low, high)

    return [
        NearestPair(
            generated=show(evidence.generated.items[pair["generated"]]),
            training=show(evidence.reference.items[pair["training"]]),
            distance=pair["distance"],
            heldout=show(evidence.holdout.items[pair["heldout"]]),
            heldout_distance=pair["heldout_distance"],
            copy=pair["copy"],
        )
        for pair in judged.result["pairs"]
    ]
