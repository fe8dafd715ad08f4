"""Kinds of data with files and rules of their own, by the smallest of them: words over "ab" in which no two "b" stand together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pytest
import torch

import morelike
from morelike.core import registry
from morelike.core.errors import BadInput
from morelike.core.spec import Tokens
from morelike.data.columns import column
from morelike.data.source import Source
from morelike.data.world import World
from morelike.judges.domain import OWN, Domain, DomainScores, Score
from morelike.judges.extractor import Extractor
from morelike.judges.scores import Rule, Shown
from morelike.judges.verdict import verdict
from morelike.maths.constraint import DEAD


class Apart:
    """States: 0 after an "a" or nothing, 1 after a "b"."""

    start = 0

    def step(self, states: np.ndarray) -> np.ndarray:
        return np.stack([np.zeros_like(states), np.where(states == 0, 1, DEAD), np.full_like(states, DEAD)], 1)

    def accepts(self, states: np.ndarray) -> np.ndarray:
        return states != DEAD

    def fits(self, states: np.ndarray, left: int) -> np.ndarray:
        return states != DEAD

    def why_not(self, length: int) -> str:
        return "nothing fits"


class Words(World):
    kind: ClassVar[str] = "words"
    forms: ClassVar[Mapping[str, str]] = {".words": "a word a line"}
    spec = Tokens((8,), 3, 2)
    dtype = np.dtype(np.uint8)

    @classmethod
    def fit(cls, items: Iterable[str], **settings: Any) -> Self:
        return cls()

    def encode(self, items: Sequence[str]) -> np.ndarray:
        return np.array([["ab".index(letter) for letter in item] + [2] * (8 - len(item)) for item in items], np.uint8)

    def decode(self, x: np.ndarray) -> list[str]:
        return ["".join("ab"[place] for place in row if place < 2) for row in x.tolist()]

    def state(self) -> dict[str, Any]:
        return {}

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> Self:
        return cls()

    def describe(self) -> list[str]:
        return ["Words of at most 8 letters."]

    def draw(self, items: Sequence[str], path: Path, columns: int | None = None) -> None:
        import matplotlib.image

        matplotlib.image.imsave(path, np.zeros((4, 4)))

    def write(self, items: Sequence[str], path: Path, ending: str) -> None:
        path.write_text("".join(f"{item}\n" for item in items))

    def read(self, path: Path) -> list[str]:
        return path.read_text().split()

    def machine(self) -> Apart:
        return Apart()

    def broken(self, item: str) -> str | None:
        return "two b together" if "bb" in item else None


class JudgesOfWords(Domain):
    def extractor(self) -> Extractor:
        return Extractor("raw-letters", lambda items: np.array([[item.count("a"), item.count("b")] for item in items], float), cheap=True)

    def scores(self) -> list[Score]:
        return [
            Score("apart", Rule("higher", 20), "mean", lambda items: np.array(["bb" not in item for item in items], float)),
            Score("letters", Rule("lower", 20), "histogram", lambda items: np.array([[i.count("a"), i.count("b")] for i in items])),
            Score("unique", Rule("higher", 20), "set", lambda items: len(set(items)) / len(items)),
        ]


@pytest.fixture
def words(monkeypatch: pytest.MonkeyPatch) -> Source:
    line = registry.Kind("words", f"{__name__}:Words", "words", "markov", judges=f"{__name__}:JudgesOfWords")
    monkeypatch.setitem(registry.KINDS, "words", line)
    numbers = np.random.default_rng(0)
    items = ["".join(numbers.choice(["a", "b"], 8)) for _ in range(600)]
    return Source("words", "words", items, {"label": column("label", np.array([item[0] for item in items]))})


def test_whatever_is_drawn_obeys_unless_told_otherwise(words: Source, tmp_path: Path) -> None:
    model = morelike.train(words, model="markov", out=str(tmp_path / "m"), steps=4)
    assert all("bb" not in item for item in model.sample(200))
    free = model.sample(200, rules=False)
    assert any("bb" in item for item in free)
    with pytest.raises(BadInput, match="true or false"):
        model.sample(2, rules=3)
    scores = model.card["scores"]
    assert scores["apart"]["value"] == 1.0
    # of random words of eight letters 55 of 256 keep the rule
    assert scores["apart"]["floor"] == pytest.approx(55 / 256, abs=0.12)
    assert "two b together" in (tmp_path / "m" / "report.html").read_text()


def test_files_of_its_own(words: Source, tmp_path: Path) -> None:
    from morelike.cli.drawing import Asked, sample

    morelike.train(words, model="markov", condition="none", out=str(tmp_path / "m"), steps=2)
    drawn = sample(str(tmp_path / "m"), 5, Asked([], [], 0, "cpu"), str(tmp_path / "five.words"))
    assert drawn.path is not None
    assert len(drawn.path.read_text().splitlines()) == 5
    with pytest.raises(BadInput, match=r"a word a line"):
        sample(str(tmp_path / "m"), 5, Asked([], [], 0, "cpu"), str(tmp_path / "five.csv"))


def test_scores_against_hand_computed_values() -> None:
    domain = JudgesOfWords({}, ["aaab", "aabb"])
    items = np.array(["ab", "ab", "bb", "aa"] * 5, dtype=object)
    found = DomainScores(domain.scores(), domain.reference, 0).measure(Shown("generated", np.arange(20), {}, items=items))
    assert found["apart"].value == pytest.approx(0.75)
    # 5 of 8 letters are a in the reference, 1 of 2 in the set
    assert found["letters"].value == pytest.approx(0.125)
    assert found["unique"].value == pytest.approx(3 / 20)
    assert found["apart"].low is not None
    whole = DomainScores(domain.scores(), domain.reference, 0).measure(Shown("generated", np.arange(20), {}, items=np.array(["ab"] * 20)))
    # all twenty keep the rule: of how many would is not known better than this (Wilson)
    assert whole["apart"].low == pytest.approx(0.839, abs=1e-3)
    assert found["apart"].low < 0.75 < (found["apart"].high or 0)


@pytest.mark.parametrize("name", ["lstm", "transformer"])
def test_what_stands_in_a_group_is_told_its_place(name: str) -> None:
    """Read at once or one by one, a place of a group is told alike."""
    from morelike.core.noise import Noise
    from morelike.house.build import build
    from morelike.house.recipe import Recipe

    model = build(Recipe(model=name, size="xs", seed=0), Tokens((9,), 2, period=3), {}).eval()
    torch.nn.init.normal_(model.nets["causal"].beat.weight)  # type: ignore[union-attr,arg-type]
    x = Noise(0, 4).integers(2, (9,))
    with torch.no_grad():
        whole = model.surprise(x)  # type: ignore[operator]
        logits, state = model.next(x[:, :0])  # type: ignore[operator]
        for place in range(9):
            nats = -logits.log_softmax(-1).gather(1, x[:, place : place + 1])[:, 0]
            torch.testing.assert_close(nats, whole[:, place])
            logits, state = model.next(x[:, place : place + 1], None, state)  # type: ignore[operator]
        # the same id behind the same past is another thing at another place
        assert not torch.allclose(model.next(x[:, :3])[0], model.next(torch.cat((x[:, :1], x[:, :3]), 1))[0])  # type: ignore[operator]


@pytest.mark.parametrize("name", ["lstm", "transformer"])
def test_a_place_is_told_what_stands_around_it(name: str) -> None:
    """Read at once, one by one or in pieces, a place sees the same; and only the column before, within its rows."""
    from morelike.core.noise import Noise
    from morelike.house.build import build
    from morelike.house.recipe import Recipe

    recipe = Recipe(model=name, size="xs", seed=0, nets={"causal": {"around": True}})
    model = build(recipe, Tokens((12,), 3, period=4), {}).eval()
    net: Any = model.nets["causal"]
    x = Noise(0, 4).integers(3, (12,))
    told = net.around(x[:, :-1], 0, 12)
    above, left, below = net.around.above, net.around.left, net.around.below
    torch.testing.assert_close(told[:, 5], left(x[:, 1]) + above(x[:, 0]) + below(x[:, 2]))
    torch.testing.assert_close(told[:, 4], left(x[:, 0]) + below(x[:, 1]))
    torch.testing.assert_close(told[:, 11], left(x[:, 7]) + above(x[:, 6]))
    assert bool((told[:, :3] == 0).all())
    with torch.no_grad():
        whole = model.surprise(x)  # type: ignore[operator]
        for pieces in ([1] * 11, [3, 1, 5, 2], [0, 7, 4]):
            place, state = 0, None
            for count in pieces:
                logits, state = model.next(x[:, place : place + count], None, state)  # type: ignore[operator]
                place += count
                nats = -logits.log_softmax(-1).gather(1, x[:, place : place + 1])[:, 0]
                torch.testing.assert_close(nats, whole[:, place])
        longer = torch.cat((x, x), 1)
        _, state = model.next(longer[:2, :20])  # type: ignore[operator]
        again, _ = model.next(longer[:2, 20:], None, state.rows(torch.tensor([1, 0])))  # type: ignore[operator]
        assert bool(again.isfinite().all())


def test_the_verdict_names_what_real_data_are_ahead_on() -> None:
    line = {"value": 0.5, "low": 0.4, "high": 0.6, "floor": 1.0, "floor_low": 0.9, "floor_high": 1.0, "better": "higher", "extractor": OWN}
    more = {"ceiling": 0.1, "ceiling_name": "markov", "n": 100}
    scores = {"solvable": {**line, **more}, "whole": {**line, **more, "value": 1.0, "low": 0.95, "high": 1.0}}
    said = verdict({"scores": scores, "n": 100, "classes": [], "copiers": {}, "baselines": {}})
    assert "Real data are ahead on solvable 0.5 (real 1)." in said
    assert "whole" not in said
