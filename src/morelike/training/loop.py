"""The loop: turns of players and learners, averaging, validation, the watchdog, checkpoints and resume, for every family.

All randomness is a function of (seed, position in the data order); the step number is the only clock, so a resumed run
continues bit for bit.
"""

from __future__ import annotations

import contextlib
import copy
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from ..core.contract import Batch, Learner, Player, Terms, Trainable
from ..core.errors import BadPackage
from ..core.noise import Noise
from ..core.spec import lift, lift_all
from .game import GROWN_CUT, MOST_ALARMS, Alarm, Game, Standing, watched
from .interrupt import between_steps
from .optimiser import Optimiser
from .plan import VALIDATE_AT, Plan, turns
from .record import Row, Sink
from .rule import averaged, gradient_norm
from .state import Progress, gather, group, load, put, save, weights
from .watchdog import MOST_INCIDENTS, RATE_CUT, UNHEALED, Snapshot, TrainingFailed, sick

LOOK_EVERY = 25
"""Steps between looks at the numbers: each look waits for the device, is recorded, and can raise the alarm."""


class Data(Protocol):
    """Encoded examples in their order, as `data.loader` gives them."""

    def rows(self, step: int) -> tuple[Tensor, Tensor, Mapping[str, Tensor]]:
        """(positions (B,) int64, stored x (B,*), conditions): a pure function of the step."""

    def ends_pass(self, step: int) -> bool:
        """Whether this step's batch is the last of a pass over the data."""


@dataclass(slots=True)
class Hooks:
    """What the house does while the trainer works; all optional."""

    validate: Callable[[Trainable], float] | None = None
    """Score of the averaged weights on validation data, lower is better."""
    slack: float = 0.0
    """A later state replaces the best one if its score is at most so much worse: the score's own noise."""
    validate_at: Sequence[float] = VALIDATE_AT
    """Shares of the run."""
    stage: Callable[[Trainable, int, float], None] | None = None
    """(averaged model, step, seconds) after each validation: to draw samples."""
    advance: Callable[[int, Mapping[str, float]], None] | None = None
    """(step, latest terms): for a progress bar."""
    tell: Callable[[str], None] | None = None
    """Hears of an incident in one sentence."""
    picture: Callable[[Trainable, int, str], None] | None = None
    """(averaged model, number of the incident, "before" or "after" it was treated): to draw samples."""
    sink: Sink | None = None
    checkpoint: Path | None = None


class Trainer:
    """Trains a model in place; `averaged` holds the averaged weights, `best` the best validated ones."""

    def __init__(self, model: Trainable, data: Data, plan: Plan, hooks: Hooks | None = None) -> None:
        self.model, self.data, self.plan, self.hooks = model, data, plan, hooks or Hooks()
        self.device = model.device
        # freezing is undone by turns: it must never reach a parameter that a family froze for good
        self.trainable = [p for p in model.parameters() if p.requires_grad]
        self.players, self.learners = turns(model.players())
        self.optimisers = {p.name: Optimiser(p.params, plan.optim_of(p)) for p in self.players}
        self.average = _copy(model) if self.players and plan.averaging > 0 else model
        # gathered once: to walk the modules in every step takes as long as a small net's step
        self._averages: list[Tensor] = list(self.average.parameters())
        self._newest = [p.detach() for p in model.parameters()]
        model.train()
        both = zip(self.average.modules(), model.modules(), strict=True)
        self._buffered = [(own, new) for own, new in both if next(new.buffers(recurse=False), None) is not None]
        self.progress = Progress()
        self.best: dict[str, Tensor] = {}
        self.marks = sorted({max(1, round(share * plan.steps)) for share in self.hooks.validate_at})
        self._turn: str | None = None
        self.seen: dict[str, list[Tensor]] = {}
        self._healthy: Snapshot | None = None
        """The last state of finite numbers."""
        self._well: Snapshot | None = None
        """In a game: the last state whose samples were well, too."""
        self.game: Game | None = None
        if plan.watch and watched(model, self.players):
            self.game = Game(model, self.players, data.rows, plan.seed, plan.steps)
        self._stopped = False

    @property
    def incidents(self) -> int:
        """How many times weights were put back."""
        return self.progress.incidents + (0 if self.game is None else self.game.standing.alarms)

    def run(self, until: int | None = None) -> Trainable:
        """Trains to the plan's end and returns the model to keep: the best validated average, or the last. `until`: only up to this
        step, where the state is saved to be taken up again; the average as it is then is returned.

        Raises TrainingFailed after three incidents; on KeyboardInterrupt the state is saved first.
        """
        end = self.plan.steps if until is None else min(until, self.plan.steps)
        if self.plan.threads:
            torch.set_num_threads(self.plan.threads)
        if self._healthy is None:
            self._snapshot()
            self._well = self._healthy
        try:
            with between_steps() as interrupted:
                while self.progress.step < end and not self._stopped and not interrupted:
                    self._sitting(interrupted, end)
            if interrupted:
                raise KeyboardInterrupt
        except KeyboardInterrupt:
            if self._is_sick():
                self._restore(self._healthy)
            self.save()
            raise
        finally:
            self._unfreeze()
        if self.progress.step < self.plan.steps and not self._stopped:
            self.save()
            return self.average.eval()
        self._after_picture(due=True)
        if self.best:
            put(self.average, self.best)
        return self.average.eval()

    def _sitting(self, interrupted: list[int], end: int) -> None:
        """Steps up to the next look or mark, then looks; an interrupt and the step `end` break it off between two steps."""
        began, step = time.perf_counter(), self.progress.step
        stop = min((step // LOOK_EVERY + 1) * LOOK_EVERY, self.plan.steps, *(m for m in self.marks if m > step))
        while self.progress.step < min(stop, end) and not self._stopped and not interrupted:
            self.step_once(self.progress.step)
            self.progress.step += 1
        self.progress.seconds += time.perf_counter() - began
        if self.progress.step < stop and (interrupted or self.progress.step == end):
            return
        self._look()
        if self.progress.step in self.marks:
            self._validate()

    def step_once(self, step: int) -> None:
        """One turn of everybody who plays at this step; nothing is looked at."""
        positions, stored, condition = self.data.rows(step)
        noise = Noise(self.plan.seed, positions.to(self.device), path=("train",))
        batch = Batch(
            x=lift(self.model.spec, stored.to(self.device), noise),
            noise=noise,
            condition=lift_all(self.model.conditions, {name: value.to(self.device) for name, value in condition.items()}),
            given={name: noise.uniform((), f"drop {name}") >= self.plan.drop for name in condition},
            progress=step / self.plan.steps,
        )
        if not self.model.training:
            self.model.train()
        for player in self.players:
            share = player.share(batch.progress)
            if share is not None and (step + 1) % player.every == 0:
                self._play(player, batch, step, share)
        for learner in self.learners:
            self._learn(learner, batch, step)
        self._update_average(step + 1)

    def _play(self, player: Player, batch: Batch, step: int, share: float) -> None:
        self._freeze_all_but(player)
        self._reseed(step)
        batch = replace(batch, x=batch.x if player.sees_data else None, noise=batch.noise.under(player.name))
        optimiser = self.optimisers[player.name]
        with self._autocast():
            terms = averaged(player, batch, self.plan.chunks)
        norm = gradient_norm(list(player.params), optimiser.optim.clip)
        optimiser.step(share, self.progress.rate_scale)
        if player.after is not None:
            with torch.no_grad():
                player.after(batch)
        self._note(player.name, {**terms, "gradient": norm})

    def _learn(self, learner: Learner, batch: Batch, step: int) -> None:
        done = self.progress
        if learner.name in done.converged:
            return
        self._reseed(step)
        with torch.no_grad():
            terms = learner.see(replace(batch, noise=batch.noise.under(learner.name)))
            self._note(learner.name, terms)
            if self.data.ends_pass(step):
                converged = learner.settle() if learner.settle is not None else False
                done.passes[learner.name] = done.passes.get(learner.name, 0) + 1
                if converged or done.passes[learner.name] >= learner.passes:
                    done.converged.append(learner.name)
        self._stopped = not self.players and len(done.converged) == len(self.learners)

    def _reseed(self, step: int) -> None:
        # dropout is the one consumer of torch's own generator
        torch.default_generator.manual_seed(self.plan.seed * 1_000_003 + step)
        if self.device.type == "cuda":
            torch.cuda.default_generators[self.device.index or 0].manual_seed(self.plan.seed * 1_000_003 + step)

    def _autocast(self) -> contextlib.AbstractContextManager[Any]:
        if self.plan.precision == "bf16":
            return torch.autocast(self.device.type, torch.bfloat16)
        return contextlib.nullcontext()

    def _freeze_all_but(self, player: Player) -> None:
        if self._turn == player.name:
            return
        own = {id(p) for p in player.params}
        for p in self.trainable:
            p.requires_grad_(id(p) in own)
        self._turn = player.name

    def _unfreeze(self) -> None:
        for p in self.trainable:
            p.requires_grad_(True)
        self._turn = None

    def _update_average(self, count: int) -> None:
        if self.average is self.model:
            return
        share = 1.0 - (1.0 - 1.0 / count) ** (self.plan.averaging + 1)
        with torch.no_grad():
            torch._foreach_lerp_(self._averages, self._newest, share)
            for own, new in self._buffered:
                grows = getattr(new, "grows", ())
                for name, buffer in new.named_buffers(recurse=False):
                    if name in grows:
                        setattr(own, name, buffer)
                    else:
                        own.get_buffer(name).copy_(buffer)

    def _note(self, player: str, terms: Terms) -> None:
        for name, value in terms.items():
            self.seen.setdefault(f"{player}.{name}", []).append(value.detach().float().mean())

    def _look(self) -> None:
        """Reads the numbers since the last look: records them, or raises the alarm."""
        names = list(self.seen)
        means = torch.stack([torch.stack(self.seen[name]).mean() for name in names]).tolist() if names else []
        terms = dict(zip(names, means, strict=True))
        self.seen = {}
        if sick(terms):
            self._heal(f"{', '.join(sick(terms))} not finite", RATE_CUT)
            return
        if self.game is not None and self._is_worse(self.game, terms):
            return
        if self._healthy is None or self.progress.step - self._healthy.step >= 2 * LOOK_EVERY:
            self._snapshot()
        if self.game is not None and self.game.well:
            self._snapshot()
            self._well = self._healthy
        self._write({"event": "step", "step": self.progress.step, "seconds": round(self.progress.seconds, 3), **terms})
        if self.hooks.advance is not None:
            self.hooks.advance(self.progress.step, terms)

    def _is_sick(self) -> bool:
        return not _finite(self.model)

    def _snapshot(self) -> None:
        if not self._is_sick():
            self._healthy = Snapshot(self._flat(grown=False), self.progress.step)

    def _restore(self, snapshot: Snapshot | None) -> None:
        if snapshot is not None:
            # what Learners have gathered since is theirs: it is not undone, for their passes are not
            own = {name: value for name, value in self._flat().items() if not name.startswith("optim.")}
            self._put({**own, **snapshot.flat})
        if self.game is not None:
            self.game.settle(self.progress.step)

    def _heal(self, what: str, cut: float) -> None:
        """Back to the last healthy weights; the data order goes on, so the same batch is not met again."""
        done = self.progress
        done.incidents += 1
        done.rate_scale *= cut
        self._picture("before")
        self._restore(self._healthy)
        back = self._healthy.step if self._healthy else 0
        self._report(what, f"weights of step {back} put back, learning rate times {done.rate_scale:g}")
        if done.incidents >= MOST_INCIDENTS:
            self.save()
            raise TrainingFailed(
                f"training gave up at step {done.step}: {what} for the third time, also at {done.rate_scale / cut:g} of the "
                "learning rate. Lower the rate (lr=...), or look at the data with `morelike check`. The last healthy state is kept."
            )

    def _is_worse(self, game: Game, terms: dict[str, float]) -> bool:
        """Looks at a game; after an alarm the weights are others, and this look is over."""
        if grown := game.grown():
            self._heal(f"the game diverged: {grown}", GROWN_CUT)
            return True
        self._after_picture()
        with self._autocast():
            alarm = game.look(self.progress.step, terms, self.average)
        if alarm is not None:
            self._treat(game, alarm)
        return alarm is not None

    def _treat(self, game: Game, alarm: Alarm) -> None:
        """Back to the last state that was well, and up one rung of the ladder; after the last incident a verdict, and nothing more."""
        done, standing = self.progress, game.standing
        if standing.alarms >= MOST_ALARMS:
            standing.gave_up = True
            self._report(f"{alarm.what}, also after {MOST_ALARMS} remedies", "left as it is; training goes on", alarm, event="verdict")
            return
        standing.alarms += 1
        self._picture("before")
        self._restore(self._well)
        rung = game.climb()
        if rung is None:
            done.rate_scale *= RATE_CUT
            rung = f"learning rate times {done.rate_scale:g}"
        back = self._well.step if self._well else 0
        self._report(alarm.what, f"weights of step {back} put back, {rung}", alarm, rung=rung)

    def _report(self, what: str, action: str, alarm: Alarm | None = None, event: str = "incident", **facts: Any) -> None:
        """Into the record, and one sentence to whoever listens."""
        seen = {} if alarm is None else {"sensor": alarm.sensor, "value": alarm.value, "threshold": alarm.threshold}
        number = {"number": self.incidents} if event == "incident" else {}
        self._write({"event": event, "step": self.progress.step, "what": what, "action": action, **number, **seen, **facts})
        if self.hooks.tell is not None:
            advice = f". {UNHEALED}" if event == "verdict" else ""
            self.hooks.tell(f"step {self.progress.step:,}: {what}; {action}{advice}")

    def _after_picture(self, due: bool = False) -> None:
        """Draws samples once an incident's remedy has had its time, or at the run's end."""
        if self.game is None:
            return
        standing = self.game.standing
        if standing.pictured < self.incidents and (due or self.progress.step - standing.since >= self.game.rest):
            self._picture("after")
            standing.pictured = self.incidents

    def _picture(self, when: str) -> None:
        if self.hooks.picture is not None and self.game is not None and _finite(self.average):
            self.hooks.picture(self.average.eval(), self.incidents, when)

    def _validate(self) -> None:
        done = self.progress
        self._unfreeze()
        self.average.eval()
        if self.hooks.validate is not None:
            score = self.hooks.validate(self.average)
            if done.best_score is None or score <= done.best_score + self.hooks.slack:
                done.best_score = score if done.best_score is None else min(score, done.best_score)
                done.best_step, done.worse = done.step, 0
                self.best = {name: value.clone() for name, value in weights(self.average).items()}
            else:
                done.worse += 1
            self._write({"event": "validation", "step": done.step, "seconds": round(done.seconds, 3), "validation.score": score})
            self._stopped = self._stopped or 0 < self.plan.patience <= done.worse
        if self.hooks.stage is not None:
            self.hooks.stage(self.average, done.step, done.seconds)
        self.save()

    def _write(self, row: Row) -> None:
        if self.hooks.sink is not None:
            self.hooks.sink.write(row)

    def _flat(self, grown: bool = True) -> dict[str, Tensor]:
        """Everything, copied; `grown`: with the buffers of modules whose buffers grow."""
        models: dict[str, nn.Module] = {"model": self.model}
        if self.average is not self.model:
            models["average"] = self.average
        return gather(models, self.optimisers, grown)

    def _put(self, flat: dict[str, Tensor]) -> None:
        put(self.model, group(flat, "model"))
        if self.average is not self.model:
            put(self.average, group(flat, "average"))
        for name, optimiser in self.optimisers.items():
            optimiser.restore(group(flat, f"optim.{name}"))

    def save(self) -> None:
        """Writes the checkpoint, if there is a place for it."""
        if self.hooks.checkpoint is None:
            return
        flat = {**self._flat(), **{f"best.{name}": value for name, value in self.best.items()}}
        numbers: dict[str, Any] = {"plan": self.plan.to_json(), "progress": asdict(self.progress)}
        if self.game is not None:
            # what an alarm goes back to, often one and the same state, and what its sensors have seen since the last look
            kept = {"healthy": self._healthy, "well": None if self._well is self._healthy else self._well}
            flat |= {f"{name}.{key}": value for name, own in kept.items() if own is not None for key, value in own.flat.items()}
            flat |= {f"seen.{name}": torch.stack(values) for name, values in self.seen.items()}
            numbers |= {"game": asdict(self.game.standing), "kept": {name: own.step for name, own in kept.items() if own is not None}}
        save(self.hooks.checkpoint, flat, numbers)

    def resume(self, path: Path) -> None:
        """Takes up a checkpoint's state. Raises BadPackage where it belongs to another plan or model."""
        flat, numbers = load(path)
        saved = Plan(**numbers["plan"])
        if replace(saved, steps=self.plan.steps, threads=self.plan.threads) != self.plan:
            raise BadPackage(f"{path.name} belongs to a run with another plan")
        self._put(flat)
        self.best = group(flat, "best")
        self.progress = Progress(**numbers["progress"])
        if self.game is not None and "game" in numbers:
            self.game.resume(Standing(**numbers["game"]))
            kept = {name: Snapshot(group(flat, name), step) for name, step in numbers["kept"].items()}
            self._healthy = kept.get("healthy")
            self._well = kept.get("well", self._healthy)
            self.seen = {name: list(values.unbind()) for name, values in group(flat, "seen").items()}
        self._stopped = not self.players and len(self.progress.converged) == len(self.learners) > 0


def _finite(model: nn.Module) -> bool:
    return all(bool(torch.isfinite(p).all()) for p in model.parameters())


def _copy(model: Trainable) -> Trainable:
    """A copy for averaging: parameters and buffers of its own, parts shared."""
    memo: dict[int, Any] = {id(part): part for part in model.parts.values()}
    return copy.deepcopy(model, memo).eval()
