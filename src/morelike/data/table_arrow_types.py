"""The types that columns of Parquet files and data frames had before they became text. C columns."""

from __future__ import annotations

import base64
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import Any

from ..core.errors import BadInput


@dataclass(frozen=True, slots=True)
class ArrowTypes:
    """What cells were before they became text."""

    origin: str
    """"pandas" or "polars", whose frames are given back; "pyarrow" for all else."""
    schema: str
    """The Arrow schema, serialised, in base64."""
    nulls: tuple[str, ...]
    """(C,) the text that stands for null in each column."""
    categories: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The categories of each dictionary column, in their order."""

    def without(self, names: Collection[str]) -> ArrowTypes:
        """The same without the categories of some columns: of those that are never learnt nothing is kept."""
        return replace(self, categories={name: values for name, values in self.categories.items() if name not in names})

    def dropped(self, place: int) -> ArrowTypes:
        """The same without the column at a place."""
        return replace(self, nulls=(*self.nulls[:place], *self.nulls[place + 1 :]))

    def state(self) -> dict[str, Any]:
        """JSON values; `restore` is the inverse."""
        categories = {name: list(values) for name, values in self.categories.items()}
        return {"origin": self.origin, "schema": self.schema, "nulls": list(self.nulls), "categories": categories}

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> ArrowTypes:
        categories = {str(name): tuple(map(str, values)) for name, values in state["categories"].items()}
        return cls(str(state["origin"]), str(state["schema"]), tuple(map(str, state["nulls"])), categories)


def library(name: str, what: str) -> Any:
    """A module of the extra `tables`. Raises BadInput naming the extra where it isn't installed."""
    try:
        return import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        raise BadInput(f"{what} needs the package {package}: pip install 'morelike[tables]'.") from error


def kinds(types: ArrowTypes, names: Sequence[str]) -> dict[str, str]:
    """What each column of cells that came from such types holds: "whole", "number", "day", "second", "moment", "zoned" (a
    moment with its offset), "duration", "truth", "null", "text"."""
    pa = library("pyarrow", "a table of the types it was read from")
    schema, test, found = pa.ipc.read_schema(pa.BufferReader(base64.b64decode(types.schema))), pa.types, {}
    for name in names:
        kind = schema.field(name).type
        kind = kind.value_type if test.is_dictionary(kind) else kind
        if test.is_timestamp(kind):
            found[name] = "zoned" if kind.tz else "second" if kind.unit == "s" else "moment"
        else:
            by = {
                "whole": test.is_integer, "number": lambda one: test.is_floating(one) or test.is_decimal(one), "day": test.is_date,
                "duration": test.is_duration,
                "truth": test.is_boolean, "null": test.is_null,
            }  # fmt: skip
            found[name] = next((word for word, fits in by.items() if fits(kind)), "text")
    return found


Named = tuple[Sequence[str], ArrowTypes]


def types_of(names: Sequence[str], known: Sequence[Named], numbers: Mapping[str, bool]) -> ArrowTypes:
    """The types of columns `names`: those of the first of the `known` that has the column and values in it; else by `numbers` (True: whole
    ones), else text. The origin and what pandas notes are those of the first known."""
    pa = library("pyarrow", "a table with types")
    schemas = [pa.ipc.read_schema(pa.BufferReader(base64.b64decode(types.schema))) for _, types in known]
    fields, nulls = [], []
    categories: dict[str, tuple[str, ...]] = {}
    for name in names:
        marks = [types.nulls[list(own).index(name)] for own, types in known if name in own]
        nulls.append(marks[0] if marks else "")
        kind = pa.string() if name not in numbers else pa.int64() if numbers[name] else pa.float64()
        field = pa.field(name, kind)
        for (own, types), schema in zip(known, schemas, strict=True):
            if name in own and not pa.types.is_null(schema.field(name).type):
                field = schema.field(name)
                categories |= {name: types.categories[name]} if name in types.categories else {}
                break
        fields.append(field)
    metadata = schemas[0].metadata if schemas else None
    schema = pa.schema(fields, metadata=metadata)
    origin = known[0][1].origin if known else "pyarrow"
    return ArrowTypes(origin, base64.b64encode(schema.serialize()).decode(), tuple(nulls), categories)
