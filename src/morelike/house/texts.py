"""Tasks on text: strings in, strings out; the ids between are `morelike.tasks`' own business. L ids, T the longest that is read at once."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..core.abilities import Continues, Infills
from ..core.contract import Generator
from ..core.errors import BadInput, Refused, UnknownName
from ..core.noise import Noise
from ..core.spec import Tokens
from ..data.text import TextCodec
from ..maths.constraint import Constraint
from ..maths.decoding import DIALS, Dials, cut_at, decode
from ..maths.rules import Rule, parse
from ..tasks import restoring, translating
from ..tasks.continuing import AnyButStop, Letters, extend
from ..tasks.surprise import surprise
from .able import generator
from .package import Package
from .sampling import CHUNK_OF_IDS, checked, chunks, conditions_for, fixed_conditions

GAP = "___"
LENGTHS = {"characters": tuple(range(1, 13)), "bytes": tuple(range(1, 13)), "bpe": (1, 2, 3, 4)}
"""Ids of a gap that are tried, by unit."""
MOST_ROWS, MOST_LENGTH, MOST_IDS = 1000, 1_000_000, 10_000_000
MOST_EXPLAINED = 100_000
MOST_LINES = 1_000_000


@dataclass(frozen=True, slots=True)
class Wish:
    """How a text is to be written."""

    where: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    constraint: str | None = None
    stop: Sequence[str] = ()
    dials: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.constraint is not None and any(self.stop):
            raise BadInput("a text that satisfies the constraint may not do so any more where it is cut at a stop string: leave out either")


def codec_of(package: Package, task: str) -> TextCodec:
    """The codec of a model of text. Raises Refused for another kind of data."""
    if not isinstance(package.codec, TextCodec):
        raise Refused(f"this model makes data of the kind {package.codec.kind!r}; only models of text can {task}")
    return package.codec


def dials_of(model: Generator, dials: Mapping[str, Any]) -> Dials:
    """The model's own defaults of drawing with `dials` put in. Raises UnknownName or BadInput."""
    _known(model, dials)
    return Dials(**{f.name: dials.get(f.name, getattr(model.settings, f.name, f.default)) for f in fields(Dials)})


def _known(model: Generator, dials: Mapping[str, Any]) -> None:
    for name in dials:
        if name not in DIALS:
            raise UnknownName(f"dial of {type(model).__name__}", name, DIALS)


def strange(codec: TextCodec, text: str) -> list[str]:
    """A sentence on the characters that the model never saw, or nothing."""
    found = codec.strangers(text)
    if not found:
        return []
    shown = ", ".join(repr(letter) for letter in found[:8]) + (f" and {len(found) - 8:,} more" if len(found) > 8 else "")
    return [f"the model never saw {shown}: the nearest characters that it knows stand for them"]


def drawn_conditions(package: Package, condition: Mapping[str, Tensor], where: Mapping[str, Any]) -> list[str]:
    """A sentence on each condition that was not asked for: what the one row was drawn to be, or that each of several rows has its own."""
    notes = []
    for name, value in condition.items():
        if name not in where:
            codec = package.conditions[name]
            # a picture's numbers would fill the screen
            one = "is a held-out picture" if codec.kind == "image" else f"is {codec.decode(value.cpu().numpy())[0]!s}"
            notes.append(f"{name} was drawn and {one if len(value) == 1 else 'differs from text to text'}; --where {name}=... fixes it")
    return notes


def ids_of(codec: TextCodec, text: str) -> list[int]:
    """(L,) all ids of a text, without a stop."""
    return [int(number) for number in codec.ids([text])] if text else []


def constraint_of(package: Package, rule: Rule | None, spec: Tokens, condition: Mapping[str, Tensor]) -> Constraint | None:
    """The rule over a model's ids; `condition` holds the rows that are written."""
    if rule is None:
        return None
    texts = {name: codec.decode(condition[name].cpu().numpy()) for name, codec in package.conditions.items() if codec.kind == "text"}
    return rule.constraint(spec, codec_of(package, "write under a constraint").pieces(), texts)


@contextmanager
def _about_length(spec: Tokens, what: str) -> Iterator[None]:
    """Adds to a constraint's refusal what a model of running text does about length."""
    try:
        yield
    except Refused as error:
        if spec.stop is not None:
            raise
        raise Refused(f"{error}; a model of running text {what}") from error


def draw_under(package: Package, n: int, condition: Mapping[str, Tensor], wish: Wish) -> Tensor:
    """(n,T) ids as `sampling.draw` draws them, under `wish.constraint`. Raises Refused, before a draw, where nothing satisfies it."""
    model = generator(package, "write under a constraint")
    assert isinstance(model, Continues)
    assert isinstance(model.spec, Tokens)
    codec_of(package, "write under a constraint")
    rule, dials = parse(wish.constraint or ""), dials_of(model, wish.dials)
    parts = []
    for own, noise, count in chunks(model, n, condition, wish.seed, CHUNK_OF_IDS):
        held = constraint_of(package, rule, model.spec, own)
        with _about_length(model.spec, f"fills its window of {model.spec.shape[0]:,} ids; `extend` with --length writes another number"):
            parts.append(decode(model, model.spec, own, noise=noise, dials=dials, constraint=held).cpu()[:count])
    return torch.cat(parts)


@dataclass(slots=True)
class Extension:
    """Texts that are being written: `notes` are there at once, the letters as they are drawn."""

    steps: Iterator[Tensor]
    rows: list[Letters]
    notes: list[str]

    def __iter__(self) -> Iterator[list[str]]:
        """The fresh letters of each row, id by id."""
        for ids in self.steps:
            yield [letters.take(number) for letters, number in zip(self.rows, ids.tolist(), strict=True)]
            if all(letters.ended for letters in self.rows):
                return
        yield [letters.rest() for letters in self.rows]

    def whole(self) -> list[str]:
        """All of each row."""
        return ["".join(parts) for parts in zip(*self, strict=True)]


def extension(package: Package, text: str, n: int, length: int | None, wish: Wish) -> Extension:
    """`n` ways to go on from `text`, each of at most `length` ids: by default what the model's window has left, or a whole window
    of a running text. The constraint is on what is written. Everything wrong is raised before anything is drawn."""
    model, codec = generator(package, "extend"), codec_of(package, "extend")
    assert isinstance(model, Continues)
    window, text = codec.window, _item(codec, text)
    if not 1 <= n <= MOST_ROWS:
        raise BadInput(f"the number of texts must be between 1 and {MOST_ROWS:,}, not {n}")
    ids, notes = ids_of(codec, text), strange(codec, text)
    room = window - len(ids) if codec.stop is not None and len(ids) < window else window
    wanted = room if length is None else length
    if not 1 <= wanted <= MOST_LENGTH or wanted * n > MOST_IDS:
        raise BadInput(f"the length must be between 1 and {MOST_LENGTH:,} ids, and at most {MOST_IDS:,} in all texts, not {wanted:,}")
    if len(ids) > window:
        notes.append(f"the text has {len(ids):,} ids and the model reads {window:,} at once: what is further back is forgotten")
    condition = {name: value.to(model.device) for name, value in conditions_for(package, n, wish.where, wish.seed).items()}
    notes += drawn_conditions(package, condition, wish.where)
    rule = None if wish.constraint is None else parse(wish.constraint)
    prefix = torch.tensor([ids] * n, dtype=torch.int64, device=model.device).view(n, len(ids))
    with _about_length(codec.spec, "writes as many ids as --length says, no fewer"):
        steps = extend(
            model, codec.spec, prefix, condition, noise=Noise(wish.seed, n, path=("sample",)).to(model.device), length=wanted,
            dials=dials_of(model, wish.dials), constraint=constraint_of(package, rule, codec.spec, condition),
        )  # fmt: skip
    pieces = codec.pieces()
    return Extension(steps, [Letters(pieces, wish.stop) for _ in range(n)], notes)


def restore(package: Package, text: str, n: int, gap_length: int | None, wish: Wish) -> dict[str, Any]:
    """{"variants": [{"text", "gaps", "nats_per_id"}], "notes"}: `n` ways to fill the gaps `___` of a text, the likeliest first; a longer
    line of underscores is one gap too."""
    model, codec = generator(package, "restore"), codec_of(package, "restore")
    strings = re.split(f"{GAP}_*", _item(codec, text))
    if len(strings) < 2:
        raise BadInput(f"there is no gap in the text: write {GAP} where something is missing")
    native = isinstance(model, Infills) and wish.constraint is None
    if not native and not isinstance(model, Continues):
        raise Refused(f"{package.recipe.model} fills gaps freely only: leave out the constraint, or take a model that can extend a text")
    # in byte pairs a word brings its own space: the one before the gap belongs to it
    spaced = codec.unit == "bpe" and wish.constraint is None and not native and all(_open(string) for string in strings[:-1])
    outer = [*(string[:-1] for string in strings[:-1]), strings[-1]] if spaced else strings
    lengths = LENGTHS[codec.unit] if gap_length is None else (gap_length,)
    parts, notes = [tuple(ids_of(codec, string)) for string in outer], strange(codec, "".join(strings))
    parts = _shortened(parts, codec, lengths, notes)
    pieces = codec.pieces()
    torn = restoring.Torn(tuple(parts), lengths, lambda ids: _is_text(b"".join(pieces[number] for number in ids)))
    condition = conditions_for(package, 1, wish.where, wish.seed)
    notes += drawn_conditions(package, condition, wish.where)
    variants: dict[str, dict[str, Any]] = {}  # by text: the same one may be spelt by other byte pairs
    for one in _filled(package, torn, n, condition, wish, native, spaced):
        gaps = [b"".join(pieces[number] for number in ids).decode("utf-8", "replace") for ids in one.gaps]
        whole = outer[0] + "".join(gap + string for gap, string in zip(gaps, outer[1:], strict=True))
        shown = [gap.removeprefix(" ") if spaced else gap for gap in gaps]
        variants.setdefault(whole, {"text": whole, "gaps": shown, "nats_per_id": one.nats})
    return {"variants": list(variants.values()), "notes": notes}


def _open(string: str) -> bool:
    """Whether a gap after this string begins with a word of its own."""
    return string.endswith(" ") and bool(string.strip())


def _filled(
    package: Package, torn: restoring.Torn, n: int, condition: Mapping[str, Tensor], wish: Wish, native: bool, spaced: bool
) -> list[restoring.Restored]:
    """The gaps filled by a model that infills, or by drawing and ranking; `spaced`: each begins with a space."""
    model, codec = generator(package, "restore"), codec_of(package, "restore")
    own, noise = {name: value.to(model.device) for name, value in condition.items()}, Noise(wish.seed, 1, path=("restore",))
    if native:
        assert isinstance(model, Infills)
        return restoring.infill(model, codec.spec, torn, n, own, noise=noise, dials=checked(model, wish.dials))
    assert isinstance(model, Continues)
    free = Tokens(codec.spec.shape, codec.spec.vocab, None)
    rule = None if wish.constraint is None else parse(wish.constraint)
    held = constraint_of(package, rule, free, {key: value.expand(restoring.CANDIDATES, -1) for key, value in own.items()})
    if spaced:
        first = np.array([piece.startswith(b" ") and len(piece) > 1 for piece in codec.pieces()])
        held = Constraint([AnyButStop(codec.spec, first)], free)
    return restoring.restore(model, codec.spec, torn, n, own, noise=noise, dials=dials_of(model, wish.dials), constraint=held)


def _shortened(parts: list[tuple[int, ...]], codec: TextCodec, lengths: Sequence[int], notes: list[str]) -> list[tuple[int, ...]]:
    """The parts cut so that they fit into the window with their gaps at the longest: first the beginning, then the end of a running text.
    A separate item is cut only where no gap would fit, for it is no longer one without its beginning."""
    gaps, most = len(parts) - 1, codec.window - (codec.stop is not None)
    room = most - sum(map(len, parts))
    over = gaps * max(lengths) - room
    if over <= 0:
        return parts
    if codec.stop is not None and room >= gaps * min(lengths):
        notes.append(f"the model reads {most:,} ids at once: the text leaves {room:,} of them for its {'gap' if gaps == 1 else 'gaps'}")
        return parts
    at_first = min(over, len(parts[0]))
    at_last = min(over - at_first, len(parts[-1])) if codec.stop is None else 0
    if at_first + at_last:
        notes.append(f"the text and its gaps take {most + over:,} ids and the model reads {most:,}: what is further off is not looked at")
    return [parts[0][at_first:], *parts[1:-1], parts[-1][: len(parts[-1]) - at_last]]


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def translate(
    package: Package, lines: Sequence[str], wish: Wish, advance: Callable[[int], object] = lambda _: None
) -> tuple[list[str], list[str]]:
    """(a translation of each line, notes): beam search of width 4 by default. An empty line stays empty."""
    model, codec = generator(package, "translate"), codec_of(package, "translate")
    assert isinstance(model, Continues)
    source = next((name for name, own in package.conditions.items() if isinstance(own, TextCodec)), None)
    if source is None:
        raise Refused("this model has no text to translate from; train one on pairs of texts (TSV, JSONL, or files NAME.de and NAME.en)")
    if source in wish.where:
        raise BadInput(f"{source} is what is translated: it can't be fixed with --where")
    if len(lines) > MOST_LINES:
        raise BadInput(f"there are {len(lines):,} lines; at most {MOST_LINES:,} are translated at once")
    reader = package.conditions[source]
    assert isinstance(reader, TextCodec)
    _known(model, wish.dials)
    dials = translating.beam_dials(dials_of(model, {}), wish.dials)
    rule = None if wish.constraint is None else parse(wish.constraint)
    full = [number for number, line in enumerate(lines) if line.strip()]
    texts = [lines[number] for number in full]
    notes = strange(reader, "".join(texts)) + _cut(reader, lines, full)
    out = [""] * len(lines)
    if not texts:
        return out, notes
    others = {name: own for name, own in package.conditions.items() if name != source}
    given = conditions_for(package, len(texts), {**wish.where, source: ""}, wish.seed)
    condition = {**{name: given[name] for name in others}, source: torch.from_numpy(np.asarray(reader.encode(texts))).long()}
    x = translating.translate(
        model, codec.spec, condition, source, dials=dials, seed=wish.seed, advance=advance,
        constrain=lambda rows: constraint_of(package, rule, codec.spec, rows),
    )  # fmt: skip
    for number, text in zip(full, codec.decode(x.numpy()), strict=True):
        out[number] = cut_at(text, wish.stop)
    return out, notes


def _cut(codec: TextCodec, lines: Sequence[str], rows: Sequence[int]) -> list[str]:
    """A sentence on lines that are longer than the model reads."""
    long = [number + 1 for number in rows if len(lines[number]) * 4 > codec.window and len(ids_of(codec, lines[number])) > codec.window]
    if not long:
        return []
    return [f"{len(long):,} {'line is' if len(long) == 1 else 'lines are'} longer than the {codec.window:,} ids that the model reads, "
            f"and cut there: the first is line {long[0]:,}"]  # fmt: skip


def explain(package: Package, text: str, where: Mapping[str, Any]) -> dict[str, Any]:
    """{"parts": [{"text", "nats"}], "nats", "characters", "nats_per_character", "end", "notes"}: how surprising each piece of a text is,
    given those before it. "end": nats of the text ending there, for models of separate items; where items are lines, so is each line."""
    model, codec = generator(package, "explain"), codec_of(package, "explain")
    assert isinstance(model, Continues)
    text = _item(codec, text)
    if not text:
        raise BadInput("there is no text to explain: it is empty")
    own = {name: value.to(model.device) for name, value in fixed_conditions(package, where).items()}
    lines = text.split("\n") if _by_lines(codec) else [text]
    ids, notes = [ids_of(codec, line) for line in lines], strange(codec, "".join(lines))
    if (count := sum(map(len, ids))) > MOST_EXPLAINED:
        raise BadInput(f"the text has {count:,} ids; at most {MOST_EXPLAINED:,} are explained at once: give a part of it")
    if max(map(len, ids)) > codec.window:
        notes.append(f"the model reads {codec.window:,} ids at once: past them each is judged by those just before it")
    parts: list[dict[str, Any]] = []
    end: float | None = None
    for place, (line, numbers) in enumerate(zip(lines, ids, strict=True)):
        ended = codec.stop is not None and len(numbers) < codec.window
        x = torch.tensor([*numbers, codec.stop] if ended else numbers, dtype=torch.int64, device=model.device)
        nats = [float(value) for value in surprise(model, codec.spec, x, own).double()]
        parts += _pieces(codec, line, numbers, nats)
        end = nats[-1] if ended else None
        if place < len(lines) - 1:
            parts.append({"text": "\n", "nats": end or 0.0})
    total = sum(part["nats"] for part in parts)
    return {
        "parts": parts, "nats": total, "characters": len(text), "nats_per_character": total / len(text), "end": end, "notes": notes,
    }  # fmt: skip


def _by_lines(codec: TextCodec) -> bool:
    """Whether the model's items are lines: separate ones, of which none had a line end."""
    return codec.stop is not None and "\n" in codec.strangers("\n")


def _item(codec: TextCodec, text: str) -> str:
    """The text without the line end that files have after their last line, where the model's items have none; with line ends as the
    model knows them."""
    if "\r" in codec.strangers("\r"):
        text = text.replace("\r\n", "\n")
    return text.removesuffix("\n").removesuffix("\r") if _by_lines(codec) else text


def _pieces(codec: TextCodec, text: str, ids: Sequence[int], nats: Sequence[float]) -> list[dict[str, Any]]:
    """Pieces of the text with their nats: a character each, as it was given; else an id each, bytes of one character together."""
    if codec.unit == "characters":
        sizes = {letter: len(ids_of(codec, letter)) for letter in set(text)}
        ends = np.cumsum([sizes[letter] for letter in text])
        return [{"text": letter, "nats": sum(nats[end - sizes[letter] : end])} for letter, end in zip(text, ends.tolist(), strict=True)]
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    pieces, found, pending = codec.pieces(), [], 0.0
    for place, number in enumerate(ids):
        shown = decoder.decode(pieces[number], place == len(ids) - 1)
        pending += nats[place]
        if shown:
            found.append({"text": shown, "nats": pending})
            pending = 0.0
    return found
