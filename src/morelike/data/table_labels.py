"""Labels of a data frame's columns that are no texts (numbers, tuples, dates) <-> JSON, kept in the notes of an Arrow schema."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import numpy as np

KEY = b"morelike labels"
"""The note's name."""


def noted(frame: Any) -> dict[bytes, bytes]:
    """The note of a pandas frame whose labels are no plain texts; nothing for others, and where a label is of another type."""
    columns = frame.columns
    if columns.nlevels == 1 and columns.name is None and all(isinstance(label, str) for label in columns):
        return {}
    try:
        plain = {"labels": [_plain(label) for label in columns], "names": [_plain(name) for name in columns.names]}
    except TypeError:
        return {}
    return {KEY: json.dumps({**plain, "texts": [str(label) for label in columns]}).encode()}


def labelled(frame: Any, notes: Mapping[bytes, bytes] | None) -> Any:
    """A pandas frame with the labels of `notes` in place of their texts."""
    if not notes or KEY not in notes:
        return frame
    pandas = import_module("pandas")
    kept = json.loads(notes[KEY])
    labels = dict(zip(kept["texts"], kept["labels"], strict=True))
    names = [_label(name) for name in kept["names"]]
    several = len(names) > 1
    # a column that was added has a text, at the first level
    more = [""] * (len(names) - 1)
    own = [_label(labels.get(text, [text, *more] if several else text)) for text in frame.columns]
    index = pandas.MultiIndex.from_tuples(own, names=names) if several else pandas.Index(own, name=names[0], tupleize_cols=False)
    return frame.set_axis(index, axis=1)


def _plain(label: Any) -> Any:
    """JSON of a label. Raises TypeError for a type that isn't known."""
    if isinstance(label, np.generic) and not isinstance(label, np.datetime64 | np.timedelta64):
        label = label.item()
    if label is None or isinstance(label, str | bool | int | float):
        return label
    if isinstance(label, tuple):
        return [_plain(part) for part in label]
    if isinstance(label, datetime.datetime):
        return {"moment": label.isoformat()}
    if isinstance(label, datetime.date):
        return {"date": label.isoformat()}
    raise TypeError(f"a label of the type {type(label).__name__}")


def _label(plain: Any) -> Any:
    """The inverse of `_plain`; a moment is one of pandas."""
    if isinstance(plain, list):
        return tuple(_label(part) for part in plain)
    if isinstance(plain, dict) and "moment" in plain:
        return import_module("pandas").Timestamp(plain["moment"])
    return datetime.date.fromisoformat(plain["date"]) if isinstance(plain, dict) else plain
