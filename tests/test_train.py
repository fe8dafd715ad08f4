"""The trainer: it learns, resumes bit for bit, heals itself, and follows its plan."""

from __future__ import annotations

import math
import signal
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from morelike.core.contract import Batch, Generator, Learner, Optim, Player, Terms, Trainable
from morelike.core.errors import BadPackage
from morelike.core.noise import Noise
from morelike.core.spec import Array, class_label
from morelike.data.loader import Dataset, Order
from morelike.house.build import build
from morelike.house.prepare import Feed, prepare
from morelike.house.recipe import Recipe
from morelike.testing import toy_dataset
from morelike.training.loop import LOOK_EVERY, Hooks, Trainer
from morelike.training.optimiser import Optimiser, factor
from morelike.training.plan import Plan
from morelike.training.record import JsonLines, read
from morelike.training.watchdog import TrainingFailed


class Rows:
    """A sink that keeps its rows."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def write(self, row: dict[str, Any]) -> None:
        self.rows.append(row)

    def close(self) -> None:
        return


@dataclass(frozen=True)
class ToySettings:
    poisoned: tuple[int, ...] = ()
    """Steps at which the loss is not a number."""
    dropout: float = 0.0


class Toy(Generator):
    """Fits a mean by gradient descent: its optimum is known."""

    Settings = ToySettings

    def __init__(self, spec: Any, conditions: Any, nets: Any, parts: Any, settings: ToySettings) -> None:
        super().__init__(spec, conditions, nets, parts, settings)
        self.mean = nn.Parameter(torch.zeros(spec.shape))
        self.dropout = nn.Dropout(settings.dropout)
        self.count = 0

    def players(self) -> list[Player | Learner]:
        return [Player("mean", [self.mean], self._loss, optim=Optim(lr=0.05, warmup=0.0, clip=0.0))]

    def _loss(self, batch: Batch) -> Terms:
        loss = (self.dropout(self.mean.expand_as(batch.data)) - batch.data).square().flatten(1).sum(1)
        step = round(batch.progress * 1000)
        return {"loss": loss * (math.nan if step in self.settings.poisoned else 1.0)}

    def sample(self, condition: Mapping[str, Tensor] | None = None, *, noise: Noise, **dials: Any) -> Tensor:
        return self.mean.expand(noise.size, *self.spec.shape)


SPEC = Array((2,))


def trainer(plan: Plan, hooks: Hooks | None = None, **settings: Any) -> Trainer:
    data = toy_dataset(SPEC)
    dataset = Dataset(data.x)
    model = build(Recipe(settings=settings), SPEC, {}, custom=Toy)
    return Trainer(model, Feed(dataset, Order(len(dataset), plan.batch, plan.seed), by_pass=False), plan, hooks)


def test_it_reaches_a_known_optimum() -> None:
    plan = Plan(steps=400, batch=32)
    kept = trainer(plan).run()
    assert isinstance(kept, Toy)
    assert kept.mean.tolist() == pytest.approx(toy_dataset(SPEC).x.mean(0).tolist(), abs=0.02)


def test_a_nan_is_rolled_back_with_a_lower_rate_and_training_goes_on() -> None:
    sink = Rows()
    run = trainer(Plan(steps=1000, batch=32), Hooks(sink=sink), poisoned=[300])
    kept = run.run()
    incidents = [row for row in sink.rows if row["event"] == "incident"]
    assert len(incidents) == 1
    assert "mean.loss" in incidents[0]["what"]
    assert "put back" in incidents[0]["action"]
    assert run.progress.rate_scale < 1
    assert torch.isfinite(kept.mean).all()  # type: ignore[arg-type]
    assert kept.mean.tolist() == pytest.approx(toy_dataset(SPEC).x.mean(0).tolist(), abs=0.05)  # type: ignore[operator,union-attr]


def test_it_gives_up_after_three_and_keeps_the_last_healthy_state(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    run = trainer(Plan(steps=1000, batch=32), Hooks(checkpoint=path), poisoned=[300, 400, 500])
    with pytest.raises(TrainingFailed, match="third time"):
        run.run()
    again = trainer(Plan(steps=1000, batch=32))
    again.resume(path)
    assert torch.isfinite(again.model.mean).all()  # type: ignore[arg-type]


def test_resume_is_bit_identical_with_dropout_and_a_real_family(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"

    def make(hooks: Hooks | None = None) -> Trainer:
        data = toy_dataset(Array((1, 8, 8), 2 / 255))
        recipe = Recipe(model="diffusion", size="xs", nets={"denoiser": {"dropout": 0.3}})
        model = build(recipe, Array((1, 8, 8), 2 / 255), {"label": class_label(3)})
        plan = Plan(steps=40, batch=16, drop=0.2)
        return Trainer(model, Feed(data, Order(len(data), 16, 0), by_pass=False), plan, hooks)

    class Stop(Exception):
        pass

    def stop_at(step: int, terms: Mapping[str, float]) -> None:
        if step >= LOOK_EVERY:
            raise Stop

    whole = make().run()
    first = make(Hooks(checkpoint=path, advance=stop_at))
    with pytest.raises(Stop):
        first.run()
    first.save()
    second = make()
    second.resume(path)
    assert second.progress.step == LOOK_EVERY
    resumed = second.run()
    for (name, a), b in zip(whole.state_dict().items(), resumed.state_dict().values(), strict=True):
        assert torch.equal(a, b), name


def test_ctrl_c_saves_a_run_that_can_be_taken_up(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"

    def interrupt(step: int, terms: Mapping[str, float]) -> None:
        if step >= 50:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trainer(Plan(steps=200, batch=8), Hooks(checkpoint=path, advance=interrupt)).run()
    again = trainer(Plan(steps=200, batch=8))
    again.resume(path)
    assert again.progress.step == 50
    assert torch.equal(again.run().mean, trainer(Plan(steps=200, batch=8)).run().mean)  # type: ignore[arg-type]


def test_an_interrupt_in_the_middle_of_a_step_waits_for_its_end(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    run = trainer(Plan(steps=200, batch=8), Hooks(checkpoint=path))
    step_once = run.step_once

    def interrupted(step: int) -> None:
        if step == 67:
            signal.raise_signal(signal.SIGINT)
        step_once(step)

    run.step_once = interrupted  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        run.run()
    again = trainer(Plan(steps=200, batch=8))
    again.resume(path)
    assert again.progress.step == 68
    assert torch.equal(again.run().mean, trainer(Plan(steps=200, batch=8)).run().mean)  # type: ignore[arg-type]


def test_a_checkpoint_of_another_plan_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    first = trainer(Plan(steps=20, batch=8), Hooks(checkpoint=path))
    first.run()
    with pytest.raises(BadPackage, match="another plan"):
        trainer(Plan(steps=20, batch=16)).resume(path)


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd", "muon"])
def test_every_optimiser_descends_and_survives_its_state(name: str) -> None:
    torch.manual_seed(0)
    target = torch.randn(4, 4)
    params = [nn.Parameter(torch.zeros(4, 4)), nn.Parameter(torch.zeros(4))]
    optim = Optim(name=name, lr=0.05, betas=(0.9, 0.99), warmup=0.0, schedule="constant")  # type: ignore[arg-type]
    optimiser = Optimiser(params, optim)

    def turn(weights: list[nn.Parameter], o: Optimiser) -> float:
        loss = (weights[0] + weights[1] - target).square().sum()
        loss.backward()
        o.step(0.5)
        return float(loss.detach())

    losses = [turn(params, optimiser) for _ in range(40)]
    assert losses[-1] < 0.6 * losses[0]
    copies = [nn.Parameter(p.detach().clone()) for p in params]
    other = Optimiser(copies, optim)
    other.restore(optimiser.state())
    turn(params, optimiser)
    turn(copies, other)
    assert all(torch.equal(a, b) for a, b in zip(params, copies, strict=True))


def test_schedules_start_low_and_end_where_they_should() -> None:
    cosine = Optim(schedule="cosine", warmup=0.1)
    assert factor(cosine, 0.0) < 0.01
    assert factor(cosine, 0.1) == pytest.approx(0.5 * (1 + math.cos(0.1 * math.pi)))
    assert factor(cosine, 1.0) == pytest.approx(0.0, abs=1e-9)
    assert factor(Optim(schedule="constant", warmup=0.0), 1.0) == 1.0
    assert factor(Optim(schedule="linear", warmup=0.0), 0.25) == 0.75


def test_chunks_give_the_same_gradient() -> None:
    whole, parts = trainer(Plan(steps=20, batch=32)), trainer(Plan(steps=20, batch=32, chunks=4))
    assert torch.allclose(whole.run().mean, parts.run().mean, atol=1e-6)  # type: ignore[arg-type]


def test_early_stopping_keeps_the_best_validated_weights() -> None:
    scores = iter([3.0, 1.0, 2.0, 4.0, 5.0])
    means: list[Tensor] = []

    def validate(model: Trainable) -> float:
        means.append(model.mean.detach().clone())  # type: ignore[operator,union-attr]
        return next(scores)

    run = trainer(Plan(steps=100, batch=8, patience=2), Hooks(validate=validate))
    kept = run.run()
    assert len(means) == 4
    assert run.progress.best_step == 25
    assert torch.equal(kept.mean, means[1])  # type: ignore[arg-type]


def test_a_later_state_wins_within_the_noise_of_the_score() -> None:
    scores = iter([3.0, 1.0, 1.4, 1.3, 1.6])
    run = trainer(Plan(steps=100, batch=8), Hooks(validate=lambda model: next(scores), slack=0.5))
    run.run()
    assert run.progress.best_step == 75
    assert run.progress.best_score == 1.0


def test_a_player_that_must_not_see_data_does_not() -> None:
    class Blindfolded(Toy):
        def players(self) -> list[Player | Learner]:
            return [replace(p, sees_data=False) for p in super().players() if isinstance(p, Player)]

    model = build(Recipe(), SPEC, {}, custom=Blindfolded)
    data = Dataset(toy_dataset(SPEC).x)
    run = Trainer(model, Feed(data, Order(len(data), 8, 0), by_pass=False), Plan(steps=5, batch=8))
    with pytest.raises(RuntimeError, match="sees_data"):
        run.run()


def test_the_record_survives_a_crash_in_mid_line(tmp_path: Path) -> None:
    path = tmp_path / "record.jsonl"
    sink = JsonLines(path)
    sink.write({"event": "step", "step": 1})
    sink.close()
    with path.open("a") as file:
        file.write('{"event": "st')
    assert read(path) == [{"event": "step", "step": 1}]


GOLDEN = Path(__file__).parent / "golden"
GOLDEN_NAMES = ("diffusion", "vae", "dcgan")


def golden_curve(name: str) -> list[dict[str, float]]:
    """Each player's loss over twenty steps on real digits at a fixed seed."""
    data = prepare(Recipe(data="digits"))
    model = build(Recipe(model=name, size="xs"), data.codec.spec, data.specs)
    run = Trainer(model, Feed(data.train, Order(len(data.train), 32, 0), by_pass=False), Plan(steps=20, batch=32))
    curve = []
    for step in range(20):
        run.step_once(step)
        curve.append({key: float(values[-1]) for key, values in run.seen.items() if key.endswith(".loss")})
    return curve


@pytest.mark.parametrize("name", GOLDEN_NAMES)
def test_golden_curves(name: str) -> None:
    """A change of the maths shows here first; `tests/golden/make.py` writes the curves anew."""
    lines = (GOLDEN / f"{name}.txt").read_text().splitlines()
    for step, (row, line) in enumerate(zip(golden_curve(name), lines, strict=True)):
        expected = {key: pytest.approx(float(value), rel=1e-2, abs=1e-3) for key, value in (pair.split("=") for pair in line.split())}
        assert row == expected, f"step {step}"


def test_shares_of_the_run_say_when_it_is_validated() -> None:
    asked: list[int] = []
    run = trainer(Plan(steps=100, batch=8), Hooks(validate_at=(0.01, 0.5, 1.0), stage=lambda model, step, seconds: asked.append(step)))
    run.run()
    assert asked == [1, 50, 100]
