"""The contract as an executable check: `check_generator(name)` and `check_codec(codec, items)` raise AssertionError where a law is broken.

The suite runs them over the whole registry, so a new family or codec is tested with no new test line.
"""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .core import registry
from .core.abilities import (
    Allowed,
    Among,
    Continues,
    Decodes,
    Denoises,
    Density,
    Encodes,
    Infills,
    Narrows,
    Prior,
    Streams,
    Translates,
    Within,
)  # fmt: skip
from .core.contract import Batch, Codec, Generator, Player, Trainable, all_given
from .core.noise import Noise
from .core.settings import build_settings
from .core.spec import Array, Conditions, Field, Row, Spec, Tokens, class_label, lift, live
from .data.loader import Dataset, Order
from .data.series import SeriesCodec
from .data.series_items import series
from .data.text import TextCodec
from .house import package
from .house.build import build
from .house.prepare import Feed
from .house.recipe import Recipe
from .training.loop import Hooks, Trainer
from .training.plan import Plan, turns
from .training.state import load, put, save, weights

__all__ = ["check_codec", "check_generator", "toy_dataset"]

CLASSES = 3
ROW = Row((Field("colour", 3), Field("size", 4), Field("weight")))
SPECS: tuple[Spec, ...] = (
    Array((1, 8, 8), bin=2 / 255), Array((1, 4, 4), bin=2.0, grey=255), Array((2,)),
    Tokens((5,), vocab=4, stop=3, alphabet="abc"), Tokens((6,), vocab=3), Tokens((2, 3), vocab=3), ROW
)
"""What families are tried on: small pictures of many levels and of two, points whose density can be summed up on a grid, short sequences
that can be counted, with a stop and without, a grid of ids, and rows whose real number is sometimes missing."""
SERIES = Array((2, 8))
"""A short series, for families that refuse all of `SPECS`."""
SOURCE = Tokens((4,), vocab=4, stop=3, alphabet="abc")
"""A condition that is a sequence."""
BESIDE = Array((1, 4, 4))
"""A condition that is a picture."""
PAIR: Conditions = {"side": class_label(2)}
"""Two sets, for families that refuse all of `CONDITIONS`."""
CONDITIONS: tuple[Conditions, ...] = ({}, {"label": class_label(CLASSES)}, {"source": SOURCE, "size": Array((1,)), "beside": BESIDE})


def toy_dataset(spec: Spec, n: int = 96) -> Dataset:
    """Random but learnable examples of a Spec with a class label each."""
    noise = Noise(7, n, path=("toy",))
    label = noise.integers(CLASSES, (1,), "label")
    match spec:
        case Array(shape, step, grey):
            centre = (label.float() - 1).view(-1, *[1] * len(shape)) * 0.5
            x = centre + 0.3 * noise.normal(shape, "x")
            stored = ((x.clamp(-1, 1) + 1) / (2 / grey if grey else step)).round().to(torch.uint8) if step else x
        case Tokens(shape, vocab, stop):
            drawn = noise.integers(vocab, shape, "x") * noise.integers(2, shape, "zero")
            stored = _stopped((drawn + label.view(-1, *[1] * len(shape))) % vocab, stop)
        case Row(fields):
            stored = _toy_rows(fields, label, noise)
    source = _stopped(noise.integers(SOURCE.vocab, SOURCE.shape, "source"), SOURCE.stop)
    size = label.float() + noise.normal((1,), "size")
    beside = label.float()[..., None, None] + noise.normal(BESIDE.shape, "beside")
    told = {"label": label, "source": source, "size": size, "beside": beside, "side": (label > 0).long()}
    return Dataset(stored.numpy(), {name: values.numpy() for name, values in told.items()})


def _toy_rows(fields: Sequence[Field], label: Tensor, noise: Noise) -> Tensor:
    """(n,F): ids that often follow the label, reals that lie by the id before them, and are missing more often where it is high."""
    columns = [label]
    for place, field in enumerate(fields):
        before, own = columns[-1], noise.under(place)
        if field.categories:
            columns.append((own.integers(field.categories, (1,), "x") * own.integers(2, (1,), "zero") + before) % field.categories)
            continue
        real = 0.5 * before.nan_to_num() - 0.5 + 0.3 * own.normal((1,), "x")
        missing = own.uniform((1,), "missing") < 0.1 + 0.1 * before.nan_to_num()
        columns.append(torch.where(missing, torch.nan, real))
    return torch.cat([column.float() for column in columns[1:]], 1)


def _stopped(ids: Tensor, stop: int | None) -> Tensor:
    """All is stop after the first stop."""
    return ids if stop is None else torch.where((ids == stop).cumsum(1) > 0, stop, ids)


def check_generator(name: str, spec: Spec | None = None, family: type[Trainable] | None = None) -> None:
    """Every law of the contract on toy data at size `xs`, without conditions, with a class label, with a sequence, a number and a picture.

    `family` is for a class of one's own.

    Raises AssertionError naming the law.
    """
    cls = family or registry.family(name).load()
    needs = family is None and registry.family(name).conditional
    tried = paired = 0
    for given in SPECS if spec is None else (spec,):
        for conditions in CONDITIONS:
            if (conditions or not needs) and cls.refuses(given, conditions) is None:  # type: ignore[attr-defined]
                _Laws(name, given, conditions, family).all()
                tried += 1
        if not tried and cls.refuses(given, PAIR) is None:  # type: ignore[attr-defined]
            _Laws(name, given, PAIR, family).all()
            paired += 1
    if not tried and not paired and spec is None and cls.refuses(SERIES, {}) is None:  # type: ignore[attr-defined]
        _Laws(name, SERIES, {}, family).all()
        tried += 1
    assert tried or paired, f"{name} refuses every kind of example that the laws know"


class _Laws:
    """One family on one kind of example."""

    def __init__(self, name: str, spec: Spec, conditions: Conditions, family: type[Trainable] | None) -> None:
        self.name, self.spec, self.conditions, self.family = name, spec, conditions, family
        self.recipe = Recipe(model=None if family else name, size="xs", seed=3)
        data = toy_dataset(spec)
        self.data = Dataset(data.x, {key: data.condition[key] for key in conditions})

    def all(self) -> None:
        model = self.make()
        self.settings_are_json(model)
        self.players_own_disjoint_parameters(model)
        self.gradients_stay_at_home(model)
        self.neighbours_do_not_matter(model)
        self.remedies_reach_a_loss(self.make())
        trained = self.stopped_and_resumed_is_identical()
        if isinstance(trained, Generator):
            self.same_noise_same_sample(trained)
            self.saved_and_loaded_is_identical(trained)
        self.abilities_keep_their_word(trained)

    def make(self) -> Trainable:
        family = self.family or registry.family(self.name).load()
        # what it stands on, untrained, of the first family that can be it
        parts = {name: build(self.recipe.model_copy(update={"model": _able(ability)}), self.spec, self.conditions)
                 for name, ability in family.needs.items()}  # type: ignore[attr-defined]
        return build(self.recipe, self.spec, self.conditions, custom=self.family, parts=parts)

    def feed(self, model: Trainable) -> Feed:
        return Feed(self.data, Order(len(self.data), 16, 3), by_pass=bool(turns(model.players())[1]))

    def batch(self, model: Trainable, n: int = 6) -> Batch:
        positions, stored, condition = self.feed(model).rows(0)
        _, given = all_given(condition)
        batch = Batch(lift(self.spec, stored), Noise(1, positions, path=("law",)), condition, given, 0.5)
        return batch[torch.arange(n)]

    def settings_are_json(self, model: Trainable) -> None:
        values = json.loads(json.dumps(asdict(model.settings)))
        assert build_settings(type(model), values) == model.settings, f"{self.name}: its settings don't survive JSON"

    def players_own_disjoint_parameters(self, model: Trainable) -> None:
        owned = [id(p) for player in turns(model.players())[0] for p in player.params]
        assert len(owned) == len(set(owned)), f"{self.name}: a parameter has two owners"
        everything = {id(p) for p in model.parameters() if p.requires_grad}
        assert everything == set(owned), f"{self.name}: a parameter has no owner, or a player owns one outside the model"

    def _alone(self, model: Trainable, player: Player, n: int = 6) -> Batch:
        own = {id(p) for p in player.params}
        for p in model.parameters():
            p.requires_grad_(id(p) in own)
            p.grad = None
        batch = self.batch(model, n)
        return replace(batch, x=batch.x if player.sees_data else None)

    def gradients_stay_at_home(self, model: Trainable) -> None:
        model.train()
        for player in turns(model.players())[0]:
            batch = self._alone(model, player)
            terms = player.loss(batch)
            assert terms["loss"].shape == (batch.size,), f"{self.name}: {player.name}'s loss is not one value per example"
            terms["loss"].mean().backward()  # type: ignore[no-untyped-call]
            own = {id(p) for p in player.params}
            for key, p in model.named_parameters():
                assert id(p) in own or p.grad is None, f"{self.name}: {player.name}'s gradient reached {key}"
            reached = any(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in player.params)
            assert reached, f"{self.name}: {player.name} gets no gradient"
        for p in model.parameters():
            p.requires_grad_(True)

    def neighbours_do_not_matter(self, model: Trainable) -> None:
        model.eval()
        for player in turns(model.players())[0]:
            if player.coupled:
                continue
            batch = self._alone(model, player)
            whole, alone = player.loss(batch)["loss"], player.loss(batch[torch.arange(2, 4)])["loss"]
            same = torch.allclose(whole[2:4], alone, atol=1e-4, rtol=1e-4)
            assert same, f"{self.name}: {player.name}'s loss depends on an example's neighbours"
        for p in model.parameters():
            p.requires_grad_(True)

    def remedies_reach_a_loss(self, model: Trainable) -> None:
        """Each remedy of a game that goes wrong changes what a player minimises from the next turn on."""
        model.eval()
        players = turns(model.players())[0]

        def losses() -> list[Tensor]:
            return [player.loss(self._alone(model, player, 16))["loss"].detach() for player in players]

        for remedy in model.remedies():
            before, model.settings = losses(), replace(model.settings, **remedy.settings)
            changed = any(not torch.equal(a, b) for a, b in zip(before, losses(), strict=True))
            assert changed, f"{self.name}: its remedy {remedy.name!r} changes no loss"

    def stopped_and_resumed_is_identical(self) -> Trainable:
        """Trains a little, once through and once in two sittings; returns the trained model."""
        whole = self.make()
        players, learners = turns(whole.players())
        order = self.feed(whole).order
        steps = 6 if not learners else order.steps_per_epoch * max(learner.passes for learner in learners)
        plan = Plan(steps=steps, batch=16, seed=3, drop=0.2 if self.conditions else 0.0)
        kept = Trainer(whole, self.feed(whole), plan).run()
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "checkpoint.safetensors"
            first = self.make()
            before = Trainer(first, self.feed(first), plan, Hooks(checkpoint=path))
            while before.progress.step < 3:
                before.step_once(before.progress.step)
                before.progress.step += 1
            before.save()
            second = self.make()
            after = Trainer(second, self.feed(second), plan)
            after.resume(path)
            resumed = after.run()
        for (key, a), b in zip(kept.state_dict().items(), resumed.state_dict().values(), strict=True):
            assert _equal(a, b), f"{self.name}: stopped and resumed differs in {key}"
        assert players or learners, f"{self.name}: nobody learns"
        return kept

    def condition(self, n: int) -> dict[str, Tensor]:
        return {key: torch.from_numpy(values[:n]) for key, values in self.data.condition.items()}

    def one_condition(self, n: int) -> dict[str, Tensor]:
        """The conditions of the first example, n times."""
        return {key: torch.from_numpy(values[:1].repeat(n, 0)) for key, values in self.data.condition.items()}

    def same_noise_same_sample(self, model: Generator) -> None:
        with torch.inference_mode():
            noise = Noise(5, 6, path=("sample",))
            condition = self.condition(6)
            x = model.sample(condition, noise=noise)
            few = model.sample({key: value[2:4] for key, value in condition.items()}, noise=noise[2:4])
            free = model.sample({}, noise=noise)
        right = x.shape == free.shape == (6, *self.spec.shape)
        assert right, f"{self.name}: samples of shape {tuple(x.shape)}, the Spec says {self.spec.shape}"
        if isinstance(self.spec, Row):
            self.row_is_whole(x, self.spec)
        else:
            assert bool(torch.isfinite(x.float()).all()), f"{self.name}: samples are not finite"
        same = torch.allclose(x[2:4].float(), few.float(), atol=1e-4, equal_nan=True)
        assert same, f"{self.name}: a sample depends on its neighbours in the batch"
        assert not _equal(x[0], x[1]) or not _equal(x[1], x[2]), f"{self.name}: all samples are the same"

    def row_is_whole(self, x: Tensor, spec: Row) -> None:
        for place, field in enumerate(spec.fields):
            column = x[:, place]
            if field.categories:
                known = bool(((column == column.round()) & (column >= 0) & (column < field.categories)).all())
                assert known, f"{self.name}: {field.name} is drawn outside its categories"
            else:
                assert not bool(column.isinf().any()), f"{self.name}: {field.name} is drawn infinite"

    def saved_and_loaded(self, model: Generator) -> Trainable:
        """As a package; of rows, whose codec is fitted on cells, and of grids of ids, which no codec makes, the weights alone."""
        with tempfile.TemporaryDirectory() as folder:
            if isinstance(self.spec, Row) or (isinstance(self.spec, Tokens) and len(self.spec.shape) > 1):
                save(Path(folder) / "weights.safetensors", weights(model), {})
                loaded = self.make().eval()
                put(loaded, load(Path(folder) / "weights.safetensors")[0])
                return loaded
            recipe = self.recipe.model_copy(update={"settings": asdict(model.settings)})
            package.save(package.Package(model, _codec_for(self.spec), {}, recipe), Path(folder))
            return package.load(Path(folder), self.family).model

    def saved_and_loaded_is_identical(self, model: Generator) -> None:
        loaded = self.saved_and_loaded(model)
        with torch.inference_mode():
            noise, condition = Noise(5, 6, path=("sample",)), self.condition(6)
            assert isinstance(loaded, Generator)
            same = _equal(model.sample(condition, noise=noise), loaded.sample(condition, noise=noise))
        assert same, f"{self.name}: saved and loaded draws other samples"

    def abilities_keep_their_word(self, model: Trainable) -> None:
        model.eval()
        batch = self.batch(model)
        with torch.inference_mode():
            if isinstance(model, Denoises):
                clean = model.denoise(batch.data, torch.zeros(batch.size), batch.condition)
                assert torch.allclose(clean, batch.data, atol=1e-5), f"{self.name}: denoise at t = 0 is not the identity"
            if isinstance(model, Encodes):
                z = model.encode(batch.data, batch.condition)
                assert z.shape == (batch.size, *model.latent.shape), f"{self.name}: latents of another shape than said"
            if isinstance(model, Prior):
                z = model.prior(batch.noise)
                assert z.shape == (batch.size, *model.latent.shape), f"{self.name}: the prior draws another shape than said"
            if isinstance(model, Decodes):
                kind = torch.int64 if isinstance(model.latent, Tokens) else torch.float32
                z = torch.zeros(2, *model.latent.shape, dtype=kind)
                x = model.decode(z, {key: v[:2] for key, v in batch.condition.items()})
                assert x.shape == (2, *self.spec.shape), f"{self.name}: decode gives another shape than the Spec's"
            if isinstance(model, Translates):
                carried = model.translate(batch.data, batch.condition, batch.condition)
                assert _equal(carried, batch.data), f"{self.name}: translating to where x is already changes it"
            if isinstance(model, Infills):
                self.infill_keeps_the_known(model, batch)
            if isinstance(model, Narrows):
                self.narrowed_rows_obey(model, batch)
            if isinstance(model, Continues):
                self.next_agrees_with_surprise(model, batch)
            if isinstance(model, Streams):
                self.streaming_is_sampling(model, batch)
            if isinstance(model, Density):
                self.density_sums_to_one(model, batch)

    def infill_keeps_the_known(self, model: Infills, batch: Batch) -> None:
        known = batch.noise.uniform(self.spec.shape, "known") < 0.5
        filled = model.infill(batch.data, known, batch.condition, noise=batch.noise)
        assert filled.shape == batch.data.shape, f"{self.name}: infill gives another shape"
        assert _equal(filled[known], batch.data[known]), f"{self.name}: infill changes what is known"
        again = model.infill(batch.data[1:3], known[1:3], {k: v[1:3] for k, v in batch.condition.items()}, noise=batch.noise[1:3])
        same = torch.allclose(filled[1:3].float(), again.float(), atol=1e-4, equal_nan=True)
        assert same, f"{self.name}: infill depends on an example's neighbours"
        if isinstance(self.spec, Row):
            self.row_is_whole(filled, self.spec)
            blind = model.infill(torch.where(known, batch.data, 0.0), known, batch.condition, noise=batch.noise)
            same = torch.allclose(filled, blind, atol=1e-4, equal_nan=True)
            assert same, f"{self.name}: infill looks at what is not known"

    def narrowed_rows_obey(self, model: Narrows, batch: Batch) -> None:
        """Each field in two parts, given half of another one: masses sum to its own, rows lie in the parts, whatever their neighbours."""
        assert isinstance(self.spec, Row), f"{self.name}: only rows are narrowed down"
        parts = [_parts(field) for field in self.spec.fields]
        for place in range(len(parts)):
            other = (place + 1) % len(parts)
            given = {other: parts[other][0]} if other != place else {}
            condition = {name: value[:1] for name, value in batch.condition.items()}
            whole = model.narrow(given, condition)
            both = [model.narrow({**given, place: part}, condition) for part in parts[place]]
            total = sum(math.exp(one.log_mass - whole.log_mass) for one in both)
            assert abs(total - 1) < 1e-3, f"{self.name}: masses of two parts of a field sum to {total:.4f} times that of both"
            for one, part in zip(both, parts[place], strict=True):
                if one.log_mass < -20:
                    continue
                x = one.sample(noise=batch.noise)
                assert bool(_inside(x[:, place], part).all()), f"{self.name}: rows are drawn that are not allowed"
                self.row_is_whole(x, self.spec)
                same = torch.allclose(x[1:3], one.sample(noise=batch.noise[1:3]), atol=1e-4, equal_nan=True)
                assert same, f"{self.name}: narrowed rows depend on their neighbours"

    def next_agrees_with_surprise(self, model: Continues, batch: Batch) -> None:
        """Id by id with the state kept, from scratch at every place, and all at once: the same nats; rows of a state are its rows."""
        x, condition = batch.data, batch.condition
        told = model.surprise(x, condition)
        there = live(self.spec, x)
        assert told.shape == x.shape, f"{self.name}: surprise of another shape"
        assert bool((told[~there] == 0).all()), f"{self.name}: surprise past the stop"
        if isinstance(model, Density):
            same = torch.allclose(-told.sum(1), model.log_prob(x, condition), atol=1e-4)
            assert same, f"{self.name}: surprise doesn't sum to log_prob"
        pick = torch.tensor([2, 0])
        logits, state = model.next(x[:, :0], condition)
        for place in range(x.shape[1]):
            nats = -logits.log_softmax(1).gather(1, x[:, place : place + 1])[:, 0]
            same = torch.allclose(nats[there[:, place]], told[:, place][there[:, place]], atol=1e-3)
            assert same, f"{self.name}: next and surprise disagree at place {place}"
            if place == x.shape[1] - 1:
                break
            whole, _ = model.next(x[:, : place + 1], condition)
            some, _ = model.next(x[pick, place : place + 1], condition, state.rows(pick))
            logits, state = model.next(x[:, place : place + 1], condition, state)
            assert torch.allclose(logits, whole, atol=1e-3), f"{self.name}: the state changes the logits at place {place}"
            assert torch.allclose(logits[pick], some, atol=1e-3), f"{self.name}: rows of a state are not its rows at place {place}"

    def streaming_is_sampling(self, model: Streams, batch: Batch) -> None:
        assert isinstance(model, Generator)
        drawn = model.sample(batch.condition, noise=batch.noise)
        ids = [place for place, _ in zip(model.stream(batch.condition, noise=batch.noise), range(drawn.shape[1]), strict=False)]
        assert torch.equal(torch.stack(ids, 1), drawn[:, : len(ids)]), f"{self.name}: streaming gives other ids than sampling"
        rest = drawn[:, len(ids) :]
        assert rest.numel() == 0 or bool(torch.all(rest == getattr(self.spec, "stop", -1))), f"{self.name}: the stream ends too early"

    def mass_is_one(self, model: Density) -> None:
        """Over all sequences there are."""
        assert isinstance(self.spec, Tokens), f"{self.name}: only ids can be counted"
        ids = torch.cartesian_prod(*[torch.arange(self.spec.vocab)] * math.prod(self.spec.shape))
        x = torch.unique(_stopped(ids, self.spec.stop), dim=0).view(-1, *self.spec.shape)
        condition = self.one_condition(len(x))
        mass = float(model.log_prob(x, condition, noise=Noise(1, len(x))).double().exp().sum())
        low = 0.999 if model.tight == "exact" else 0.0
        assert low <= mass <= (1.001 if model.tight == "exact" else 1.1), f"{self.name}: its masses sum to {mass:.4f}"

    def row_mass_is_one(self, model: Density) -> None:
        """Over all ids, all reals on a fine grid, and missing ones."""
        assert isinstance(self.spec, Row), f"{self.name}: no row"
        side = torch.linspace(-8, 8, 1601)
        real = torch.cat((side, torch.tensor([torch.nan])))
        x = torch.cartesian_prod(*[torch.arange(f.categories).float() if f.categories else real for f in self.spec.fields])
        numbers = torch.tensor([not field.categories for field in self.spec.fields])
        cells = torch.where(numbers & live(self.spec, x), float(side[1] - side[0]), 1.0).double().prod(1)
        condition = self.one_condition(len(x))
        mass = float((model.log_prob(x, condition, noise=Noise(1, len(x))).double().exp() * cells).sum())
        low = 0.97 if model.tight == "exact" else 0.0
        assert low <= mass <= 1.03, f"{self.name}: its masses sum to {mass:.3f}"

    def density_sums_to_one(self, model: Density, batch: Batch) -> None:
        nats = model.log_prob(batch.data, batch.condition, noise=batch.noise)
        assert nats.shape == (batch.size,), f"{self.name}: log_prob is not one value per example"
        assert bool(torch.isfinite(nats).all()), f"{self.name}: log_prob is not finite"
        if isinstance(self.spec, Tokens):
            self.mass_is_one(model)
            return
        if isinstance(self.spec, Row):
            self.row_mass_is_one(model)
            return
        if self.spec.shape != (2,):
            return
        side = torch.linspace(-6, 6, 121)
        x = torch.cartesian_prod(side, side)
        condition = self.one_condition(len(x))
        mass = float(model.log_prob(x, condition, noise=Noise(1, len(x))).double().exp().sum() * (side[1] - side[0]) ** 2)
        low = 0.97 if model.tight == "exact" else 0.0
        assert low <= mass <= 1.03, f"{self.name}: its density sums to {mass:.3f} over the plane"


def _equal(one: Tensor, other: Tensor) -> bool:
    """Whether all elements are the same, missing ones (NaN) included."""
    return one.shape == other.shape and bool(((one == other) | (one.isnan() & other.isnan())).all())


def _able(ability: type) -> str:
    """The first family of the registry with an ability."""
    return next(name for name, line in registry.FAMILIES.items() if issubclass(line.load(), ability))


def _parts(field: Field) -> tuple[Allowed, Allowed]:
    """Two sets of which everything that a field may be is in one."""
    if field.categories:
        first = torch.arange(field.categories) < (field.categories + 1) // 2
        return Among(first), Among(~first)
    zero = torch.zeros(())
    ends = torch.stack((-zero - torch.inf, zero, torch.nextafter(zero, zero + 1), zero + torch.inf))
    return Within(ends[None, :2], missing=True), Within(ends[None, 2:])


def _inside(x: Tensor, part: Allowed) -> Tensor:
    """(B,) bool: whether values (B,) of a field lie in a set."""
    if isinstance(part, Among):
        return part.ids[x.long()]
    return ((x >= part.ends[0, 0]) & (x <= part.ends[0, 1])) | (x.isnan() & part.missing)


def _codec_for(spec: Spec) -> Codec:
    """A codec that makes this Spec, for packages of toy models."""
    if isinstance(spec, Tokens):
        letters = range(ord("a"), ord("a") + spec.vocab - (spec.stop is not None))
        return TextCodec("characters", letters, False, spec.shape[0], running=spec.stop is None)
    if len(spec.shape) == 2:
        channels, window = spec.shape
        made: Codec = SeriesCodec.fit([series(np.random.default_rng(0).normal(size=(4 * window, channels)))], window=window)
        return made
    if len(spec.shape) == 3:
        channels, height, width = spec.shape
        items: Any = np.zeros((2, height, width, channels), np.uint8)
        items[1] = 255
        kind = "image"
    else:
        items, kind = np.random.default_rng(0).normal(size=(8, *spec.shape)), "vector"
    binarise = {"binarise": True} if isinstance(spec, Array) and spec.grey else {}
    codec: Codec = registry.kind(kind).load().fit(items, **binarise)  # type: ignore[attr-defined]
    return codec


def check_codec(codec: Codec, items: Sequence[Any]) -> None:
    """The laws of a fitted codec on raw items. Raises AssertionError naming the law.

    decode(encode(x)) is again the same under encode and decode (the stated loss happens once); one item is encoded as in
    a batch; the state survives JSON and restores the same codec; decoding never fails on any finite x.
    """
    kind = codec.kind
    stored = np.asarray(codec.encode(items))
    assert stored.shape == (len(items), *codec.spec.shape), f"{kind}: encode gives {stored.shape[1:]}, the Spec says {codec.spec.shape}"
    for i in (0, len(items) - 1):
        assert _alike(codec.encode(items[i : i + 1])[0], stored[i]), f"{kind}: item {i} is encoded differently alone"
    x = lift(codec.spec, torch.from_numpy(np.array(stored))).numpy()
    once = codec.decode(x)
    again = np.asarray(codec.encode(once))
    same = np.allclose(lift(codec.spec, torch.from_numpy(again)).numpy(), x, atol=1e-5, equal_nan=True)
    assert same, f"{kind}: encode after decode is not the identity"
    restored = type(codec).restore(_through_json(codec.state()))
    assert restored.spec == codec.spec, f"{kind}: the restored codec has another Spec"
    assert _alike(restored.encode(items), stored), f"{kind}: the restored codec encodes differently"
    if isinstance(codec.spec, Array):
        wild = np.random.default_rng(0).normal(scale=5.0, size=(3, *codec.spec.shape)).astype(np.float32)
        assert len(codec.decode(wild)) == 3, f"{kind}: decoding three examples doesn't give three items"


def _alike(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether arrays are the same, a missing real (NaN) being the same as another."""
    return np.array_equal(one, other, equal_nan=np.asarray(other).dtype.kind == "f")


def _through_json(state: dict[str, Any]) -> dict[str, Any]:
    plain = {key: value for key, value in state.items() if not isinstance(value, np.ndarray)}
    arrays = {key: value for key, value in state.items() if isinstance(value, np.ndarray)}
    return {**json.loads(json.dumps(plain)), **arrays}
