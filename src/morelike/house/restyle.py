"""The verb `restyle`: a given text under another class label, with how well it has the new style and what it kept of the old text."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..core.abilities import Continues, Density, Encodes, Infills
from ..core.contract import Generator
from ..core.errors import BadInput, Refused, UnknownName
from ..core.noise import Noise
from ..data.category import CategoryCodec
from ..data.text import TextCodec
from ..judges.content import chrf, words_kept
from ..judges.text_codes import Units
from ..tasks import classifying, restyling
from .able import generator
from .package import Package
from .sampling import conditions_for
from .texts import Wish, codec_of, drawn_conditions, ids_of, strange

STRENGTH = 0.5


@dataclass(frozen=True, slots=True)
class Change:
    """From which label to which; `old` is None where the model is to find it."""

    label: str
    new: str
    old: str | None


def change_of(package: Package, to: Mapping[str, Any], given: Mapping[str, Any], where: Mapping[str, Any]) -> Change:
    """What is asked for. Raises BadInput where that isn't one class label, UnknownName for a label that isn't there."""
    labels = {name: codec for name, codec in package.conditions.items() if isinstance(codec, CategoryCodec)}
    if not labels:
        raise Refused("this model knows no classes: train one with --condition LABEL on texts that have labels, then it can restyle")
    if len(to) != 1 or (given and given.keys() != to.keys()):
        raise BadInput(f"a text goes from one label to one other, such as --to {next(iter(labels))}=... --from {next(iter(labels))}=...")
    [(label, new)] = to.items()
    if label not in labels:
        raise UnknownName("class label", label, labels)
    if label in where:
        raise BadInput(f"{label} is what changes: it can't be fixed with --where")
    old = given.get(label)
    for name in (new, old):
        if name is not None:
            labels[label].id_of(str(name))
    if old is not None and str(old) == str(new):
        raise BadInput(f"the text is to be {label}={new} and is said to be that already")
    return Change(label, str(new), None if old is None else str(old))


def restyle(
    package: Package, text: str, to: Mapping[str, Any], given: Mapping[str, Any], n: int = 1, strength: float = STRENGTH,
    wish: Wish | None = None,
) -> dict[str, Any]:  # fmt: skip
    """{"source": measures of the text itself, "from", "to", "how", "variants": [measures], "notes"}: at most `n` texts, the best first.

    Measures are {"text", "style": p(new label | text) by Bayes' rule, "words_kept", "chrf", "nats_per_character" under the new label};
    those that need a likelihood are None where the model has none. Of 16 texts (4 where gaps are filled) the best are those with the
    largest product of style, words kept and likelihood per character. `strength` is the
    share of words that are written anew, or how far the latent may stray.
    """
    # files end in a line end that is no part of the item
    wish, text = wish or Wish(), text.rstrip("\r\n")
    model, codec = generator(package, "restyle"), codec_of(package, "restyle")
    change = change_of(package, to, given, wish.where)
    if not 1 <= n <= restyling.CANDIDATES:
        raise BadInput(f"the number of texts must be between 1 and {restyling.CANDIDATES}, not {n}")
    if not 0 < strength <= 1:
        raise BadInput(f"the strength is a share above 0 and at most 1, not {strength}")
    if not text.strip():
        raise BadInput("there is no text to restyle: it is empty")
    notes, work = strange(codec, text), _Work(package, model, codec, change, wish)
    if len(work.ids_of(text)) >= codec.window:
        raise BadInput(f"the text takes {len(work.ids_of(text)):,} ids and the model writes {codec.window - 1:,} at most: shorten it")
    if change.old is None:
        work, said = work.with_old(text)
        notes += said
    notes += drawn_conditions(package, work.given(change.new), {**wish.where, change.label: change.new})
    rows, how = work.drawn(text, n, strength)
    texts = [found for found in dict.fromkeys(codec.decode(rows.numpy())) if found.strip() and ("\ufffd" not in found or "\ufffd" in text)]
    if not texts:
        raise Refused("nothing that was drawn is a text: try another --seed or --strength")
    source, *variants = work.measured(text, [text, *texts])
    if source["style"] is not None:
        # style, content and fluency, as Krishna, Wieting, Iyyer 2020, arXiv:2010.05700, section 4, multiply them
        variants.sort(key=lambda one: -one["style"] * one["words_kept"] * math.exp(-one["nats_per_character"]))
    return {
        "source": source, "from": {change.label: work.change.old}, "to": {change.label: change.new}, "how": how,
        "variants": variants[:n], "notes": notes,
    }  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Work:
    """One wish, with the model that serves it."""

    package: Package
    model: Generator
    codec: TextCodec
    change: Change
    wish: Wish

    def ids_of(self, text: str) -> list[int]:
        return ids_of(self.codec, text)

    def given(self, label: str | None) -> dict[str, Tensor]:
        """One row of every condition, the label among them; what isn't asked for is drawn, the same for every label."""
        found = conditions_for(self.package, 1, {**self.wish.where, self.change.label: label}, self.wish.seed)
        return {name: value.to(self.model.device) for name, value in found.items()}

    @property
    def names(self) -> tuple[str, ...]:
        codec = self.package.conditions[self.change.label]
        assert isinstance(codec, CategoryCodec)
        return codec.names

    def log_likelihoods(self, texts: Sequence[str]) -> classifying.Floats | None:
        """(N,K) nats of texts under each label; None where the model has no likelihood."""
        if not isinstance(self.model, Density):
            return None
        x = torch.from_numpy(self.codec.encode(texts).astype(np.int64))
        others = {name: value.expand(len(x), *value.shape[1:]) for name, value in self.given(self.change.new).items()}
        del others[self.change.label]
        return classifying.likelihoods(self.model, x, self.change.label, len(self.names), others, seed=self.wish.seed)

    def posterior(self, nats: classifying.Floats) -> classifying.Floats:
        """(N,K) p(label | text), by the labels' shares in training."""
        counts = self.package.card.get("histograms", {}).get(self.change.label) or [1] * len(self.names)
        return np.asarray(np.exp(classifying.posterior(nats, np.array(counts, dtype=np.float64))))

    def with_old(self, text: str) -> tuple[_Work, list[str]]:
        """The same with the label that the model takes the text for; notes on it. Raises BadInput where it can't say."""
        nats = self.log_likelihoods([text])
        if nats is None:
            raise BadInput(f"{self.package.recipe.model} can't tell what the text is: say it with --from {self.change.label}=...")
        shares = self.posterior(nats)[0]
        old = self.names[int(shares.argmax())]
        said = f"the model takes the text for {self.change.label}={old} ({shares.max():.0%})"
        said += ", which it is to be" if old == self.change.new else f"; --from {self.change.label}=... says otherwise"
        return replace(self, change=replace(self.change, old=old)), [said]

    def drawn(self, text: str, n: int, strength: float) -> tuple[Tensor, str]:
        """((N,T) ids, how they were made in words), by the first ability of the model that serves."""
        old, new, ids = self.given(self.change.old), self.given(self.change.new), self.ids_of(text)
        noise, spec = Noise(self.wish.seed, 1, path=("restyle",)), self.codec.spec
        if isinstance(self.model, Encodes):
            return restyling.by_latent(self.model, spec, ids, old, new, strength, noise), "decoded from its latent under the new label"
        spans = words_of(self.codec, text)
        if isinstance(self.model, Density) and self.change.old != self.change.new:
            found, which = restyling.evidence(self.model, spec, ids, spans, old, new), "those that speak most for the old label"
        else:
            found, which = noise.uniform((len(spans),), "spans")[0].tolist(), "at random"
        gone = [spans[number] for number in restyling.chosen(found, strength)]
        how = f"{len(gone)} of {len(spans)} {'words' if _spaced(text) else 'characters'} written anew, {which}"
        if isinstance(self.model, Infills):
            return restyling.by_infilling(self.model, spec, ids, gone, new, noise), how
        assert isinstance(self.model, Continues)
        return restyling.by_gaps(self.model, spec, ids, gone, new, max(n, restyling.FILLED), noise), f"{how}, gap by gap"

    def measured(self, source: str, texts: Sequence[str]) -> list[dict[str, Any]]:
        """The measures of each text."""
        nats = self.log_likelihoods(texts)
        asked = self.names.index(self.change.new)
        found: list[dict[str, Any]] = []
        for row, text in enumerate(texts):
            one = {"text": text, "style": None, "words_kept": words_kept(source, text), "chrf": chrf(source, text)}
            one["nats_per_character"] = None if nats is None else -float(nats[row, asked]) / len(text)
            found.append(one)
        for one, shares in zip(found, () if nats is None else self.posterior(nats), strict=False):
            one["style"] = float(shares[asked])
        return found


def words_of(codec: TextCodec, text: str) -> list[restyling.Span]:
    """The words of a text as spans of its ids, each with the white space before it; single characters in scripts without spaces."""
    pieces, ids = codec.pieces(), ids_of(codec, text)
    if _spaced(text):
        blank = [pieces[number].isspace() for number in ids]
        starts = [place for place, number in enumerate(ids) if pieces[number][:1].isspace() and not (place and blank[place - 1])]
    else:
        # a byte 10xxxxxx goes on with a character
        starts = [place for place, number in enumerate(ids) if pieces[number][0] & 0xC0 != 0x80]
    edges = [*dict.fromkeys((0, *starts)), len(ids)]
    return list(pairwise(edges))


def _spaced(text: str) -> bool:
    return Units.of([text]).words
