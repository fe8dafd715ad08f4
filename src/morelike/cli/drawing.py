"""The verb `sample`: from words to conditions and dials, to files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import BadInput
from ..house import writing
from ..house.model import check_count, load
from ..house.recipe import parse_value


@dataclass(frozen=True, slots=True)
class Asked:
    """What the samples are to be."""

    where: Sequence[str]
    dials: Sequence[str]
    seed: int
    device: str


def sample(folder: str, n: int, asked: Asked, out: str | None) -> Path:
    """Draws and writes; returns the path. What is wrong with the place is said before anything is drawn."""
    where = _pairs(asked.where, "--where", "label=3")
    dials = {name: parse_value(text) for name, text in _pairs(asked.dials, "the dial", "guidance=2").items()}
    check_count(n)
    model = load(folder)
    place = writing.target(out if out is not None else str(Path(folder) / "samples.png"), model.codec.kind, n)
    items, ids = model.to(asked.device).sample_with_conditions(n, where, asked.seed, **dials)
    writing.write(place, items, model.codec, ids, model.package.conditions)
    return place.path


def _pairs(texts: Sequence[str], what: str, example: str) -> dict[str, str]:
    """{name: value} of NAME=VALUE."""
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (equals and name.strip() and value.strip()):
            raise BadInput(f"{what} {text!r} is not NAME=VALUE, as in {example}")
        found[name.strip()] = value.strip()
    return found
