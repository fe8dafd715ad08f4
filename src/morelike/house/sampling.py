"""Drawing from a model in chunks of fixed sizes, so that row 17 is the same whatever the number asked for."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ..core.abilities import Condition, Continues, Obeys, Predicts, Writes
from ..core.contract import Codec, Generator, Trainable
from ..core.errors import BadInput, BadPackage, Refused, UnknownName
from ..core.noise import Noise
from ..core.settings import build_settings
from ..core.spec import Row, Spec, Tokens, elements, lift, lift_all, sequential
from ..data.caption import CaptionCodec
from ..data.table_read import as_typed
from ..data.world import World
from ..maths.constraint import Constraint
from ..maths.decoding import Dials, decode
from .reading import item_of
from .recast import unseen

if TYPE_CHECKING:
    from .package import Package

CHUNK, CHUNK_OF_IDS, CHUNK_OF_ROWS = 128, 32, 4096
"""Examples drawn at once: a fixed number, for rounding may depend on it; fewer where ids come one after another, more of tables' rows."""
_GROWS, _TIMES, _IDS = 4, 16, 1 << 23
"""Where rows are cheaper together, a chunk is at most a quarter of what was drawn before, for the last one is filled up; it has at most 16
times as many rows as the first, and in any field so many rows times ids."""

_SEQUENCES, _PLACES = 256, 1 << 15
"""Most sequences drawn at once, and most ids that they have together: what a net remembers of each takes memory."""


Drawing = Callable[[Mapping[str, Tensor], Noise, Mapping[str, Any]], Tensor]
"""(conditions, noise, dials) -> rows."""


def draw(
    model: Trainable,
    n: int,
    condition: Mapping[str, Tensor] | None = None,
    *,
    seed: int = 0,
    precision: str = "fp32",
    dials: Mapping[str, Any] | None = None,
    chunk: int | None = None,
    by: Drawing | None = None,
) -> Tensor:
    """(n, *) examples x on the CPU; `condition` holds n rows each. The last chunk is filled up and cut; ids are drawn in float32.

    `by`: draws rows from (conditions, noise, dials) in place of the model's own `sample`.
    """
    if not isinstance(model, Generator):
        raise Refused(f"{type(model).__name__} is no generator: it can't draw samples")
    dials = checked(model, dials or {})
    ids = isinstance(model.spec, Tokens)
    # one place for all: small parts kept between chunks hold on to the memory of what was freed around them
    x = torch.empty(n, *model.spec.shape, dtype=torch.int64 if ids else torch.float32)
    done = 0
    most = chunk or (_most_sequences(model.spec) if sequential(model.spec) else 0)
    chunk = chunk or (CHUNK_OF_IDS if ids else _chunk_of_rows(model.spec) if isinstance(model.spec, Row) else CHUNK)
    if model.cheaper_together and isinstance(model.spec, Row) and not condition:
        most = _most_rows(model.spec, chunk)
    autocast = torch.autocast(model.device.type, torch.bfloat16) if precision == "bf16" and not ids else contextlib.nullcontext()
    # not in inference mode: there, autocast turns the weights into short numbers anew at every use
    with torch.no_grad(), autocast:
        for own, noise, count in chunks(model, n, condition or {}, seed, chunk, most):
            drawn = model.sample(own, noise=noise, **dials) if by is None else by(own, noise, dials)
            x[done : done + count] = drawn[:count].cpu()
            done += count
    if x.is_floating_point():
        # NaN in a row is a missing value
        broken = torch.isinf(x) if isinstance(model.spec, Row) else ~torch.isfinite(x)
        if bool(broken.any()):
            raise Refused("the model drew values that are not finite: its training went wrong, or a dial is out of range")
    return x


def rules_of(package: Package) -> Constraint | None:
    """The rules of the package's kind of data (`data.world.World.machine`), for models that write sequences; None where there are none."""
    codec, spec = package.codec, package.model.spec
    machine = codec.machine() if isinstance(codec, World) else None
    return None if machine is None or not isinstance(spec, Tokens) or not sequential(spec) else Constraint([machine], spec)


def obeying(package: Package) -> Drawing | None:
    """`by` for `draw`: what is drawn obeys the rules of its kind of data, exactly renormalised at every id. None where there are no rules,
    or where the model doesn't say how a sequence goes on."""
    if isinstance(package.model, Obeys) and isinstance(package.codec, World) and (rule := package.codec.beside()) is not None:
        return partial(_beside, package.model, rule)
    model, rules = package.model, rules_of(package)
    if rules is None or not isinstance(model, Continues | Writes):
        return None
    spec, settings = rules.spec, package.model.settings

    def by(condition: Mapping[str, Tensor], noise: Noise, dials: Mapping[str, Any]) -> Tensor:
        own = Dials(**{f.name: dials.get(f.name, getattr(settings, f.name, f.default)) for f in fields(Dials)})
        writer = model.writer(model.prior(noise)) if isinstance(model, Writes) else model
        return decode(writer, spec, condition, noise=noise, dials=own, constraint=rules)

    return by


def likeliest_under_rules(package: Package) -> Callable[[Tensor, Condition], Tensor] | None:
    """A function (latents (n,L), conditions) -> (n,T), the likeliest id after each that obeys the rules of its kind of data; None where
    there are no rules, or where the model writes no sequence from a latent."""
    model, rules = package.model, rules_of(package)
    if rules is None or not isinstance(model, Writes):
        return None

    def likeliest(z: Tensor, condition: Condition) -> Tensor:
        nothing = Noise(0, len(z)).to(z.device)
        return decode(model.writer(z), rules.spec, condition, noise=nothing, dials=Dials(temperature=0), constraint=rules)

    return likeliest


def _beside(
    model: Obeys, rule: Callable[[Tensor, Tensor], Tensor], condition: Mapping[str, Tensor], noise: Noise, dials: Mapping[str, Any]
) -> Tensor:
    """Whole grids of which nothing is known, drawn under a rule."""
    assert isinstance(model, Generator)
    x = torch.zeros(noise.size, *model.spec.shape, dtype=torch.int64, device=noise.index.device)
    return model.infill_by(x, torch.zeros_like(x, dtype=torch.bool), rule, condition, noise=noise, **dials)


def ruled(package: Package, dials: Mapping[str, Any]) -> tuple[Drawing | None, Mapping[str, Any]]:
    """(`by` for `draw`, the dials of the family): of data with rules these are obeyed unless the dials say rules=false."""
    by = obeying(package)
    if by is None:
        return None, dials
    wanted = dials.get("rules", True)
    if not isinstance(wanted, bool):
        raise BadInput(f"rules is true or false, not {wanted!r}")
    return by if wanted else None, {name: value for name, value in dials.items() if name != "rules"}


def _chunk_of_rows(spec: Row) -> int:
    """Fewer where a row has more than 64 fields: some models draw them one after another."""
    return int(max(128, min(CHUNK_OF_ROWS, (64 * CHUNK_OF_ROWS) // max(1, len(spec.fields)))))


def _most_sequences(spec: Spec) -> int:
    """More at once where sequences are short: a step of a net costs little more for 256 rows than for 32."""
    return min(_SEQUENCES, _PLACES // elements(spec))


def _most_rows(spec: Row, chunk: int) -> int:
    return int(min(chunk * _TIMES, _IDS // max([1, *(field.categories for field in spec.fields)])))


def chunks(
    model: Trainable, n: int, condition: Mapping[str, Tensor], seed: int, chunk: int, most: int = 0
) -> Iterator[tuple[dict[str, Tensor], Noise, int]]:
    """(condition of `chunk` rows, their noise, how many of them count) until there are n; up to `most` rows at once later on.

    How many is a function of the first one's number alone, so that a row's neighbours are the same at any n.
    """
    start = 0
    while start < n:
        rows = torch.arange(start, start + _size(start, chunk, most))
        own = {name: value[rows.clamp(max=n - 1)].to(model.device) for name, value in condition.items()}
        yield lift_all(model.conditions, own), Noise(seed, rows.to(model.device), path=("sample",)), min(len(rows), n - start)
        start += len(rows)


def _size(start: int, least: int, most: int) -> int:
    """Rows of the chunk that begins at row `start`: `least` doubled as often as it stays within `most` and a quarter of `start`."""
    found = least
    while 2 * found <= min(most, start // _GROWS):
        found *= 2
    return found


def checked(model: Generator, dials: Mapping[str, Any]) -> dict[str, Any]:
    """The dials in their settings' types. Raises UnknownName for one that the family doesn't have, BadInput for another type."""
    own = model.dialled
    for name in dials:
        if name not in own.dials:
            raise UnknownName(f"dial of {type(own).__name__}", name, own.dials)
    settings = build_settings(type(own), dials)
    return {name: getattr(settings, name) for name in dials}


def names_of(package: Package) -> list[str]:
    """The names that `where` may hold: the model's conditions and its table's columns."""
    columns = package.codec.names if package.codec.kind == "table" else ()  # type: ignore[attr-defined]
    return [*package.conditions, *columns]


def conditions_for(package: Package, n: int, where: Mapping[str, Any], seed: int) -> dict[str, Tensor]:
    """n rows of each condition: the value asked for, or of a list each in turn, else classes drawn from the training histogram and other
    values from the kept held-out ones, each row by its own noise.

    Raises UnknownName for a condition that the model doesn't have.
    """
    codecs, histograms = package.conditions, package.card.get("histograms", {})
    for name in where:
        if name not in codecs:
            raise UnknownName("column" if package.codec.kind == "table" else "condition", name, names_of(package))
    found = {}
    predicted = package.model.targets if isinstance(package.model, Predicts) else ()
    for name, codec in codecs.items():
        if name in predicted:
            if name in where:
                raise BadInput(f"{name} is what this model predicts, not what it is told: morelike optimise MODEL --towards {name}=VALUE")
        elif name in where:
            value = torch.cat([encode_value(codec, one, name) for one in several(codec, where[name])])
            found[name] = value[torch.arange(n) % len(value)]
        elif codec.kind != "category":
            if name not in package.pools:
                raise BadInput(f"the package keeps no values of {name!r} to draw from; give one with --where {name}=...")
            noise = Noise(seed, n, path=("condition", name))
            found[name] = lift(codec.spec, package.pools[name])[noise.integers(len(package.pools[name]), ())]
        else:
            if len(histograms.get(name, ())) != getattr(codec.spec, "vocab", 0):
                raise BadPackage(f"the card has no histogram of {name!r} to draw it from; name one with --where {name}=...")
            noise = Noise(seed, n, path=("condition", name))
            found[name] = noise.choice(torch.tensor(histograms[name], dtype=torch.float64))[:, None]
    return found


def several(codec: Codec, value: Any) -> list[Any]:
    """The values that a condition is asked to have in turn: of a list, or of captions with | between. Raises BadInput for none."""
    if codec.kind == "caption" and isinstance(value, str):
        return [part.strip() for part in value.split("|")]
    found = list(value) if isinstance(value, (list, tuple)) else [value]
    if not found:
        raise BadInput("a list of a condition's values is empty; leave the condition out to have it drawn")
    return found


def unlike_training(package: Package, where: Mapping[str, Any]) -> list[str]:
    """Sentences on words of the captions asked for that were not learnt as words, and on what is cut of them."""
    said = []
    for name, codec in package.conditions.items():
        if isinstance(codec, CaptionCodec) and name in where:
            said += [f"{name}: {text}" for text in unseen(codec, [str(value) for value in several(codec, where[name])])]
    return said


def fixed_conditions(package: Package, where: Mapping[str, Any]) -> dict[str, Tensor]:
    """One row of each condition of `where`. Raises UnknownName for one that isn't there, BadInput where one is missing from a model
    that never learned to do without."""
    for name in where:
        if name not in package.conditions:
            raise UnknownName("condition", name, package.conditions)
    predicted = package.model.targets if isinstance(package.model, Predicts) else ()
    missing = [name for name in package.conditions if name not in where and name not in predicted]
    if missing and not package.recipe.train.drop:
        raise BadInput(f"this model is conditioned on {', '.join(missing)}: add {' '.join(f'--where {name}=...' for name in missing)}")
    return {name: encode_value(package.conditions[name], value, name) for name, value in where.items()}


def encode_value(codec: Codec, value: Any, name: str) -> Tensor:
    """(1, ...) of one value: a class by its name (UnknownName with the nearest right one), a text, a number (BadInput for others), or a
    picture by its path or as it is."""
    if codec.kind == "image":
        return lift(codec.spec, torch.from_numpy(item_of(codec, value)))
    if codec.kind in ("text", "caption"):
        return torch.from_numpy(np.asarray(codec.encode([str(value)]))).long()
    if codec.kind == "around":
        if isinstance(value, str):
            raise BadInput(f"{name} is numbers of the shape {codec.spec.shape}: give an array in Python, or leave it out to have it drawn")
        return torch.from_numpy(codec.encode([value]))
    if codec.kind == "vector":
        try:
            number = float(value)
        except (TypeError, ValueError) as error:
            raise BadInput(f"{name} is a number, and {value!r} is none") from error
        if not math.isfinite(number):
            raise BadInput(f"{name} is a finite number, and {value!r} is none; leave it out to have it drawn")
        return torch.from_numpy(np.asarray(codec.encode([[number]])))
    names = getattr(codec, "names", ())
    if not isinstance(value, str) or value not in names:
        value = value if isinstance(value, str) else as_typed(value, names, None)
        if value not in names:
            raise UnknownName(name, value, names)
    return torch.from_numpy(np.asarray(codec.encode([value])))
