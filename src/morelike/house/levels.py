"""Levels that are larger than an example, go on, or have gaps: from a model and what a user knows to whole levels.

B batch, T ids of an example, L ids of a level.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..core.abilities import Continues, Infills
from ..core.contract import Generator
from ..core.errors import BadInput, Refused
from ..core.noise import Noise
from ..core.spec import Tokens, lift_all
from ..data.level import LevelCodec
from ..data.level_read import SIDE
from ..data.level_rooms import Dungeon, link, usable
from ..judges.level import solved
from ..maths.constraint import Constraint
from ..maths.decoding import Dials, stream
from ..tasks.filling import fill
from .able import generator
from .package import Package
from .sampling import CHUNK_OF_IDS, checked, chunks, conditions_for, draw, fixed_conditions, ruled

LARGER = ("columns", "rows", "rooms")
"""Dials of `sample` that make levels larger than an example."""
_POOL = 8
"""Rooms that are drawn for each one that is wanted."""
_MOST_ROOMS = 200
TRIES = 32
"""Draws of a gap, of which those are kept that make a whole."""
ROUNDS = 4
"""Times that so many are drawn, at most, until a search solves enough of them."""
NODES = 5_000
"""States of a puzzle that are looked into until it counts as not solved."""
_MOST = 100


def larger(package: Package, dials: Mapping[str, Any]) -> str | None:
    """The dial that asks for larger levels, if there is one. Raises BadInput for one that doesn't go with the data."""
    codec = package.codec
    asked = next((name for name in LARGER if name in dials), None) if isinstance(codec, LevelCodec) else None
    if asked is None:
        return None
    assert isinstance(codec, LevelCodec)
    takes = codec.layout.along or ("rooms" if codec.layout.game == "rooms" else "")
    if asked != takes:
        raise BadInput(f"{asked}=... isn't for these levels: " + (f"they take {takes}=..." if takes else "all of them are of one size"))
    return asked


def sample_larger(package: Package, n: int, where: Mapping[str, Any], seed: int, dials: Mapping[str, Any]) -> list[str]:
    """n levels of as many columns or rows as the dial says, or dungeons of so many rooms."""
    asked = larger(package, dials)
    assert asked is not None
    rest, wanted = {name: value for name, value in dials.items() if name != asked}, dials[asked]
    if asked == "rooms":
        return [made.level for made in dungeons(package, n, wanted, where, seed, rest)]
    codec = _codec(package)
    least = codec.layout.width if asked == "columns" else codec.layout.height
    if isinstance(wanted, bool) or not isinstance(wanted, int) or not least <= wanted <= SIDE:
        raise BadInput(f"{asked} must be a whole number from {least} (an example) to {SIDE:,}, not {wanted!r}")
    model = generator(package, "extend")
    by, own = ruled(package, rest)
    spec, choice = _way(package, own)
    rules = _rules(codec, spec) if by is not None else None
    condition = conditions_for(package, n, where, seed)
    assert isinstance(model, Continues)
    found: list[str] = []
    for told, noise, count in chunks(model, n, condition, seed, CHUNK_OF_IDS):
        steps = stream(model, spec, told, noise=noise, dials=choice, constraint=rules, length=wanted * _side(codec))
        found += codec.decode(torch.stack(list(steps), 1)[:count].cpu().numpy())
    return found


def dungeons(package: Package, n: int, rooms: Any, where: Mapping[str, Any], seed: int, dials: Mapping[str, Any]) -> list[Dungeon]:
    """n dungeons of linked rooms. Rooms whose doors aren't joined are left out of the pool that a dungeon is linked of."""
    if isinstance(rooms, bool) or not isinstance(rooms, int) or not 2 <= rooms <= _MOST_ROOMS:
        raise BadInput(f"rooms must be a whole number from 2 to {_MOST_ROOMS}, not {rooms!r}")
    codec, model = _codec(package), package.model
    by, own = ruled(package, dials)
    found = []
    for number in range(n):
        # a seed for each: dungeon k is the same whatever n is
        drawn_by = int(Noise(seed, n, path=("dungeon",)).integers(1 << 30, ())[number])
        condition = conditions_for(package, _POOL * rooms, where, drawn_by)
        x = draw(model, _POOL * rooms, condition, seed=drawn_by, dials=checked(_drawing(package), own), by=by)
        pool = [room for room in codec.grid_of(x.numpy()) if usable(codec, room)]
        if not pool:
            raise Refused(f"none of {len(x):,} rooms that were drawn has doors that are joined: train the model longer")
        found.append(link(codec, pool, rooms, Noise(drawn_by, 1, path=("link",))))
    return found


def extend(
    package: Package, level: str, n: int, count: int | None, where: Mapping[str, Any], seed: int, dials: Mapping[str, Any]
) -> list[str]:
    """n ways in which a level goes on, the level itself first; `count` columns (or rows) more, by default half an example.

    With rules, the whole is obeyed: raises BadInput where the beginning already breaks them.
    """
    codec, model = _codec(package), generator(package, "extend")
    assert isinstance(model, Continues)
    along = codec.layout.along
    if not along:
        raise BadInput("these levels are of one size, and don't go on; restore fills a part of one")
    _check_number(n)
    count = max(1, (codec.layout.width if along == "columns" else codec.layout.height) // 2) if count is None else count
    beginning = codec.arranged(codec.marked(_whole(codec, level)[None]))
    if codec.layout.form == "grid":
        raise Refused("codec.form=grid has no end to go on from: train with columns or rows")
    total = beginning.shape[1] + count * _side(codec)
    if total // _side(codec) > SIDE:
        raise BadInput(f"the level would have {total // _side(codec):,} {along}; at most {SIDE:,} are drawn")
    by, own = ruled(package, dials)
    spec, choice = _way(package, own)
    rules = _rules(codec, spec) if by is not None else None
    prefix = torch.from_numpy(beginning).expand(n, -1)
    if rules is not None and not _begins(rules, prefix[:1], total):
        raise BadInput("the level itself can't be walked through from left to right, so what follows can't: rules=false goes on anyway")
    condition, noise = _told(package, where, n), Noise(seed, n, path=("extend",))
    steps = stream(model, spec, condition, noise=noise, prefix=prefix, dials=choice, constraint=rules, length=count * _side(codec))
    return codec.decode(torch.cat([prefix, torch.stack(list(steps), 1).cpu()], 1).numpy())


@dataclass(frozen=True, slots=True)
class Refilled:
    """Ways to fill a gap of a level, the likeliest first."""

    levels: list[str]
    drawn: int
    """Draws that were looked at."""
    kept: int
    """Those of them that make a whole that breaks no rule; of Sokoban, that a search solves."""
    shown: str
    """The level that was given."""


def restore(
    package: Package, level: str, box: tuple[int, int, int, int], n: int, where: Mapping[str, Any], seed: int, dials: Mapping[str, Any]
) -> Refilled:
    """n ways to fill a box (left, top, width, height) of a level; all other tiles stay as they are.

    `TRIES` draws for each are made of the example around the box; those are kept with which the whole level breaks no rule of its game
    (can be walked through, has its doors joined), the likeliest first. Of Sokoban those that a search solves, one draw after another until
    there are n, from up to `ROUNDS` times as many draws. Raises Refused where none does.
    """
    codec = _codec(package)
    _check_number(n)
    grid = _whole(codec, level)
    gap = _gap(grid, box)
    window = _window(codec, grid.shape, box)
    hard = codec.layout.game == "sokoban"
    kept: list[str] = []
    faults: list[str] = []
    drawn = 0
    for turn in range(ROUNDS if hard else 1):
        noise = Noise(seed, TRIES * n, path=("restore", *([str(turn)] if turn else [])))
        for part in _ways(package, grid[window], gap[window], noise, where, dials):
            whole = grid.copy()
            whole[window] = part
            text, drawn = _text(codec, whole), drawn + 1
            fault = _fault(codec, text)
            (kept if fault is None else faults).append(text if fault is None else fault)
            if hard and len(set(kept)) == n:
                break
        if len(set(kept)) >= n:
            break
    if not kept:
        raise Refused(f"none of {drawn} ways to fill the gap makes a whole level ({faults[0]}): widen the box, or give another --seed")
    return Refilled(list(dict.fromkeys(kept))[:n], drawn, len(kept), _text(codec, grid))


def _ways(
    package: Package, part: np.ndarray, gap: np.ndarray, noise: Noise, where: Mapping[str, Any], dials: Mapping[str, Any]
) -> np.ndarray:
    """(noise.size,H,W) examples with the gap (H,W) of one of them drawn anew, the likeliest first where that is known."""
    codec, model = _codec(package), generator(package, "restore")
    left = int(gap.any(0).argmax())
    # what stands left of the gap tells where the way has come to
    part = np.concatenate([codec.marked(part[None, :, :left])[0], part[:, left:]], 1)
    x, known = (torch.from_numpy(np.ascontiguousarray(codec.arranged(own[None]))) for own in (part, ~gap))
    x, known = x.expand(noise.size, *x.shape[1:]), known.expand(noise.size, *known.shape[1:])
    condition = _told(package, where, noise.size)
    by, own = ruled(package, dials)
    if isinstance(model, Infills):
        with torch.no_grad():
            return codec.grid_of(model.infill(x.clone(), known, condition, noise=noise, **checked(model, own)).numpy())
    assert isinstance(model, Continues)
    spec, choice = _way(package, own)
    rules = _rules(codec, spec) if by is not None else None
    drawn, nats = fill(model, x, known, condition, noise=noise, dials=choice, constraint=rules)
    return codec.grid_of(drawn.numpy())[np.argsort(nats.numpy(), kind="stable")]


def _fault(codec: LevelCodec, level: str) -> str | None:
    """Why a level can't be played, in words; None where it can. Of Sokoban what a search of `NODES` states doesn't solve can't."""
    fault = codec.broken(level)
    if fault is not None or codec.layout.game != "sokoban":
        return fault
    found = solved(codec, level, NODES)
    answers = {"unsolvable": "it has no solution", "unknown": f"no solution was found in {NODES:,} states"}
    return None if found is None else answers.get(found.answer)


def read_level(package: Package, file: str) -> str:
    """The first level of a file."""
    path = Path(file)
    if not path.is_file():
        raise BadInput(f"there is no file {path}" if not path.exists() else f"{path} is a folder; a file is needed")
    return _codec(package).read(path)[0]


def _codec(package: Package) -> LevelCodec:
    if not isinstance(package.codec, LevelCodec):
        raise BadInput(f"this is for models of levels, and this one learnt the kind {package.codec.kind!r}")
    return package.codec


def _drawing(package: Package) -> Generator:
    if not isinstance(package.model, Generator):
        raise Refused(f"{package.recipe.model} is no generator: it can't draw levels")
    return package.model


def _check_number(n: int) -> None:
    if not 1 <= n <= _MOST:
        raise BadInput(f"the number of alternatives must be between 1 and {_MOST}, not {n}")


def _side(codec: LevelCodec) -> int:
    """Ids of a column, or of a row."""
    return codec.layout.height if codec.layout.along == "columns" else codec.layout.width


def _rules(codec: LevelCodec, spec: Tokens) -> Constraint | None:
    machine = codec.machine()
    return None if machine is None else Constraint([machine], spec)


def _way(package: Package, dials: Mapping[str, Any]) -> tuple[Tokens, Dials]:
    """(the Spec, the dials with the model's own where none are given)."""
    spec, model = package.model.spec, package.model
    assert isinstance(spec, Tokens)
    checked(_drawing(package), dials)
    return spec, Dials(**{f.name: dials.get(f.name, getattr(model.settings, f.name, f.default)) for f in fields(Dials)})


def _told(package: Package, where: Mapping[str, Any], n: int) -> dict[str, Tensor]:
    fixed = fixed_conditions(package, where)
    return lift_all(package.model.conditions, {name: value.expand(n, *value.shape[1:]) for name, value in fixed.items()})


def _begins(rules: Constraint, prefix: Tensor, length: int) -> bool:
    try:
        rules.begin(1, length, prefix)
    except BadInput:
        return False
    return True


def _whole(codec: LevelCodec, level: str) -> np.ndarray:
    """(H,W) ids of a level at least as large as an example."""
    return codec.tiles_of(level).astype(np.int64)


def _gap(grid: np.ndarray, box: tuple[int, int, int, int]) -> np.ndarray:
    left, top, width, height = box
    rows, columns = grid.shape
    if not (0 <= left < left + width <= columns and 0 <= top < top + height <= rows):
        text = ",".join(map(str, box))
        raise BadInput(f"the box {text} (left,top,width,height) doesn't lie in the level of {rows} rows of {columns} tiles")
    gap = np.zeros(grid.shape, np.bool_)
    gap[top : top + height, left : left + width] = True
    return gap


def _window(codec: LevelCodec, shape: tuple[int, ...], box: tuple[int, int, int, int]) -> tuple[slice, slice]:
    """The example around a box, the box in its middle as far as the level reaches. Raises BadInput for a box that is wider."""
    layout = codec.layout
    sizes = []
    for size, own, start, length in zip(shape, (layout.height, layout.width), (box[1], box[0]), (box[3], box[2]), strict=True):
        if length > own:
            raise BadInput(f"the box is {length} tiles long, and this model sees {own} at once: restore it in parts")
        sizes.append(slice(begin := min(max(0, start + length // 2 - own // 2), size - own), begin + own))
    return sizes[0], sizes[1]


def _text(codec: LevelCodec, grid: np.ndarray) -> str:
    return "\n".join("".join(codec.layout.tiles[number] for number in row) for row in grid.tolist())
