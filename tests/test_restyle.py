"""A given text under another label: what is rewritten, what is kept, and how both are measured."""

from __future__ import annotations

import importlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import make_dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from conftest import Runner
from morelike.core.abilities import Continues, Density, Encodes, Infills, Prior
from morelike.core.contract import Generator
from morelike.core.errors import BadInput, Refused, UnknownName
from morelike.core.noise import Noise
from morelike.core.spec import Array, Tokens
from morelike.data.category import CategoryCodec
from morelike.data.text import TextCodec
from morelike.house.build import build
from morelike.house.model import Model
from morelike.house.package import Package, save
from morelike.house.recipe import Recipe
from morelike.house.restyle import words_of
from morelike.judges import content
from morelike.tasks import restyling

STOP = 6
SPEC = Tokens((8,), 7, STOP)
OLD, NEW = {"label": torch.tensor([[0]])}, {"label": torch.tensor([[1]])}
LINES = [f"the {colour} {animal} sees the cat" for colour in ("red", "blue") for animal in ("dog", "cat", "bird")]


class Odd(Density, Infills, Continues):
    """Ids are independent: under label 0 an odd one is nine times as likely as an even one, under label 1 the other way round."""

    tight = "exact"

    def _logs(self, condition: Any) -> Tensor:
        """(B,V)."""
        likely = torch.tensor([0.1, 0.9, 0.1, 0.9, 0.1, 0.9]) / 3.1
        rows = torch.stack((likely, likely.flip(0)))[condition["label"][:, 0]]
        return torch.cat((rows, torch.full((len(rows), 1), 0.1 / 3.1)), 1).log()

    def surprise(self, x: Tensor, condition: Any = None) -> Tensor:
        past = (x == STOP).long().cumsum(1) - (x == STOP).long() > 0
        return -self._logs(condition).gather(1, x).masked_fill(past, 0.0)

    def log_prob(self, x: Tensor, condition: Any = None, *, noise: Noise | None = None) -> Tensor:
        return -self.surprise(x, condition).sum(1)

    def next(self, ids: Tensor, condition: Any = None, state: Any = None) -> tuple[Tensor, Any]:
        logits = self._logs(condition) if state is None else state
        return logits, logits

    def infill(self, x: Tensor, known: Tensor, condition: Any = None, *, noise: Noise, **dials: Any) -> Tensor:
        assert bool((condition["label"] == 1).all())
        return torch.where(known, x, noise.integers(3, x.shape[1:]) * 2)


class Shifted(Encodes, Prior):
    """The latent of three ids is themselves less ten times the label's number."""

    latent = Array((3,))

    def encode(self, x: Tensor, condition: Any = None) -> Tensor:
        return x[:, :3].float() - 10 * condition["label"]

    def decode(self, z: Tensor, condition: Any = None) -> Tensor:
        return (z + 10 * condition["label"]).round().long()

    def prior(self, noise: Noise) -> Tensor:
        return noise.normal((3,), "prior")


def test_evidence_is_the_log_odds_that_a_span_adds() -> None:
    ids = [0, 1, 3, 2, 5]
    found = restyling.evidence(Odd(), SPEC, ids, [(0, 1), (1, 3), (3, 4), (4, 5)], OLD, NEW)
    nine = float(torch.tensor(9.0).log())
    assert found == pytest.approx([-nine, 2 * nine, -nine, nine], abs=1e-5)
    assert restyling.chosen(found, 0.5) == [1, 3]
    assert restyling.chosen(found, 0.01) == [1]
    assert restyling.chosen(found, 1.0) == [0, 1, 2, 3]


def test_infilling_draws_the_spans_anew_under_the_new_label_only() -> None:
    rows = restyling.by_infilling(Odd(), SPEC, [0, 1, 3, 2, 5], [(1, 3), (4, 5)], NEW, Noise(0, 1))
    assert rows.shape == (restyling.CANDIDATES, 8)
    assert (rows[:, [0, 3]] == torch.tensor([0, 2])).all()
    assert (rows[:, 5:] == STOP).all()
    assert (rows[:, [1, 2, 4]] % 2 == 0).all()
    assert len(rows.unique(dim=0)) > 5


def test_gaps_are_filled_from_the_left_with_what_is_likely_under_the_new_label() -> None:
    rows = restyling.by_gaps(Odd(), SPEC, [0, 1, 3, 2, 5, 5, 4], [(1, 2), (2, 3), (4, 6)], NEW, 2, Noise(0, 1))
    for row in rows.tolist():
        written = row[: row.index(STOP)] if STOP in row else row
        assert all(number % 2 == 0 for number in written)
        assert (written[0], written[-1]) == (0, 4)
        assert 2 in written[2:-1]
        assert len(written) < 8


def test_the_latent_moves_from_label_to_label() -> None:
    spec = Tokens((3,), 100, 99)
    rows = restyling.by_latent(Shifted(), spec, [1, 2, 3], OLD, NEW, 0.5, Noise(0, 1))
    assert rows[0].tolist() == [11, 12, 13]
    assert len(rows) == restyling.CANDIDATES
    assert len(rows.unique(dim=0)) > 5


def test_what_is_kept_of_a_text(monkeypatch: pytest.MonkeyPatch) -> None:
    assert content.words_kept("The dog, the cat", "a cat and THE bird") == 0.5
    assert content.words_kept("the dog", "dog the dog") == 1.0
    assert content.words_kept("语言模型", "模型语") == 0.75
    assert content.words_kept("...", "a") == 1.0
    assert content.chrf("the dog", "the dog") in (None, pytest.approx(100.0))

    def missing(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    monkeypatch.setattr(content, "import_module", missing)
    assert content.chrf("a", "a") is None


@pytest.mark.parametrize(
    ("unit", "text", "words"),
    [
        ("characters", "the red  dog.", ["the", " red", "  dog."]), ("bpe", "the red dog sees", ["the", " red", " dog", " sees"]),
        ("bytes", "犬は赤い", ["犬", "は", "赤", "い"]), ("characters", " a b", [" a", " b"]),
    ],
)  # fmt: skip
def test_words_are_spans_that_cover_the_text(unit: Any, text: str, words: Sequence[str]) -> None:
    codec = TextCodec.fit([*LINES, text], unit=unit, **({"vocab": 300} if unit == "bpe" else {}))
    pieces, ids = codec.pieces(), [int(number) for number in codec.ids([text])]
    spelt = [b"".join(pieces[number] for number in ids[first:last]).decode() for first, last in words_of(codec, text)]
    assert spelt == list(words)


def labelled(name: str, card: Mapping[str, Any] | None = None, **codec: Any) -> Model:
    """An untrained model of the smallest size of lines with a label."""
    recipe = Recipe(model=name, size="xs")
    text, label = TextCodec.fit(LINES, **codec), CategoryCodec(["play", "caption"])
    model = build(recipe, text.spec, {"label": label.spec})
    return Model(Package(model.eval(), text, {"label": label}, recipe, dict(card or {"histograms": {"label": [1, 1]}})))


@pytest.mark.parametrize("name", ["masked", "text-vae", "gru"])
def test_families_with_the_abilities_restyle(name: str) -> None:
    model = labelled(name)
    text = "the red dog sees"
    found = model.restyle(text, {"label": "caption"}, 2, 0.5, from_={"label": "play"}, seed=1)
    again = model.restyle(text, {"label": "caption"}, 2, 0.5, from_={"label": "play"}, seed=1)
    assert found == again
    assert found["source"]["text"] == text
    assert found["source"]["words_kept"] == 1.0
    assert (found["from"], found["to"]) == ({"label": "play"}, {"label": "caption"})
    for one in found["variants"]:
        assert one["words_kept"] == content.words_kept(text, one["text"])
        if name != "text-vae":
            assert sum(word in one["text"] for word in text.split()) >= 2
    if name != "text-vae":
        assert found["how"].startswith("2 of 4 words written anew, those that speak most for the old label")
    if name == "gru":
        one = found["variants"][0]
        assert one["style"] == pytest.approx(model.classify(one["text"])["probabilities"]["caption"], abs=1e-5)
        log_prob = model.generator.log_prob  # type: ignore[operator]
        nats = -float(log_prob(torch.from_numpy(model.codec.encode([one["text"]])).long(), {"label": torch.tensor([[1]])}).detach())
        assert one["nats_per_character"] == pytest.approx(nats / len(one["text"]), rel=1e-4)
    else:
        order = [one["style"] * one["words_kept"] * math.exp(-one["nats_per_character"]) for one in found["variants"]]
        assert order == sorted(order, reverse=True)


def test_the_models_own_label_is_found_and_said() -> None:
    model = labelled("gru")
    named = max(model.classify("the red dog")["probabilities"].items(), key=lambda pair: pair[1])[0]
    other = {"play": "caption", "caption": "play"}[named]
    found = model.restyle("the red dog", {"label": other})
    assert found["from"] == {"label": named}
    assert f"label={named}" in found["notes"][0]
    same = model.restyle("the red dog", {"label": named})
    assert "which it is to be" in same["notes"][0]
    assert "at random" in same["how"]


class Filler(Generator, Infills):
    """Puts id 0 into every gap, and has no likelihood."""

    Settings = make_dataclass("Settings", [])

    def players(self) -> list[Any]:
        return []

    def sample(self, condition: Any = None, *, noise: Noise, **dials: Any) -> Tensor:
        return torch.zeros(noise.size, *self.spec.shape, dtype=torch.int64)  # type: ignore[union-attr]

    def infill(self, x: Tensor, known: Tensor, condition: Any = None, *, noise: Noise, **dials: Any) -> Tensor:
        return torch.where(known, x, 0)


def test_without_a_likelihood_the_old_label_is_asked_for_and_words_are_drawn_at_random() -> None:
    package = labelled("masked").package
    model = Model(replace(package, model=Filler(package.codec.spec, package.model.conditions)))
    with pytest.raises(BadInput, match="--from label="):
        model.restyle("the red dog sees", {"label": "caption"})
    found = [model.restyle("the red dog sees", {"label": "caption"}, 3, 0.25, from_={"label": "play"}, seed=seed) for seed in range(9)]
    assert "1 of 4 words written anew, at random" in found[0]["how"]
    assert all(len(one["variants"]) == 1 and one["variants"][0]["style"] is None for one in found)
    assert len({one["variants"][0]["text"] for one in found}) == 4


WRONG = [
    ({"label": "verse"}, {}, {}, "caption"),
    ({"tone": "caption"}, {}, {}, "class label"),
    ({}, {}, {}, "one label"),
    ({"label": "caption"}, {"label": "caption"}, {}, "already"),
    ({"label": "caption"}, {}, {"where": {"label": "play"}}, "what changes"),
    ({"label": "caption"}, {}, {"n": 17}, "between 1 and 16"),
    ({"label": "caption"}, {}, {"strength": 0.0}, "share above 0"),
]


@pytest.mark.parametrize(("to", "given", "more", "sentence"), WRONG, ids=[row[3] for row in WRONG])
def test_wrong_wishes_are_refused(to: dict[str, str], given: dict[str, str], more: dict[str, Any], sentence: str) -> None:
    with pytest.raises((BadInput, UnknownName), match=sentence):
        labelled("gru").restyle("the red dog", to, from_=given, **more)


def test_texts_and_models_that_cannot_be_restyled() -> None:
    model = labelled("gru")
    for text, sentence in (("  ", "empty"), ("the dog " * 20, "shorten")):
        with pytest.raises(BadInput, match=sentence):
            model.restyle(text, {"label": "caption"})
    with pytest.raises(Refused, match=r"families that can: transformer,.* masked, text-vae"):
        labelled("rgan").restyle("the dog", {"label": "caption"})
    recipe = Recipe(model="gru", size="xs")
    codec = TextCodec.fit(LINES)
    with pytest.raises(Refused, match="no classes"):
        Model(Package(build(recipe, codec.spec, {}).eval(), codec, {}, recipe, {})).restyle("the dog", {"label": "caption"})


def test_the_verb_prints_texts_and_says_measures(morelike_cli: Runner, tmp_path: Path) -> None:
    save(labelled("masked").package, tmp_path / "model")
    words = ("restyle", tmp_path / "model", "the red dog sees", "--to", "label=caption", "-n", 2)
    ended = morelike_cli(*words)
    assert ended.code == 0, ended.err
    found = morelike_cli(*words, "--json").json
    assert ended.out.splitlines() == [one["text"] for one in found["variants"]]
    assert "words kept" in ended.err
    assert "p(new label)" in ended.err
    assert json.loads(json.dumps(found)) == found
    (tmp_path / "text.txt").write_text("the red dog sees\n")
    assert morelike_cli("restyle", tmp_path / "model", "--file", tmp_path / "text.txt", "--to", "label=caption", "-n", 2).out == ended.out
    assert "NAME=VALUE" in morelike_cli("restyle", tmp_path / "model", "the dog", "--to", "caption").err
