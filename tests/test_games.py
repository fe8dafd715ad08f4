"""The watchdog of games: planted failures are seen, healed where they can be, and named where not; healthy runs are left alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from morelike.core.contract import Player
from morelike.core.noise import Noise
from morelike.core.spec import Array, class_label
from morelike.data.loader import Dataset, Order
from morelike.families.gan import GAN
from morelike.house import run
from morelike.house.audience import Silent
from morelike.house.build import build
from morelike.house.prepare import Feed
from morelike.house.recipe import Recipe, Training, apply
from morelike.house.showing import incidents_of
from morelike.training import game
from morelike.training.likeness import Likeness, Sampler, nearest, spread
from morelike.training.loop import LOOK_EVERY, Hooks, Trainer
from morelike.training.plan import Plan

SPEC, LABEL = Array((2,)), {"label": class_label(3)}
ROWS = 300


def blobs() -> Dataset:
    """Three classes around the corners of a triangle."""
    noise, ids = Noise(0, ROWS), torch.arange(ROWS) % 3
    angle = 2 * math.pi * ids / 3
    x = torch.stack((angle.cos(), angle.sin()), 1) + 0.2 * noise.normal((2,))
    return Dataset(x.numpy(), {"label": ids[:, None].numpy()})


class Tied(GAN):
    """A generator that makes one example a class, whatever its latent."""

    def prior(self, noise: Noise) -> Tensor:
        return 0 * super().prior(noise)


class Deaf(GAN):
    """A generator that never hears its label."""

    def make(self, z: Tensor, condition: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> Tensor:
        return super().make(z, {name: 0 * value for name, value in condition.items()}, given)


class Rows:
    """A sink that keeps its rows, and an audience that keeps its sentences."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.said: list[str] = []
        self.pictures: list[tuple[int, str]] = []

    def write(self, row: dict[str, Any]) -> None:
        self.rows.append(row)

    def close(self) -> None:
        return

    def picture(self, model: object, number: int, when: str) -> None:
        self.pictures.append((number, when))

    def of(self, event: str) -> list[dict[str, Any]]:
        return [row for row in self.rows if row["event"] == event]

    def hooks(self, **more: Any) -> Hooks:
        return Hooks(sink=self, tell=self.said.append, picture=self.picture, **more)


class Said(Silent):
    """Keeps what it hears."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks as often and alarms as soon as can be, so that the whole ladder fits into some hundred steps."""
    monkeypatch.setattr(game, "REST", 50)
    monkeypatch.setattr(game, "MEASURE_EVERY", LOOK_EVERY)


def trainer(
    hooks: Hooks | None = None, family: type[GAN] | str = "gan", steps: int = 200, watch: bool = True,
    optim: dict[str, dict[str, Any]] | None = None, **settings: Any,
) -> Trainer:  # fmt: skip
    own = {"plain": True, **settings}
    if isinstance(family, str):
        model = build(Recipe(model=family, size="xs", settings=settings), SPEC, LABEL)
    else:
        model = build(Recipe(size="xs", settings=own), SPEC, LABEL, custom=family)
    data = blobs()
    plan = Plan(steps=steps, batch=32, threads=1, watch=watch, optim=optim or {})
    return Trainer(model, Feed(data, Order(len(data), 32, 0), by_pass=False), plan, hooks)


def rates(factor: float) -> dict[str, dict[str, Any]]:
    players = [p for p in trainer().model.players() if isinstance(p, Player)]
    return {p.name: {"lr": factor * p.optim.lr} for p in players}


# sensors

def test_spread_and_nearest_against_known_sets() -> None:
    corners = torch.tensor([[0.0, 0], [2, 0], [0, 2], [2, 2]])
    assert spread(corners) == pytest.approx(math.sqrt(8 / 3))
    assert nearest(corners, 4) == pytest.approx(2.0)
    assert nearest(corners.repeat(2, 1), 8) == 0.0


class Teller(GAN):
    """Real examples of a class, scaled around their class's mean and turned by a number of classes."""

    scale, turn = 1.0, 0

    def sample(self, condition: Mapping[str, Tensor] | None = None, *, noise: Noise, **dials: Any) -> Tensor:
        assert condition is not None
        angle = 2 * math.pi * (condition["label"][:, 0] + self.turn) / 3
        return torch.stack((angle.cos(), angle.sin()), 1) + self.scale * 0.2 * noise.normal((2,), "else")


class Mover(GAN):
    """As much as its condition, times an amount, says."""

    amount = 1.0

    def sample(self, condition: Mapping[str, Tensor] | None = None, *, noise: Noise, **dials: Any) -> Tensor:
        assert condition is not None
        return self.amount * condition["number"] + 0.1 * noise.normal((2,), "else")


@pytest.mark.parametrize(
    ("scale", "turn", "diversity", "heard"), [(1.0, 0, 1.0, 1.0), (0.05, 0, 0.05, 1.0), (1.0, 1, 1.0, -0.5), (0.0, 0, 0.0, 1.0)]
)
def test_samples_are_measured_against_real_ones(scale: float, turn: int, diversity: float, heard: float) -> None:
    model = build(Recipe(size="xs"), SPEC, LABEL, custom=Teller)
    assert isinstance(model, Teller)
    model.scale, model.turn = scale, turn
    data = blobs()
    sampler = Sampler(SPEC, LABEL, Feed(data, Order(ROWS, 32, 0), by_pass=False).rows, 0)
    seen = sampler.measure(model)
    assert seen.diversity == pytest.approx(diversity, rel=0.35)
    assert seen.heard == pytest.approx(heard, abs=0.1)


def test_a_condition_that_is_no_class_is_heard_by_what_it_moves() -> None:
    noise = Noise(0, ROWS)
    number = noise.uniform((1,), "number")
    data = Dataset((number + 0.1 * noise.normal((2,))).numpy(), {"number": number.numpy()})
    rows = Feed(data, Order(ROWS, 32, 0), by_pass=False).rows
    for share in (1.0, 0.0):
        model = build(Recipe(size="xs"), SPEC, {"number": Array((1,))}, custom=Mover)
        assert isinstance(model, Mover)
        model.amount = share
        heard = Sampler(SPEC, {"number": Array((1,))}, rows, 0).measure(model).heard
        assert heard == pytest.approx(0.95 * share, abs=0.1)


def test_classes_that_mean_nothing_are_not_asked_for() -> None:
    noise = Noise(0, ROWS)
    data = Dataset(noise.normal((2,)).numpy(), {"label": (torch.arange(ROWS) % 3)[:, None].numpy()})
    model = build(Recipe(size="xs"), SPEC, LABEL, custom=Teller)
    assert isinstance(model, Teller)
    assert Sampler(SPEC, LABEL, Feed(data, Order(ROWS, 32, 0), by_pass=False).rows, 0).measure(model).heard is None


def test_a_critic_is_saturated_where_it_is_always_right_and_nothing_reaches_the_generator() -> None:
    def alarms(accuracy: float, gradient: float) -> list[game.Alarm | None]:
        run = trainer()
        watch = run.game
        assert watch is not None
        watch.standing.measured = 10**9
        found = []
        for look in range(20):
            now = 1.0 if look == 0 else gradient
            terms = {"critic.real-accuracy": accuracy, "critic.fake-accuracy": 1.0, "critic.gradient": 1.0, "generator.gradient": now}
            found.append(watch.look(10_000 + LOOK_EVERY * look, terms, run.average))
        return found

    saturated = alarms(1.0, 1e-4)
    first = saturated.index(next(alarm for alarm in saturated if alarm is not None))
    assert first == game.LOOKS["critic"]
    assert "saturated" in str(saturated[first])
    assert not any(alarms(0.9, 1e-4))
    assert not any(alarms(1.0, 0.5))


# healthy runs

def test_a_healthy_game_raises_no_alarm_and_learns_as_if_nobody_watched(brisk: None) -> None:
    seen = Rows()
    watched, alone = trainer(seen.hooks()).run(), trainer(watch=False).run()
    assert not seen.of("incident") + seen.of("verdict")
    assert any("watch.diversity" in row and "watch.condition" in row for row in seen.of("step"))
    for (name, a), b in zip(watched.state_dict().items(), alone.state_dict().values(), strict=True):
        assert torch.equal(a, b), name


# planted failures

def test_a_learning_rate_a_hundred_times_too_high_is_cut_until_the_game_is_sound(brisk: None) -> None:
    seen = Rows()
    trained = trainer(seen.hooks(), steps=300, optim=rates(100))
    trained.run()
    assert 1 <= len(seen.of("incident")) <= 2
    assert "diverged" in seen.of("incident")[0]["what"]
    assert trained.progress.rate_scale <= 0.1
    assert "learning rate times 0.1" in seen.said[0]
    last = [row for row in seen.of("step") if "watch.diversity" in row][-1]
    assert last["watch.diversity"] > 0.2
    assert last["watch.condition"] > 0.5


def test_a_batch_of_no_numbers_is_rolled_back_and_the_game_goes_on(brisk: None) -> None:
    seen = Rows()
    trained = trainer(seen.hooks(), steps=200)
    sound = trained.data.rows

    def rows(step: int) -> tuple[Tensor, Tensor, Mapping[str, Tensor]]:
        positions, x, condition = sound(step)
        return positions, x * math.nan if step == 110 else x, condition

    trained.data.rows = rows  # type: ignore[method-assign]
    kept = trained.run()
    (incident,) = seen.of("incident")
    assert incident["what"].endswith("not finite")
    assert incident["action"].startswith("weights of step 100 put back")
    assert all(bool(torch.isfinite(p).all()) for p in kept.parameters())
    assert [row for row in seen.of("step") if "watch.diversity" in row][-1]["watch.diversity"] > 0.2


def test_little_variety_is_borne_in_a_young_game_only(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = trainer(steps=2000).game
    assert watched is not None
    monkeypatch.setattr(watched, "_samples", lambda average: Likeness(0.15, 0, 1.0))
    monkeypatch.setattr(watched, "_critic", lambda terms: None)
    steps = range(game.MEASURE_EVERY, 1000, game.MEASURE_EVERY)
    alarms = {step: watched.look(step, {}, watched.model) for step in steps}
    first = min(step for step, alarm in alarms.items() if alarm is not None)
    assert game.RIPE * watched.rest < first <= game.RIPE * watched.rest + 4 * game.MEASURE_EVERY


@pytest.mark.parametrize(("family", "sensor", "words"), [(Tied, "diversity", "all alike"), (Deaf, "condition", "hardly heard")])
def test_what_no_remedy_heals_climbs_the_ladder_and_ends_in_a_verdict(brisk: None, family: type[GAN], sensor: str, words: str) -> None:
    seen = Rows()
    trained = trainer(seen.hooks(), family, steps=350)
    trained.run()
    incidents, verdict = seen.of("incident"), seen.of("verdict")
    assert [row["sensor"] for row in incidents] == [sensor] * 3
    assert all(words in row["what"] and row["value"] < row["threshold"] for row in incidents)
    assert incidents[0]["rung"] == "r1 from 0.2 to 1"
    assert trained.model.settings.r1 == 1.0
    assert "learning rate" in incidents[1]["rung"]
    assert len(verdict) == 1
    assert "did not heal" in seen.said[-1]
    assert trained.progress.step == 350
    assert seen.pictures == [(n, when) for n in (1, 2, 3) for when in ("before", "after")]


def test_the_rate_comes_after_the_family_s_own_remedies_and_pictures_hear_both() -> None:
    model = build(Recipe(model="dcgan", size="xs"), Array((1, 8, 8), 2 / 255), LABEL)
    assert [remedy.name for remedy in model.remedies()] == ["r1 from 0.2 to 1", "augment from 0 to 0.5"]
    assert [remedy.settings for remedy in build(Recipe(model="wgan-gp", size="xs"), SPEC, LABEL).remedies()] == [{"penalty": 50.0}]


class Stop(Exception):
    pass


@pytest.mark.parametrize("at", [130, 212])
def test_stopped_and_resumed_it_is_where_it_would_have_been(brisk: None, tmp_path: Path, at: int) -> None:
    path = tmp_path / "checkpoint.safetensors"
    whole = trainer(family=Deaf, steps=250)
    kept = whole.run()
    assert whole.game is not None
    assert whole.game.standing.alarms >= 2
    first = trainer(Hooks(checkpoint=path), Deaf, steps=250)
    sound = first.data.rows

    def rows(step: int) -> tuple[Tensor, Tensor, Mapping[str, Tensor]]:
        if step == at:
            raise Stop
        return sound(step)

    first.data.rows = rows  # type: ignore[method-assign]
    with pytest.raises(Stop):
        first.run()
    first.save()
    second = trainer(family=Deaf, steps=250)
    second.resume(path)
    resumed = second.run()
    assert second.game is not None
    assert second.game.standing == whole.game.standing
    for (name, a), b in zip(kept.state_dict().items(), resumed.state_dict().values(), strict=True):
        assert torch.equal(a, b), name


# the house

def test_the_report_shows_an_incident_with_samples_before_and_after(brisk: None, tmp_path: Path) -> None:
    said = Said()
    recipe = Recipe(size="xs", settings={"plain": True}, train=Training(steps=200, batch=32, precision="fp32", threads=1))
    data = blobs()
    run.train(recipe, tmp_path / "run", said, data=(data.x, data.condition["label"][:, 0]), custom=Deaf)
    incidents = incidents_of(tmp_path / "run" / "training")
    assert incidents[0]["sensor"] == "condition"
    assert all(incidents[0][when].startswith(b"\x89PNG") for when in ("before", "after"))
    assert any("the condition is hardly heard" in line for line in said.lines)
    assert said.lines[-1].startswith("the watchdog put weights back")


def test_the_watchdog_can_be_left_out() -> None:
    values = apply({"model": "gan"}, ["watch=false"], GAN)
    assert not Recipe.parse(values).train.watch
    assert trainer(watch=False).game is None
