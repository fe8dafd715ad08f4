"""A training run from data to a judged package: folder, lock, resolved recipe, probe, trainer, samples, card."""

from __future__ import annotations

import resource
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ..core import registry
from ..core.abilities import Density
from ..core.contract import Generator, Trainable
from ..core.errors import BadInput, Refused
from ..core.spec import Tokens, elements
from ..data.loader import Order, Windows
from ..training.loop import Hooks, Trainer
from ..training.plan import MANY_PASSES, VALIDATE_AT, VALIDATE_EARLY, Plan, turns
from ..training.probe import choices, plan_steps
from ..training.record import JsonLines, Row, TensorBoard
from ..training.state import weights
from ..training.watchdog import UNHEALED
from . import judging, package
from .audience import Audience
from .build import build, device_of, resolved
from .choosing import Short, choice_of, choose, minutes_of
from .features import judges_net
from .latent_use import latent_use, sentence
from .lock import locked
from .model import Model
from .prepare import Feed, Prepared, prepare
from .recipe import AUTO, OWN, Recipe
from .rewarded import Rewarding, plain
from .showing import keep_stage
from .start import Start, start_of
from .steering import check_guidance, choose_guidance
from .teacher import Teacher, teacher_of

KEPT_SAMPLES = 16
LEAST_VALIDATION = 20
"""Fewer validation items give no score."""
LEAST_IDS = 1000
"""So many ids of a running text do, however few windows they are, where the score is a likelihood."""


def train(
    recipe: Recipe, folder: Path, audience: Audience, *, data: Any = None, more: float | None = None, track: bool = False,
    offline: bool = False, custom: type[Trainable] | None = None,
) -> tuple[Model, Prepared]:  # fmt: skip
    """Trains (or takes up) the run in `folder` and returns the saved model with its data.

    Raises BadInput where the folder holds a run of another recipe or another process trains there.
    """
    with locked(folder):
        start, teacher = start_of(recipe, folder, custom), teacher_of(recipe, custom)
        prepared = opened(recipe, start or teacher, data, offline=offline)
        for file, why in prepared.source.skipped[:5]:
            audience.say(f"left out: {file}: {why}")
        for sentence in prepared.said:
            audience.say(sentence)
        if recipe.model is None and custom is None and start is None and (few := few_examples(recipe, prepared)):
            audience.say(few)
        recipe = _named(recipe, prepared, custom, start)
        recipe = _as_begun(recipe, folder) if more is not None else recipe
        _same_request(recipe, folder)
        chosen = recipe
        if recipe.model == AUTO:

            def begin(own: Recipe, where: Path) -> _Run:
                return _Run(own, where, prepared, audience, None, None, None)

            chosen = choose(recipe, folder, prepared, audience, default_family(recipe, prepared), begin)
        if start is None:
            _fitting_conditions(chosen, prepared, audience, custom)
        run = _Run(recipe, folder, prepared, audience, custom, start, teacher, chosen)
        return run.go(more, track), prepared


def opened(recipe: Recipe, before: Start | Teacher | None, data: Any = None, *, offline: bool = False) -> Prepared:
    """The recipe's data, under the codecs of what it starts or learns from."""
    return prepare(recipe, data, offline=offline, codecs=None if before is None else before.codecs)


def finished(recipe: Recipe, folder: Path) -> bool:
    """Whether the folder holds the finished run of this recipe."""
    return (folder / "card.json").is_file() and _same_request(recipe, folder)


def _as_begun(recipe: Recipe, folder: Path) -> Recipe:
    """With the time or steps that the run in the folder began with: more is asked for on top of them, whatever they were."""
    request = folder / "training" / "request.toml"
    if not request.is_file():
        return recipe
    there = Recipe.read(request).train
    return recipe.model_copy(update={"train": recipe.train.model_copy(update={"minutes": there.minutes, "steps": there.steps})})


def _same_request(recipe: Recipe, folder: Path) -> bool:
    """False where nothing is there yet. Raises BadInput where another recipe's run is."""
    request = folder / "training" / "request.toml"
    if not request.is_file():
        entries = [entry for entry in (*folder.glob("*"), *folder.glob("training/*")) if entry.name != "training"]
        if not all(entry.match("training/lock*") for entry in entries):
            raise BadInput(f"{folder} is not empty and holds no run of ours; choose another folder with --out")
        return False
    there = Recipe.read(request)
    if recipe.model is None:
        recipe = recipe.model_copy(update={"model": there.model, "kind": there.kind})
    recipe = recipe.model_copy(update={"kind": recipe.kind or there.kind})
    if recipe.start is not None and "size" not in recipe.model_fields_set:
        recipe = recipe.model_copy(update={"size": there.size})
    if not there.same_run(recipe) or there.data != recipe.data:
        aside: dict[str, Any] = {"device": True, "train": {"threads"}}
        theirs, ours = there.model_dump(exclude=aside), recipe.model_dump(exclude=aside)
        found = ("fingerprint", "start_weights", "teacher_weights")
        other = ", ".join(key for key in theirs if theirs[key] != ours[key] and key not in found)
        hint = "choose another folder with --out, or start over with --fresh"
        raise BadInput(f"{folder} holds a run with another recipe (what differs: {other}); {hint}")
    return True


def _named(recipe: Recipe, prepared: Prepared, custom: type[Trainable] | None, start: Start | None) -> Recipe:
    """The request with kind and model named, and the size where a model to start from has one."""
    kind = registry.kind(prepared.source.kind)
    # of text the kind is also a wish, "text" for one running text: only one that was made is repeated
    named = recipe.kind if kind.name == "text" else kind.name
    if start is not None:
        own = start.package.recipe
        return recipe.model_copy(update={"kind": named, "model": own.model, "size": own.size})
    name = OWN + custom.__name__ if custom is not None else recipe.model or default_family(recipe, prepared)
    return recipe.model_copy(update={"kind": named, "model": name})


def default_family(recipe: Recipe, prepared: Prepared) -> str:
    """The family where none is named: that of few examples, unless the request says something that it can't follow."""
    kind = registry.kind(prepared.source.kind)
    said = recipe.settings or recipe.nets or recipe.optim or recipe.condition or recipe.train.steps
    return kind.default if said else kind.family_for(len(prepared.split.train))


def few_examples(recipe: Recipe, prepared: Prepared) -> str | None:
    """Why another family than the kind's usual one is trained where none is named, in a sentence; None where it isn't."""
    kind, name = registry.kind(prepared.source.kind), default_family(recipe, prepared)
    if name == kind.default:
        return None
    return (
        f"model: {name}, for there are fewer than {kind.few:,} training rows, of which {kind.default} learns too much by heart; "
        f"--model {kind.default} trains that"
    )


def _fitting_conditions(recipe: Recipe, prepared: Prepared, audience: Audience, custom: type[Trainable] | None) -> None:
    """Leaves out default conditions that the family can't take, and says so; an explicit one is refused by `build`."""
    family = custom or registry.family(str(recipe.model)).load()
    if recipe.condition is None and prepared.conditions:
        spec = prepared.codec.spec
        why = family.refuses(spec, prepared.specs)  # type: ignore[attr-defined]
        if why is not None and family.refuses(spec, {}) is None:  # type: ignore[attr-defined]
            audience.say(f"left out: condition {', '.join(prepared.conditions)}: {why}")
            prepared.conditions.clear()
            for part in (prepared.train, prepared.validation, prepared.holdout):
                part.condition.clear()


class _Run:
    """One run's parts and steps, in order."""

    def __init__(
        self, recipe: Recipe, folder: Path, data: Prepared, audience: Audience, custom: type[Trainable] | None, start: Start | None,
        teacher: Teacher | None, chosen: Recipe | None = None,
    ) -> None:  # fmt: skip
        """`chosen`: the recipe that is trained, where what was asked for leaves the family open."""
        self.asked, self.folder, self.data, self.audience, self.custom, self.start = recipe, folder, data, audience, custom, start
        self.teacher, before = teacher, start or teacher
        self.request = before.filled(recipe) if before is not None else chosen or recipe
        self.device = device_of(recipe.device)
        self.training = folder / "training"
        self.rewarding = None if start is None or recipe.reward is None else Rewarding(start.package, recipe.reward, data, start.name)

    def go(self, more: float | None, track: bool) -> Model:
        saved, plan, trainer, hooks, sink = self._ready(more, track)
        if trainer.progress.step:
            self.audience.say(f"taking up the run at step {trainer.progress.step:,} of {plan.steps:,}")
        elif self.start is not None:
            self._begin(trainer, hooks)
        try:
            with self.audience.watch("training", plan.steps, trainer.progress.step) as bar:
                hooks.advance = bar.advance
                began = time.perf_counter()
                saved.model = plain(trainer.run().to("cpu"))
        except KeyboardInterrupt:
            self.audience.say(f"stopped at step {trainer.progress.step:,}; the same command goes on from there")
            raise
        finally:
            sink.close()
        self.audience.say(f"trained {trainer.progress.step:,} steps in {time.perf_counter() - began:.0f} s")
        if trainer.best and trainer.progress.best_step == 0:
            self.audience.say("no later state was better on the validation data than the first, which is kept")
        self._say_incidents(trainer)
        self._steer(saved, plan)
        return self._save(saved, plan, trainer)

    def short(self, share: float) -> Short:
        """Trains up to a share of the plan, whoever learns by passes alone to the end, and leaves a checkpoint to be taken up."""
        saved, plan, trainer, hooks, sink = self._ready(None, False)
        until = plan.steps if not trainer.players else max(1, round(share * plan.steps))
        try:
            with self.audience.watch(f"trying {self.request.model}", until, trainer.progress.step) as bar:
                hooks.advance = bar.advance
                saved.model = trainer.run(until).to("cpu")
                trainer.save()
        except KeyboardInterrupt:
            self.audience.say("stopped while the family was being chosen; the same command goes on from there")
            raise
        finally:
            sink.close()
        return Short(saved, trainer.progress.step, plan.steps, trainer.progress.seconds, not trainer.players)

    def _ready(self, more: float | None, track: bool) -> tuple[package.Package, Plan, Trainer, Hooks, _Sinks]:
        """The run as it was left, or as it begins."""
        model = self._make()
        if not isinstance(model, Generator):
            raise Refused(f"{self.request.model} is no generator; `morelike models` lists those that are")
        self.training.mkdir(parents=True, exist_ok=True)
        recipe, plan = self._resolved(model, more)
        model = self._make(recipe)
        saved = package.Package(plain(model), self.data.codec, dict(self.data.conditions), recipe)
        hooks, sink = self._hooks(saved, plan, track)
        by_pass = bool(turns(model.players())[1])
        trainer = Trainer(model, Feed(self.data.train, Order(len(self.data.train), plan.batch, recipe.seed), by_pass), plan, hooks)
        if self._checkpoint.is_file():
            trainer.resume(self._checkpoint)
        return saved, plan, trainer, hooks, sink

    def _say_incidents(self, trainer: Trainer) -> None:
        """What the watchdog did, in a sentence; nothing where it had nothing to do."""
        if count := trainer.incidents:
            times = "once" if count == 1 else f"{count} times"
            verdict = f". {UNHEALED}" if trainer.game is not None and trainer.game.standing.gave_up else ""
            self.audience.say(f"the watchdog put weights back {times}: `Training` in the report shows why{verdict}")

    def _begin(self, trainer: Trainer, hooks: Hooks) -> None:
        """Says how much is trained, and counts what the run starts from among the states to keep."""
        parameters = list(trainer.model.parameters())
        trained, every = (sum(p.numel() for p in some) for some in (trainer.trainable, parameters))
        share = f", {trained:,} of {every:,} parameters ({trained / every:.2%}), rank {self.request.rank}" if trained < every else ""
        self.audience.say(f"continuing from {self.request.start}{share}")
        if hooks.validate is not None:
            trainer.progress.best_score = hooks.validate(trainer.average.eval())
            trainer.best = {name: value.clone() for name, value in weights(trainer.average).items()}

    def _steer(self, saved: package.Package, plan: Plan) -> None:
        """Chooses the guidance scale, where the family has one that is to be chosen."""
        assert isinstance(saved.model, Generator)
        own = saved.model.dialled
        chosen = getattr(own.settings, "guidance", 1.0) != 0.0
        if not chosen and saved.conditions and (learned := judges_net(self.data, self.audience)) and learned[1]:
            tried = choose_guidance(saved, self.data, learned[1], plan.precision)
            if tried:
                accuracies = ", ".join(f"{scale:g}: {accuracy:.1%}" for scale, accuracy in tried)
                self.audience.say(f"guidance {own.settings.guidance:g} (labels obeyed at {accuracies})")

    @property
    def _checkpoint(self) -> Path:
        return self.training / "checkpoint.safetensors"

    def _make(self, recipe: Recipe | None = None) -> Trainable:
        recipe = recipe or self.request
        if self.start is not None:
            model = self.start.made(recipe)
            return (model if self.rewarding is None else self.rewarding.wrapped(model, self.device)).to(self.device)
        parts = None if self.teacher is None else self.teacher.parts(self.device)
        return build(recipe, self.data.codec.spec, self.data.specs, custom=self.custom, parts=parts).to(self.device)

    def _resolved(self, model: Trainable, more: float | None) -> tuple[Recipe, Plan]:
        """The recipe with every number fixed: read again where the run was begun, probed where it is new."""
        path, request = self.folder / "recipe.toml", self.training / "request.toml"
        if path.is_file() and request.is_file():
            recipe = Recipe.read(path)
            self._same_data(recipe)
            threads = self.request.train.threads
            if threads not in (None, recipe.train.threads):
                self.audience.say(f"threads: {threads} from here on, {recipe.train.threads} before; sums are rounded another way")
                recipe.train.threads = threads
                recipe.write(path)
            if more is not None:
                longer = recipe.train.model_copy(update={"steps": None, "minutes": more})
                added = self._plan(model, recipe.model_copy(update={"train": longer})).steps
                recipe.train.steps = int(recipe.train.steps or 0) + added
                recipe.write(path)
        else:
            plan = self._plan(model, self.request)
            train = self.request.train.model_copy(
                update={"steps": plan.steps, "batch": plan.batch, "drop": plan.drop, "precision": plan.precision, "threads": plan.threads}
            )
            fixed = {"train": train, "fingerprint": self.data.split.fingerprint, **resolved(self.request, plain(model))}
            if "guidance" in fixed["settings"]:
                check_guidance(fixed["settings"]["guidance"], self.data.conditions, plan.drop)
                if self.data.conditions and not plan.drop:
                    # there is nothing to choose where no condition is ever hidden
                    fixed["settings"]["guidance"] = 1.0
            recipe = self.request.model_copy(update=fixed)
            self._same_data(self.request)
            self.folder.mkdir(parents=True, exist_ok=True)
            self.asked.write(request)
            recipe.write(path)
        return recipe, self._plan(model, recipe)

    def _same_data(self, recipe: Recipe) -> None:
        if recipe.fingerprint not in (None, self.data.split.fingerprint):
            raise BadInput("the data is not what this recipe was resolved on (another fingerprint); train into another folder")
        if self.start is not None and recipe.start_weights not in (None, self.start.digest):
            raise BadInput(f"{self.start.name} has other weights than those that this run began with; train into another folder")
        if self.teacher is not None and recipe.teacher_weights not in (None, self.teacher.digest):
            raise BadInput(f"{self.teacher.name} has other weights than those that this run learns from; train into another folder")

    def _plan(self, model: Trainable, recipe: Recipe) -> Plan:
        train, players = recipe.train, model.players()
        presets = dict(registry.family(str(recipe.model)).train) if self.custom is None else {}
        drop = train.drop if train.drop is not None else presets.get("drop", 0.0)
        threads = train.threads or torch.get_num_threads()
        torch.set_num_threads(threads)
        plan = Plan(
            steps=train.steps or 0, batch=min(train.batch or presets.get("batch", 128), len(self.data.train)), seed=recipe.seed,
            precision=train.precision or "fp32", threads=threads, drop=drop if self.data.conditions else 0.0,
            averaging=train.averaging, chunks=train.chunks, patience=train.patience, optim=recipe.optim,
        )  # fmt: skip
        if train.steps:
            return plan
        order = Order(len(self.data.train), plan.batch, recipe.seed)
        gradient, passes = turns(players)
        if not gradient:
            return replace(plan, steps=order.steps_per_epoch * max(learner.passes for learner in passes))
        minutes = minutes_of(recipe, self.data)
        self.audience.say(f"probing this machine for {minutes:g} minutes of training")
        saved = package.Package(plain(model), self.data.codec, dict(self.data.conditions), recipe)
        validation = self._validation(saved, plan.precision)
        tried = choices(self.device, train.precision, train.threads)
        return plan_steps(self._make, Feed(self.data.train, order, bool(passes)), plan, minutes, validation, tried)

    def _hooks(self, saved: package.Package, plan: Plan, track: bool) -> tuple[Hooks, _Sinks]:
        sink = _Sinks([JsonLines(self.training / "record.jsonl"), *([TensorBoard(self.training / "events")] if track else [])])
        if not turns(saved.model.players())[0]:
            return Hooks(tell=self.audience.say, sink=sink, checkpoint=self._checkpoint), sink
        validate = self._validation(saved, plan.precision)

        def stage(model: Trainable, step: int, seconds: float) -> None:
            keep_stage(saved, self.data, plain(model), self.training / f"stage-{step:08d}-{seconds:06.0f}", plan.precision)

        def picture(model: Trainable, number: int, when: str) -> None:
            keep_stage(saved, self.data, model, self.training / f"incident-{number}-{when}", plan.precision)

        slack = 0.0 if validate is None else validate.slack
        often = plan.steps * plan.batch > MANY_PASSES * len(self.data.train)
        marks = (*VALIDATE_EARLY, *VALIDATE_AT) if often else VALIDATE_AT
        hooks = Hooks(validate=validate, slack=slack, validate_at=marks, stage=stage, sink=sink, checkpoint=self._checkpoint)
        hooks.tell, hooks.picture = self.audience.say, picture
        return hooks, sink

    def _validation(self, saved: package.Package, precision: str) -> judging.Validation | None:
        """None where there are too few validation items for a score that is more than noise, or where another end is pursued than to be
        like them: the last state is kept then."""
        if self.rewarding is not None:
            return None
        part = self.data.validation
        told = isinstance(part, Windows) and isinstance(saved.model, Density) and len(part.ids) >= LEAST_IDS
        return judging.Validation(saved, self.data, precision) if told or len(part) >= LEAST_VALIDATION else None

    def _save(self, saved: package.Package, plan: Plan, trainer: Trainer) -> Model:
        progress = trainer.progress
        latent = latent_use(saved.model, self.data)
        if latent:
            self.audience.say(sentence(latent))
        saved.card = {
            "data": {"name": self.data.source.name, "fingerprint": self.data.split.fingerprint, "items": len(self.data.source.items)},
            "histograms": self.data.histograms,
            "precision": plan.precision,
            "run": {
                "seconds": round(progress.seconds, 1), "steps": progress.step, "batch": plan.batch, "threads": plan.threads,
                "precision": plan.precision, "device": str(self.device), "peak_memory": peak_memory(), "incidents": trainer.incidents,
                "best_step": progress.best_step,
            },
            "parameters": sum(p.numel() for p in saved.model.parameters()),
            "licence": "the data's own licence holds for what is made from it",
            "tolerance": tolerance(saved.model),
            **choice_of(self.training),
            **({"latent": latent} if latent else {}),
            **(self.start.card(saved.model, saved.recipe, self.folder) if self.start is not None else {}),
            **(self.teacher.card() if self.teacher is not None else {}),
            **({"reward": self.rewarding.told(saved.model)} if self.rewarding is not None else {}),
        }  # fmt: skip
        condition = {name: torch.from_numpy(values[:KEPT_SAMPLES]) for name, values in self.data.holdout.condition.items()}
        n = min(KEPT_SAMPLES, len(self.data.holdout))
        saved.pools = self.data.pools
        package.save(saved, self.folder, package.kept_samples(saved, n, condition))
        saved.card = package.read_card(self.folder)
        return Model(saved, self.folder)


class _Sinks:
    """Several sinks as one."""

    def __init__(self, sinks: list[Any]) -> None:
        self.sinks = sinks

    def write(self, row: Row) -> None:
        for sink in self.sinks:
            sink.write(row)

    def close(self) -> None:
        for sink in self.sinks:
            sink.close()


def tolerance(model: Trainable) -> float:
    """How far the kept samples may differ on another machine: in x's units, or for ids in nats, where rounding adds up over places."""
    return max(1e-3, 1e-5 * elements(model.spec)) if isinstance(model.spec, Tokens) else 1e-3


def peak_memory() -> int:
    """Most bytes that this process has held."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
