"""From one set to another: pictures, or rows of numbers, carried over by a model that `Translates`.

N items, * an item's shape.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import torch

from ..core.abilities import Translates
from ..core.contract import Codec
from ..core.errors import BadInput
from ..core.spec import lift
from ..data.category import CategoryCodec
from ..data.files import FolderFiles
from ..data.folder import pictures_in
from ..data.image import ImageCodec
from ..data.picture_file import read_image
from ..judges.carried import Carried
from .able import generator
from .package import Package
from .prepare import Prepared, as_items, raw_of

_AT_ONCE = 128
_JUDGED = 1000


@dataclass(frozen=True, slots=True)
class Way:
    """From which set to which."""

    label: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Making:
    """How pictures are made of pictures: what reads the given ones, and a function from some raw items to as many others."""

    codec: Codec
    make: Callable[[Any], np.ndarray]
    old: str
    new: str
    """What they are, and what they become, in words."""


def way_of(package: Package, to: str | None, given: str | None) -> Way:
    """What is asked for; of two sets one end says the other. Raises BadInput where it isn't said, UnknownName for an unknown set."""
    generator(package, "translate")
    [(label, codec)] = package.conditions.items()
    assert isinstance(codec, CategoryCodec)
    for name in (to, given):
        if name is not None:
            codec.id_of(name)
    if to == given:
        what = f"it is to go from {to} to {to}" if to is not None else "nothing says where to go"
        raise BadInput(f"{what}: name a set with --to ({', '.join(codec.names)})")
    first, second = codec.names
    new = to if to is not None else first if given == second else second
    return Way(label, second if new == first else first, new)


@torch.no_grad()
def carry(package: Package, items: Any, way: Way) -> np.ndarray:
    """(N,*) raw items from raw items, 128 at a time."""
    model, codec = package.model, package.codec
    assert isinstance(model, Translates)
    ids = {name: package.conditions[way.label].encode([name])[0] for name in (way.old, way.new)}
    found = []
    for at in range(0, len(items), _AT_ONCE):
        some = items[at : at + _AT_ONCE]
        x = lift(codec.spec, torch.from_numpy(np.asarray(codec.encode(some)))).to(package.model.device)
        old, new = ({way.label: torch.from_numpy(ids[name]).to(x.device).expand(len(x), 1)} for name in (way.old, way.new))
        found.append(as_items(codec.decode(model.translate(x, old, new).cpu().numpy())))
    return np.concatenate(found)


def items_of(codec: Codec, given: Any) -> Any:
    """Raw items of an array, a list of them or of paths, or the path of a picture or a folder. Raises BadInput where there are none."""
    if isinstance(given, str | Path):
        return [read(file) for _, file in files_in(codec, Path(given))]
    items = [read(Path(item)) if isinstance(item, str | Path) else item for item in given] if isinstance(given, list | tuple) else given
    if not len(items):
        raise BadInput("there is nothing to translate: no items were given")
    return items


def files_in(codec: Codec, path: Path) -> list[tuple[str, Path]]:
    """(the name that its translation gets, file) of a picture, or of all in a folder. Raises BadInput where there is none, or where two
    would get one name."""
    if not isinstance(codec, ImageCodec):
        raise BadInput(f"files that are translated are pictures, and this model learnt the kind {codec.kind!r}: give an array")
    if not path.exists():
        raise BadInput(f"there is no picture or folder {path}")
    files = FolderFiles(path) if path.is_dir() else FolderFiles(path.parent, [path.name])
    found = pictures_in(files)
    if not found:
        raise BadInput(f"{path} holds no pictures" if path.is_dir() else f"{path} isn't a picture, by its ending")
    named: dict[str, str] = {}
    for name in found:
        target = str(PurePosixPath(name).with_suffix(".png"))
        if target in named:
            raise BadInput(f"{named[target]} and {name} in {path} would both become {target}: rename one of them")
        named[target] = name
    return [(target, files.where / name) for target, name in named.items()]


def read(file: Path) -> np.ndarray:
    """(H,W,C) of a picture file. Raises BadInput naming it."""
    try:
        return read_image(file)
    except BadInput as error:
        raise BadInput(f"{file}: {error}") from error


def carried(
    files: Sequence[tuple[str, Path]], make: Callable[[list[np.ndarray]], np.ndarray], advance: Callable[[int], object] = lambda _: None
) -> Iterator[tuple[str, np.ndarray]]:
    """(name, raw item (H,W,C)) of each file, as `make` makes them of what is in the files; `advance` hears how many are done."""
    for at in range(0, len(files), _AT_ONCE):
        some = files[at : at + _AT_ONCE]
        made = make([read(file) for _, file in some])
        yield from zip((name for name, _ in some), made, strict=True)
        advance(at + len(some))


def carried_of(package: Package, data: Prepared) -> Carried | None:
    """At most 1,000 held-out items of each set, carried over and back; None for a model that doesn't `Translates`."""
    if not isinstance(package.model, Translates):
        return None
    [(label, codec)] = package.conditions.items()
    assert isinstance(codec, CategoryCodec)
    training, real = (
        {name: raw_of(package.codec, part.x[_some(part.condition[label][:, 0] == number)]) for number, name in enumerate(codec.names)}
        for part in (data.train, data.holdout)
    )
    first, second = codec.names
    if not all(map(len, real.values())):
        raise BadInput(f"the held-out items are all of one set; both {first} and {second} are needed to judge")
    there, again = Way(label, first, second), Way(label, second, first)
    made = {second: carry(package, real[first], there), first: carry(package, real[second], again)}
    return Carried(training, real, made, {first: carry(package, made[second], again), second: carry(package, made[first], there)})


def _some(members: np.ndarray) -> np.ndarray:
    """The numbers of at most 1,000 members (N,) bool, spread evenly."""
    rows = np.flatnonzero(members)
    return rows[np.arange(min(len(rows), _JUDGED)) * len(rows) // max(1, min(len(rows), _JUDGED))]


def page(carried: Carried, columns: int) -> tuple[np.ndarray, list[str]]:
    """(raw items in rows of `columns`, the rows' names): held-out items of each set, carried over, and back."""
    rows, names = [], []
    for one, (other,) in ((one, [name for name in carried.real if name != one]) for one in carried.real):
        for items, name in ((carried.real[one], one), (carried.made[other], f"to {other}"), (carried.back[one], "and back")):
            rows.append(items[np.arange(columns) % len(items)])
            names.append(name)
    return np.concatenate(rows), names
