"""What was understood of some data, as JSON values: for `morelike check`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..core.contract import Codec
from ..core.spec import Array, spec_to_json
from .caption import CaptionCodec
from .loader import take
from .source import Source
from .split import Split
from .text import TextCodec
from .world import World

_SHOWN = 80


def understood(source: Source, split: Split, codecs: Mapping[str, Codec], needs: Mapping[str, int] | None = None) -> dict[str, Any]:
    """Everything that `check` says. `codecs`: the data's own as "x", and one by the name of each condition.

    `needs`: score -> the smallest number of held-out items it takes; those that this data can't give are listed as refused.
    """
    codec = codecs["x"]
    chosen = [name for name in codecs if name != "x"]
    held = len(split.holdout)
    cut = codec.pieces(take(source.items, split.holdout), False) if isinstance(codec, World) else None
    judged = held if cut is None else len(cut[0])
    step = codec.spec.bin if isinstance(codec.spec, Array) else 0.0
    described = getattr(codec, "describe", None)
    texts = {name: other for name in chosen if isinstance(other := codecs[name], TextCodec | CaptionCodec)}
    told = [f"{name}: {text}" for name, other in texts.items() for text in other.describe()]
    parts = {"train": split.train, "validation": split.validation, "holdout": split.holdout}
    return {
        "name": source.name,
        "kind": source.kind,
        "why_kind": source.why_kind,
        "items": len(source.items),
        "shape": list(codec.spec.shape),
        "spec": spec_to_json(codec.spec),
        "bin": step,
        "dtype": str(getattr(codec, "dtype", "")),
        "splits": {
            "train": len(split.train),
            "validation": len(split.validation),
            "holdout": held,
            "official": split.official,
            "fingerprint": split.fingerprint,
            **({"characters": {name: source.items.characters(rows) for name, rows in parts.items()}} if source.ordered else {}),
        },
        **({"text": _text(codec, source)} if isinstance(codec, TextCodec) else {}),
        "conditions": [_column(source, name, codecs[name]) for name in chosen],
        "columns": [_column(source, name) for name in source.columns if name not in chosen],
        "notes": [*(described() if described is not None else ()), *told, *source.notes],
        "skipped": [{"file": file, "why": why} for file, why in source.skipped],
        "refused": [
            {"score": score, "why": f"needs {least:,} held-out items, and there are {judged:,}"}
            for score, least in (needs or {}).items()
            if judged < least
        ],
    }


def _text(codec: TextCodec, source: Source) -> dict[str, Any]:
    example = source.items[0][:_SHOWN]
    return {"unit": codec.unit, "ids": codec.spec.vocab, "window": codec.window, "running": source.ordered, "example": example}


def _column(source: Source, name: str, codec: Codec | None = None) -> dict[str, Any]:
    """What a column holds; `codec`: its own, where it is a condition."""
    column = source.columns[name]
    if column.kind == "picture":
        return {"name": name, "picture": list(codec.spec.shape) if codec is not None else []}
    if column.kind == "around":
        return {"name": name, "numbers": list(codec.spec.shape) if codec is not None else []}
    if column.kind == "text":
        return {"name": name, "text": next((text for text in column.values if text), "")[:_SHOWN], "longest": max(map(len, column.values))}
    if column.kind == "number":
        return {"name": name, "low": float(column.values.min()), "high": float(column.values.max())}
    counts = np.bincount(column.values, minlength=len(column.categories))
    return {"name": name, "categories": list(column.categories), "counts": counts.tolist()}
