"""The verbs of tasks: from words to a model's methods, to the terminal or a file."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core import registry
from ..core.errors import BadInput
from ..data.world import World
from ..house import between, completing, heat_page, reading, texts, writing
from ..house.model import Model, load
from ..maths.decoding import DIALS
from . import heat, show
from .audience import RichAudience
from .drawing import dials_of, where_of

_PROMPT_SHOWN = 2000


@dataclass(frozen=True, slots=True)
class Words:
    """What was typed besides the model: a text or a file that holds it, and how to go about it."""

    text: str | None
    file: str | None
    where: Sequence[str] = ()
    dials: Sequence[str] = ()
    seed: int = 0
    constraint: str | None = None
    stop: Sequence[str] = ()
    device: str = "auto"

    @classmethod
    def of(cls, words: Sequence[str] | None, file: str | None, **rest: Any) -> Words:
        """The first word is the text, unless there is a file or it is a dial; the others are dials."""
        words = list(words or ())
        # only the name of a dial makes it one: a text may hold an equals sign
        named = words and words[0].partition("=")[0] in (*DIALS, "steps", "order") and "=" in words[0]
        text = None if file is not None or not words or named else words.pop(0)
        return cls(text, file, dials=words, **rest)

    def read(self, audience: RichAudience, *, needed: str = "") -> str:
        """The text: as typed, from the file, or "" where there is neither. Raises BadInput with `needed` where it must be there."""
        if self.file is not None:
            text, notes = reading.text_of(self.file)
            for note in notes:
                audience.say(f"note: {note}")
            return text
        if self.text is None and needed:
            raise BadInput(needed)
        return self.text or ""

    def wish(self, model: Model) -> texts.Wish:
        """How the model is to go about it."""
        where = where_of(model, self.where)
        return texts.Wish(where, self.seed, self.constraint, self.stop, dials_of(self.dials))


def opened(folder: str, device: str) -> Model:
    """The model, where it is to compute."""
    return load(folder).to(device)


def extend(model: Model, words: Words, n: int, length: int | None, as_json: bool, audience: RichAudience) -> None:
    """Continues a text; the first of the texts appears as it is drawn."""
    wish, prompt = words.wish(model), words.read(audience)
    if isinstance(model.codec, World):
        none_of({"--length": length}, "is for texts")
        complete(model, prompt, n, wish, True, as_json, audience)
        return
    found = texts.extension(model.package, prompt, n, length, wish)
    said(audience, found.notes)
    if as_json:
        show.as_json({"prompt": prompt, "texts": found.whole(), "notes": found.notes})
        return
    if sys.stdout.isatty():
        show.console().print(prompt[-_PROMPT_SHOWN:], style="dim", markup=False, end="", soft_wrap=True)
    parts: list[list[str]] = []
    for fresh in found:
        parts.append(fresh[1:])
        if fresh[0]:
            print(fresh[0], end="", flush=True)
    print()
    for number, many in enumerate(zip(*parts, strict=True), 2):
        print(f"----- {number} of {n}")
        print("".join(many))


def complete(model: Model, text: str, n: int, wish: texts.Wish, beginning: bool, as_json: bool, audience: RichAudience) -> None:
    """Draws what is missing of an item of a kind with rules of its own; prints the whole items."""
    found = completing.complete(model.package, text.strip(), n, wish, beginning=beginning)
    said(audience, found["notes"])
    if as_json:
        show.as_json({"text": text, **found})
        return
    for item in found["variants"]:
        print(item)


def none_of(options: Mapping[str, Any], why: str) -> None:
    """Raises BadInput for the first option that was given."""
    for name, value in options.items():
        if value:
            raise BadInput(f"{name} {why}: leave it out")


def restore(model: Model, words: Words, n: int, gap_length: int | None, as_json: bool, audience: RichAudience) -> None:
    """Fills the gaps of a text."""
    wish = words.wish(model)
    text = words.read(audience, needed=f"there is no text: give a sentence with a gap, {texts.GAP}, in it, or --file")
    if isinstance(model.codec, World):
        none_of({"--gap-length": gap_length}, "is for texts")
        complete(model, text, n, wish, False, as_json, audience)
        return
    found = texts.restore(model.package, text, n, gap_length, wish)
    said(audience, found["notes"])
    if as_json:
        show.as_json({"text": text, **found})
        return
    for variant in found["variants"]:
        print(variant["text"])
    means = [variant["nats_per_id"] for variant in found["variants"] if variant["nats_per_id"] is not None]
    if means:
        audience.say("nats per id: " + ", ".join(f"{value:.3f}" for value in means))


def translate(model: Model, words: Words, out: str | None, as_json: bool, audience: RichAudience) -> None:
    """Translates a text, or a file line by line."""
    wish = words.wish(model)
    place = None if out is None else writing.file_for(out)
    if words.text is None and words.file is None:
        if sys.stdin.isatty():
            raise BadInput("there is nothing to translate: give a text, --file or standard input")
        words = Words(None, "-", words.where, words.dials, words.seed, words.constraint, words.stop, words.device)
    lines = reading.lines_of(words.read(audience))
    package = model.package
    if len(lines) > 1:
        with audience.watch("translating", sum(bool(line.strip()) for line in lines)) as bar:
            found, notes = texts.translate(package, lines, wish, lambda done: bar.advance(done, {}))
    else:
        found, notes = texts.translate(package, lines, wish)
    said(audience, notes)
    if place is not None:
        # a translation's own line ends would shift all lines after it
        writing.write_text(place, "".join(f"{' '.join(line.splitlines())}\n" for line in found))
        audience.say(f"{len(found):,} lines: {place}")
    if as_json:
        rows = [{"source": line, "translation": text} for line, text in zip(lines, found, strict=True)]
        show.as_json({"translations": rows, "notes": notes})
    elif place is None:
        for line in found:
            print(" ".join(line.splitlines()))


@dataclass(frozen=True, slots=True)
class Restyling:
    """What a text is to become."""

    to: Sequence[str]
    given: Sequence[str]
    n: int
    strength: float


def restyle(folder: str, words: Words, asked: Restyling, as_json: bool, audience: RichAudience) -> None:
    """Writes a text under another label."""
    model = opened(folder, words.device)
    wish = words.wish(model)
    to, given = where_of(model, asked.to, "--to"), where_of(model, asked.given, "--from")
    text = words.read(audience, needed="there is no text to restyle: give one, or --file")
    found = model.restyle(text, to, asked.n, asked.strength, from_=given, where=wish.where, seed=wish.seed)
    said(audience, found["notes"])
    if as_json:
        show.as_json(found)
        return
    for variant in found["variants"]:
        print(variant["text"])
    audience.say(found["how"])
    for name, one in [("the text itself", found["source"]), *((str(number), one) for number, one in enumerate(found["variants"], 1))]:
        audience.say(f"{name}: {_measures(one)}")


def _measures(one: dict[str, Any]) -> str:
    """What is known of a restyled text, in words."""
    parts = [f"p(new label) {one['style']:.3f}"] if one["style"] is not None else []
    parts.append(f"words kept {one['words_kept']:.0%}")
    parts += [f"chrF {one['chrf']:.1f}"] if one["chrf"] is not None else []
    parts += [f"{one['nats_per_character']:.2f} nats per character"] if one["nats_per_character"] is not None else []
    return ", ".join(parts)


def explain(model: Model, words: Words, html: str | None, as_json: bool, audience: RichAudience) -> None:
    """Shows how surprising each piece of a text is."""
    wish = words.wish(model)
    place = None if html is None else writing.file_for(html, writing.PAGE_FORMS)
    text = words.read(audience, needed="there is no text to explain: give one, or --file")
    found = texts.explain(model.package, text, wish.where)
    said(audience, found["notes"])
    if place is not None:
        writing.write_text(place, heat_page.page(found, Path(model.folder or "model").resolve().name))
        audience.say(f"heat map: {place}")
    if as_json:
        show.as_json(found)
    else:
        heat.heat_map(found)


@dataclass(frozen=True, slots=True)
class Ends:
    """What to go between."""

    start: str
    end: str
    where: Sequence[str]
    seed: int
    device: str


def interpolate(folder: str, ends: Ends, n: int, out: str | None, as_json: bool, audience: RichAudience) -> None:
    """Goes from one item to another: prints texts and rows, writes pictures."""
    model = opened(folder, ends.device)
    where = where_of(model, ends.where)
    kind = model.codec.kind
    place = None
    if out is not None or kind == "image":
        place = writing.target(out if out is not None else str(Path(folder) / "interpolation.png"), kind, n)
    items, notes = between.interpolate(model.package, (ends.start, ends.end), n, where, ends.seed)
    said(audience, notes)
    if place is not None:
        if place.ending == ".png":
            model.codec.draw(items, place.path, n)
        else:
            writing.write(place, items, model.codec, {}, {})
    texts_are = kind == "text" or registry.kind(kind).world
    plain = [str(item) for item in items] if texts_are else [[float(value) for value in row] for row in items] if kind == "vector" else []
    if as_json:
        show.as_json({"items": plain, "path": None if place is None else str(place.path), "notes": notes})
    elif place is not None:
        show.say(f"{n:,} steps: {place.path}")
    else:
        for item in plain:
            print(item if isinstance(item, str) else ", ".join(f"{value:.6g}" for value in item))


def classify(model: Model, item: str | None, asked: dict[str, Any], as_json: bool, audience: RichAudience) -> None:
    """Names the class of an item, or says how well held-out data is classified. `asked`: data, where, column, offline."""
    if item is not None and asked["data"] is not None:
        raise BadInput("give an item to classify or --data, not both")
    found = model.classify(item, audience=audience, **{**asked, "where": where_of(model, asked["where"])})
    if as_json:
        show.as_json(found)
    else:
        said(audience, found.get("notes", ()))
        (heat.classified if item is None else heat.one_class)(found)


def said(audience: RichAudience, notes: Sequence[str]) -> None:
    for note in notes:
        audience.say(f"note: {note}")
