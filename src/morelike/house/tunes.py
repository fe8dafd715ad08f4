"""Tunes of which a part is known: voices or bars are drawn anew, or the tune goes on. Rules hold in whatever is drawn.

T steps of a window, L steps of the tune, V voices.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..core.abilities import Away, Density, Infills, Leans, Obeys
from ..core.errors import BadInput, Refused, UnknownName
from ..core.noise import Noise
from ..core.spec import lift
from ..data.music import MusicCodec
from ..data.music_forms import Events, Voices, placed
from ..data.tune import Note, Tune, on_grid
from ..tasks import classifying
from .able import generator
from .bayes import classifier, label_of
from .package import Package
from .sampling import fixed_conditions

MOST = 100
DRAWS, GUIDANCE = 8, 1.0
"""Of each arrangement that is wanted, of which the best are kept; how much it leans away from the tune's own class."""


@dataclass(frozen=True, slots=True)
class Part:
    """What of a tune is to be drawn."""

    keep: tuple[int, ...] = ()
    """Voices that stay, from 1; all others are drawn. () = every voice is drawn where `bars` says so."""
    bars: tuple[int, int] | None = None
    """(first, last) bar that is drawn, from 1; None = all."""
    more: int = 0
    """Bars that are added at the end."""


def fill(
    package: Package, tune: Tune, part: Part, n: int = 1, where: Mapping[str, Any] | None = None, seed: int = 0, **dials: Any
) -> list[Tune]:
    """n tunes of which all but `part` is as in `tune`, on the model's grid. A tune longer than the model's window is filled in window by
    window, each of which knows the half before it. Voices stay within their ranges and don't cross, wherever what is known allows it.

    Raises BadInput for what doesn't fit the tune, Refused for a model that can't.
    """
    codec, model = package.codec, generator(package, "fill in a part of a tune")
    if not isinstance(codec, MusicCodec):
        raise BadInput(f"this model learnt the kind {codec.kind!r}, not music")
    if not isinstance(model, Infills) or isinstance(codec.form, Events):
        raise Refused("it takes a model that fills in (masked, rnn-nade) of voices or a roll (codec.form)")
    if not 1 <= n <= MOST:
        raise BadInput(f"the number of alternatives must be between 1 and {MOST}, not {n}")
    own = on_grid(tune, codec.steps)
    ids, known = _asked(codec, own, part)
    condition = {name: value.to(model.device).expand(n, *value.shape[1:]) for name, value in fixed_conditions(package, where or {}).items()}
    window = codec.spec.shape[0]
    x, there = np.repeat(ids[None], n, 0), known.copy()
    for number, start in enumerate(_starts(len(ids), window)):
        rows = slice(start, min(start + window, len(ids)))
        if there[rows].all():
            continue
        noise = Noise(seed, n, path=("fill", str(number))).to(model.device)
        x[:, rows] = _window(model, codec, x[:, rows], there[rows], condition, noise, dials)[:, : rows.stop - rows.start]
        there[rows] = True
    return [_as_given(codec, own, row) for row in x]


@dataclass(frozen=True, slots=True)
class Arranged:
    """A tune, and how likely it is of the class that was wanted, by Bayes' rule; None where the model has no likelihood."""

    tune: Tune
    style: float | None


def arrange(
    package: Package, tune: Tune, to: Mapping[str, str], keep: tuple[int, ...] = (1,), n: int = 1, seed: int = 0, **dials: Any
) -> tuple[float | None, list[Arranged]]:
    """(style of the tune itself, n tunes that keep the voices `keep` of it, all else drawn as the class `to`, {label: class}, has it, the
    likeliest of that class first): of `DRAWS` times n. Dial, beside those of `fill`: `guidance`. Raises BadInput for what doesn't fit,
    Refused for a model that can't.
    """
    label = label_of(package)
    if label is None:
        raise Refused("this model knows no classes: train one with --condition LABEL on tunes of several folders, then it arranges")
    if list(to) != [label]:
        raise BadInput(f"a tune goes to one class: --to {label}=...")
    codec, model, wanted = package.codec, package.model, to[label]
    guidance = float(dials.pop("guidance", GUIDANCE))
    styles = _styles(package, tune, label) if isinstance(model, Density) and isinstance(codec, MusicCodec) else {}
    if styles and wanted not in styles:
        raise UnknownName(label, wanted, styles)
    others = sorted(styles.keys() - {wanted}, key=lambda name: -styles[name])
    if others and guidance and isinstance(model, Leans):
        count = min(MOST, DRAWS * n)
        own = fixed_conditions(package, {label: others[0]})
        dials["away"] = Away({name: value.to(model.device).expand(count, *value.shape[1:]) for name, value in own.items()}, guidance)
    found = fill(package, tune, Part(keep), min(MOST, DRAWS * n), to, seed, **dials)
    if not styles:
        return None, [Arranged(one, None) for one in found[:n]]
    made = [Arranged(one, _styles(package, one, label)[wanted]) for one in found]
    # silence is of any class
    made.sort(key=lambda one: (not any(note.voice + 1 not in keep for note in one.tune.notes), -(one.style or 0.0)))
    return styles[wanted], made[:n]


def _styles(package: Package, tune: Tune, label: str) -> dict[str, float]:
    """The probability of each class given a whole tune."""
    ruled, codec = classifier(package), package.codec
    assert isinstance(codec, MusicCodec)
    x = lift(codec.spec, torch.from_numpy(codec.pieces([tune], dense=False)[0])).to(package.model.device)
    told = fixed_conditions(package, {label: ruled.names[0]})
    others = {name: value.expand(len(x), *value.shape[1:]) for name, value in told.items() if name != label}
    nats = classifying.likelihoods(ruled.density, x, label, len(ruled.names), others).sum(0, keepdims=True)
    return dict(zip(ruled.names, np.exp(classifying.posterior(nats, ruled.prior)[0]).tolist(), strict=True))


def _starts(length: int, window: int) -> list[int]:
    """Windows that overlap by half, the last one ending where the tune does."""
    last = max(0, length - window)
    return [*range(0, last, max(1, window // 2)), last]


def _asked(codec: MusicCodec, tune: Tune, part: Part) -> tuple[np.ndarray, np.ndarray]:
    """(ids (L,V), which of them are known (L,V)). Raises BadInput."""
    low, pitches = codec.form.low, codec.form.pitches
    slots = codec.spec.shape[1]
    length = tune.length + _begins(tune, part.more + 1)
    form = codec.form
    if part.keep and not isinstance(form, Voices):
        raise BadInput("this model learnt rolls, in which voices are not told apart; say which bars are drawn instead")
    voices = sorted(set(form.slots)) if isinstance(form, Voices) else []
    if wrong := sorted(set(part.keep) - set(range(1, len(voices) + 1))):
        raise BadInput(f"there is no voice {wrong[0]}; this model knows the voices 1 to {len(voices)}")
    kept = {voices[number - 1] for number in part.keep}
    heard = _heard(tune, part, kept)
    if strange := [note.pitch for note in heard if not low <= note.pitch < low + pitches]:
        raise BadInput(f"the tune has the pitch {strange[0]}; this model knows {low} to {low + pitches - 1}: transpose it")
    clean = Tune(tuple(heard), tune.length, tune.resolution)
    ids = np.concatenate([codec.form.encode(clean), np.zeros((length - tune.length, slots), np.int64)])
    hidden = np.ones(ids.shape, bool)
    if kept and isinstance(form, Voices):
        hidden[:, [slot for slot, voice in enumerate(form.slots) if voice in kept]] = False
    if part.bars is not None:
        first, last = part.bars
        bars = next(number for number in itertools.count(1) if _begins(tune, number + 1) >= tune.length)
        if not 1 <= first <= last <= bars:
            raise BadInput(f"bars {first}-{last} can't be drawn: the tune has the bars 1 to {bars}")
        hidden[: _begins(tune, first)] = False
        hidden[_begins(tune, last + 1) :] = False
    elif part.more:
        hidden[: tune.length] = False
        hidden[tune.length :] = True
    elif not kept:
        raise BadInput("nothing says what is to be drawn: name the voices that are kept, or the bars that are drawn anew")
    if not hidden.any():
        raise BadInput("every voice is kept: there is nothing to draw")
    return ids, ~hidden


def _heard(tune: Tune, part: Part, kept: Collection[int]) -> list[Note]:
    """The notes that are given: where bars are named or added, the voices that aren't kept stay outside of them."""
    whole = not kept or part.bars is not None or part.more > 0
    return [note for note in tune.notes if whole or note.voice in kept]


def without_place(codec: MusicCodec, tune: Tune, part: Part) -> int:
    """How many of the notes that are given have no place in the model's voices, and are left out."""
    if not isinstance(codec.form, Voices):
        return 0
    slots = codec.form.slots
    voices = sorted(set(slots))
    heard = _heard(on_grid(tune, codec.steps), part, {voices[number - 1] for number in part.keep if number <= len(voices)})
    return sum(place < 0 for _, place in placed(replace(tune, notes=tuple(heard)), dict(Counter(slots))))


def _begins(tune: Tune, bar: int) -> int:
    """The step where a bar (from 1) begins, rounded up: bars of odd metres need not be whole steps."""
    return -(-(bar - 1) * tune.resolution * 4 * tune.metre[0] // tune.metre[1])


def _window(
    model: Any, codec: MusicCodec, ids: np.ndarray, known: np.ndarray, condition: Mapping[str, Tensor], noise: Noise,
    dials: Mapping[str, Any],
) -> np.ndarray:  # fmt: skip
    """(n,T,V) ids of one window, those of `ids` (n,t,V) where `known` (t,V); a tune that is shorter ends, or is followed by rests."""
    short, stop = codec.spec.shape[0] - ids.shape[1], codec.spec.stop
    x = torch.from_numpy(np.pad(ids, ((0, 0), (0, short), (0, 0)), constant_values=stop or 0)).to(model.device)
    there = torch.from_numpy(np.pad(known, ((0, short), (0, 0)), constant_values=True)).to(model.device).expand(x.shape)
    x = lift(codec.spec, x)
    rule = codec.beside()
    with torch.inference_mode():
        if rule is not None and isinstance(model, Obeys):
            drawn = model.infill_by(x, there, rule, condition, noise=noise, **dials)
        else:
            drawn = model.infill(x, there, condition, noise=noise, **dials)
    found = drawn.cpu().numpy()
    # a rest where a tune would have ended early
    return found if stop is None else np.where(found == stop, 0, found)


def _as_given(codec: MusicCodec, tune: Tune, ids: np.ndarray) -> Tune:
    """The tune of ids (L,V) in the tempo, metre and key of the one that was given."""
    notes, length = codec.form.decode(ids)
    found = codec.tune([note._replace(velocity=codec.grid["velocity"]) for note in notes], length)
    return Tune(found.notes, found.length, found.resolution, tune.tempo, tune.metre, tune.key, found.programs)
