"""A trained model in the user's hands: sample, judge, save."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from ..core.contract import Codec, Generator
from ..core.errors import BadInput, Refused, UnknownName
from ..data.table import TableCodec
from ..maths.decoding import cut_at
from ..tasks.repairing import STEPS
from . import (
    able,
    asking,
    augmenting,
    bayes,
    between,
    carrying,
    comparing,
    detecting,
    exactness,
    faults,
    forecasting,
    imputing,
    inspecting,
    judging,
    levels,
    optimising,
    package,
    ranking,
    repairing,
    restyle,
    risk,
    scoring,
    series_view,
    simulating,
    table_bayes,
    table_recast,
    table_rows,
    tables,
    texts,
    varying,
)
from .audience import Audience, Silent
from .build import device_of
from .prepare import Prepared, prepare
from .recast import Codecs
from .sampling import checked, conditions_for, ruled
from .sampling import draw as draw_from
from .steering import check_guidance
from .table_frames import Readable, given_back

_LARGEST_DRAW = 10_000_000


def check_count(n: int) -> None:
    """Raises BadInput for a number of samples that is none."""
    if not isinstance(n, int | np.integer) or not 1 <= n <= _LARGEST_DRAW:
        raise BadInput(f"the number of samples must be a whole number between 1 and {_LARGEST_DRAW:,}, not {n}")


class Model:
    """What `morelike.train` and `morelike.load` return. `folder` is where it lies, or None after in-memory training."""

    def __init__(self, saved: package.Package, folder: Path | None = None) -> None:
        self.package, self.folder = saved, folder

    @property
    def generator(self) -> Generator:
        """The net side: a Generator with its abilities. Raises Refused for a judges' net."""
        if not isinstance(self.package.model, Generator):
            raise Refused(f"{self.package.recipe.model} is no generator")
        return self.package.model

    @property
    def codec(self) -> Codec:
        return self.package.codec

    @property
    def card(self) -> dict[str, Any]:
        """What is known of the model: family, data, recipe, scores with intervals, licence."""
        return self.package.card

    def sample(
        self, n: int = 1, where: tables.Where | None = None, seed: int = 0, *, constraint: str | None = None,
        stop: Sequence[str] = (), **dials: Any,
    ) -> Any:  # fmt: skip
        """n raw items, as the codec gives them: pictures (n,H,W,C) in the source's format, vectors (n,D), a list of n texts,
        rows of a table (n,C) as text, or as the frame or Arrow table that they were learnt from.

        `where` fixes conditions ({"label": 3}) and columns of a table, exactly; a list of demands also takes ranges and several values
        (["age>60", "city=Bern|Zug"]). Other conditions are drawn from the training histogram.
        `dials` are the family's own (steps, guidance, temperature). For text, `constraint` ("regex:...", "json:...", "slots:...",
        "span:...") says what the text must be, and each text is cut where the first of the `stop` strings begins. Raises UnknownName for
        a condition, column or class that isn't there, BadInput for n < 1, Refused for a constraint that nothing satisfies.
        """
        return given_back(self.codec, self.sample_with_conditions(n, where, seed, constraint=constraint, stop=stop, **dials)[0])

    def sample_with_conditions(
        self, n: int, where: tables.Where | None = None, seed: int = 0, *, constraint: str | None = None,
        stop: Sequence[str] = (), **dials: Any,
    ) -> tuple[Any, dict[str, np.ndarray]]:  # fmt: skip
        """As `sample`, with the condition of each item: ids (n,1); rows of a table are always text."""
        if stop:
            texts.codec_of(self.package, "be cut at a string")
        if levels.larger(self.package, dials) is not None:
            check_count(n)
            return levels.sample_larger(self.package, n, tables.split(self.package, where)[0], seed, dials), {}
        exact, dials = exactness.wished(self.package, dials)
        if constraint is None:
            x, condition = self.draw(n, where, seed, **dials)
        else:
            check_count(n)
            condition = conditions_for(self.package, n, tables.split(self.package, where)[0], seed)
            x = texts.draw_under(self.package, n, condition, texts.Wish({}, seed, constraint, stop, dials))
        items = self.codec.decode(x.numpy())
        items = exactness.exactly(self.package, items, condition, tables.split(self.package, where)[0]) if exact else items
        shown = [cut_at(item, stop) for item in items] if stop else items
        return shown, {name: value.numpy() for name, value in condition.items()}

    def draw(self, n: int, where: tables.Where | None, seed: int, **dials: Any) -> tuple[Tensor, dict[str, Tensor]]:
        """(x (n,*), conditions): what `sample` decodes."""
        return self._drawn(n, where, seed, dials)[:2]

    def _drawn(
        self, n: int, where: tables.Where | None, seed: int, dials: Mapping[str, Any]
    ) -> tuple[Tensor, dict[str, Tensor], tables.Given | None]:
        """(x, conditions, the demands on columns if there are any)."""
        check_count(n)
        by_rules, dials = ruled(self.package, dials)
        fixed, demands = tables.split(self.package, where)
        given = tables.Given(self.package, (), demands) if demands else None
        guidance = checked(self.generator, dials).get("guidance", 1.0)
        check_guidance(guidance, self.package.conditions, self.package.recipe.train.drop)
        condition = conditions_for(self.package, n, fixed, seed)
        by = by_rules if given is None else partial(given.sample, count=n)
        return draw_from(self.generator, n, condition, seed=seed, precision=self.precision, dials=dials, by=by), condition, given

    def sample_rows(self, n: int = 1, where: tables.Where | None = None, seed: int = 0, **dials: Any) -> tuple[np.ndarray, dict[str, Any]]:
        """(rows (n,C) of a table as text, a report on the demands in `where`): {"demands", "obeyed": the share of rows that fulfil them
        when they are read again, "probability": theirs under the model, "exact", "covered": demands on derived columns, "kept": of the rows
        drawn for these the share that fit}; {} without demands."""
        x, _, given = self._drawn(n, where, seed, dials)
        rows = np.asarray(self.codec.decode(x.numpy()))
        return rows, {} if given is None else given.report(rows)

    def stream(
        self, text: str = "", n: int = 1, length: int | None = None, *, where: Mapping[str, Any] | None = None, seed: int = 0,
        constraint: str | None = None, stop: Sequence[str] = (), **dials: Any,
    ) -> texts.Extension:  # fmt: skip
        """As `extend`, while it is drawn: iterating gives the fresh letters of each of the n texts, id by id; `notes` are sentences on
        the prompt. Everything wrong is raised before the first."""
        return texts.extension(self.package, text, n, length, texts.Wish(where or {}, seed, constraint, stop, dials))

    def extend(
        self, text: str = "", n: int = 1, length: int | None = None, *, where: Mapping[str, Any] | None = None, seed: int = 0,
        constraint: str | None = None, stop: Sequence[str] = (), **dials: Any,
    ) -> list[str]:  # fmt: skip
        """n ways to go on from a text, without the text itself; at most `length` ids each, by default what the model's window holds.

        The constraint is on what is written. Raises Refused for a model that doesn't `Continues`, naming the families that do, and for
        a constraint that nothing satisfies.
        """
        return self.stream(text, n, length, where=where, seed=seed, constraint=constraint, stop=stop, **dials).whole()

    def restore(
        self, text: Any, n: int = 1, gap_length: int | None = None, *, where: Mapping[str, Any] | None = None, seed: int = 0,
        constraint: str | None = None, **dials: Any,
    ) -> Any:  # fmt: skip
        """{"variants": [{"text", "gaps", "nats_per_id"}], "notes"}: n ways to fill the gaps, written ___, the likeliest first.

        `gap_length` in ids; by default several lengths are tried. The constraint is on each gap. Raises BadInput where there is no gap.
        Of a table's model: `impute`, of a file, a data frame or cells; of pictures: `restore_picture`; of series: `forecast`.
        """
        if self.codec.kind == "series":
            if gap_length or constraint:
                raise BadInput("gap_length and constraint are for texts: a series has gaps, or goes on (ahead=STEPS)")
            return self.forecast(text, n=100 if n == 1 else n, where=where, seed=seed, **dials)
        if self.codec.kind == "image":
            if gap_length or constraint:
                raise BadInput("gap_length and constraint are for texts: of a picture say what is known, as in op='mask'")
            return self.restore_picture(text, n=n, where=where, seed=seed, **dials)
        if self.codec.kind == "table":
            for name, given in (("gap_length", gap_length), ("where", where), ("constraint", constraint)):
                if given:
                    raise BadInput(f"{name} is for texts: the gaps of a table are filled given the known cells of their row")
            return self.impute(text, n, seed=seed, **dials)
        return texts.restore(self.package, text, n, gap_length, texts.Wish(where or {}, seed, constraint, (), dials))

    def forecast(
        self, known: Any, ahead: int = 0, n: int = 100, level: float = 0.8, *, where: Mapping[str, Any] | None = None, seed: int = 0,
        steps: int = STEPS, audience: Audience | None = None,
    ) -> forecasting.Completed:  # fmt: skip
        """n `paths` (n,L,C) of a series whose gaps are filled and which goes on by `ahead` steps: a file, a `Series`, or an array (L,C)
        with NaN in its gaps. Intervals (`bounds`) hold the share `level`: they are widened or narrowed until they did on the validation
        part of the model's data, where that is at hand. Raises Refused for a model that neither `Denoises`, `Infills` nor has a `Prior`."""
        wish = forecasting.Wish(ahead, n, level, seed, steps)
        return forecasting.restore(self, known, wish, where, audience or Silent())

    def stress(
        self, known: Any, ahead: int, n: int = 1000, stress: risk.Stress | None = None, *, where: Mapping[str, Any] | None = None,
        seed: int = 0, steps: int = STEPS, audience: Audience | None = None,
    ) -> risk.Stressed:  # fmt: skip
        """As `forecast`, with the same paths under `stress` beside them: channels shifted, all others drawn given these, wilder; and what a
        weighted sum of channels may lose (`risk`). Never advice."""
        plain = self.forecast(known, ahead, n, where=where, seed=seed, steps=steps, audience=audience)
        return risk.stressed(self, plain, ahead, stress or risk.Stress(), where, seed, steps)

    def faults(
        self, known: Any, rate: float = faults.RATE, *, where: Mapping[str, Any] | None = None, data: Any = None, seed: int = 0,
        audience: Audience | None = None, offline: bool = False,
    ) -> faults.Faults:  # fmt: skip
        """How odd each value of a series is (`scores` (L,C)) given all around it, and what fault it looks like; about `rate` of the values
        of sound series score above the `threshold`. What is usual is read from the validation part of the model's data, or of `data`."""
        held_out = partial(forecasting.validation, self._opened(data, offline))
        view = series_view.View.of(self.package, "have faults found so", where)
        return faults.detect(view, known, rate, audience or Silent(), held_out, seed=seed)

    def restore_picture(
        self, known: Any, n: int = 4, *, where: Mapping[str, Any] | None = None, seed: int = 0, steps: int = STEPS, **how: Any
    ) -> repairing.Restored:
        """n pictures (`items`) of which `known`, a raw item or a path, is true. `how`: op="mask", a part is known, missing is what is black
        in `mask` or in the `box` (left, top, width, height), or a smaller picture lies `at` (left, top); op="pool", a copy smaller by a
        whole factor; op="grey"; op="blur", a copy blurred by `sigma` pixels. Conditions that `where` doesn't fix are left open. Raises
        Refused for a model that neither `Denoises` nor has a `Prior` nor, for masks, `Infills`."""
        return repairing.restore(self.package, known, repairing.How(**how), n, where, seed, steps)

    def impute(
        self, rows: Readable, n: int = 1, *, best: bool = False, seed: int = 0, audience: Audience | None = None, **dials: Any
    ) -> imputing.Filled:
        """A CSV or Parquet file, a data frame or cells, with every missing cell filled in given the known cells of its row: n drawn
        `tables`, or with `best` one of the commonest words and median numbers. Of a data frame they are data frames, of Parquet Arrow
        tables. Columns that are not learnt stay. Raises Refused for a model that doesn't `Infills`."""
        return imputing.restore(self.package, rows, n, best=best, seed=seed, dials=dials, audience=audience or Silent())

    def translate(
        self, lines: Any, *, to: str | None = None, from_: str | None = None, where: Mapping[str, Any] | None = None, seed: int = 0,
        constraint: str | None = None, stop: Sequence[str] = (), **dials: Any,
    ) -> Any:  # fmt: skip
        """A translation of a text, or of each of a list of texts: beam search of width 4 (dial `beam`). An empty one stays empty.

        Of a model of pictures: raw items (N,*) made of an array, a list of arrays or paths, or the path of a picture or a folder. Where
        it goes between two sets, they are carried over to the set `to`; `from_`, the other set, may be said instead. Where it learnt
        classes, to="label=5" is the class that they become. Else they are its picture condition.
        """
        if self.codec.kind != "text":
            if constraint or stop:
                raise BadInput("a constraint and a stop are for texts: leave them out")
            way = varying.way(self.package, (from_, to), where or {}, seed, dials)
            return way.make(carrying.items_of(way.codec, lines))
        if to is not None or from_ is not None:
            raise BadInput("--to and --from are for models of pictures")
        wish = texts.Wish(where or {}, seed, constraint, stop, dials)
        found, _ = texts.translate(self.package, [lines] if isinstance(lines, str) else lines, wish)
        return found[0] if isinstance(lines, str) else found

    def vary(
        self, item: Any, n: int = 8, strength: float = varying.STRENGTH, where: Mapping[str, Any] | None = None, seed: int = 0
    ) -> Any:
        """n raw items like one: the path of a picture, numbers, a text or a raw item. `strength`, from 0 (the same again) to 1 (nothing of
        it), is the noise that is put on it and taken off again, or how far its latent is moved. Conditions that `where` doesn't give are
        unknown. Raises Refused for a model that can't."""
        check_count(n)
        return varying.vary(self.package, item, n, strength, where or {}, seed)

    def restyle(
        self, text: str, to: Mapping[str, Any], n: int = 1, strength: float = restyle.STRENGTH, *, from_: Mapping[str, Any] | None = None,
        where: Mapping[str, Any] | None = None, seed: int = 0,
    ) -> dict[str, Any]:  # fmt: skip
        """A text under another class label, to={"label": "caption"}, as `morelike restyle --json` prints it: n texts, each with its style
        and what it kept. `from_` is the text's own label; by default the model says it. `strength`: the share that is written anew."""
        wish = texts.Wish(where or {}, seed)
        return restyle.restyle(self.package, text, to, from_ or {}, n, strength, wish)

    def explain(self, text: str, where: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """How surprising each piece of a text is, in nats given those before it, as `morelike explain --json` prints it."""
        return texts.explain(self.package, text, where or {})

    def traverse(
        self, start: Any = None, n: int = 9, rows: int = 8, where: Mapping[str, Any] | None = None, seed: int = 0
    ) -> dict[str, Any]:
        """What single numbers of the latent do, each moved while the others stay as in the item `start` (or at their means):
        {"items": rows * n raw items, "numbers": which, those that change most first, "effects"}."""
        return between.traversal(self.package, start, n, rows, where or {}, seed)

    def score(
        self, items: Sequence[Any] | None = None, *, data: Any = None, where: Mapping[str, Any] | None = None, draws: int | None = None,
        audience: Audience | None = None, offline: bool = False,
    ) -> scoring.Scored:  # fmt: skip
        """How likely each item is: `nats` (N,) and `bits_per_dimension` (N,). Items are texts, paths of pictures, rows of numbers or raw
        items; a class that `where` doesn't give is summed over. Without items, the held-out ones of the model's data, or of `data`.
        `draws`: importance samples of a bound. Raises Refused for a model without a likelihood."""
        if items is not None:
            return scoring.score_items(self.package, items, where or {}, draws)
        if where:
            raise BadInput("held-out items are scored under their own conditions: there is nothing to fix with --where")
        able.generator(self.package, "score")
        prepared = self._opened(data, offline)
        self._same_data(prepared, audience or Silent())
        return scoring.score_data(self.package, prepared, audience or Silent(), draws)

    def interpolate(self, start: Any, end: Any, n: int = 7, where: Mapping[str, Any] | None = None, seed: int = 0) -> Any:
        """n raw items from one to the other: texts, paths of pictures, rows of numbers or raw items; two seeds for a model that can't
        find the latent of an item."""
        return between.interpolate(self.package, (start, end), n, where or {}, seed)[0]

    def classify(
        self, item: Any = None, *, data: Any = None, where: Mapping[str, Any] | None = None, column: str | None = None,
        audience: Audience | None = None, offline: bool = False,
    ) -> dict[str, Any]:  # fmt: skip
        """Which class an item is of, by Bayes' rule; without an item, how well held-out data is classified (by default the recipe's), as
        `morelike classify --json` prints it. Of a table's model without conditions the class is a `column` (by default the last one) and
        the item a CSV or Parquet file, a data frame or cells."""
        if self.codec.kind == "table" and not self.package.conditions:
            if where:
                raise BadInput("rows are classified as they are: there is nothing to fix with --where")
            if item is not None:
                return table_bayes.classify_rows(self.package, item, column, audience or Silent()).summary()
            table_bayes.classifier(self.package, column)
            return table_bayes.classify_data(self.package, self._opened(data, offline), column, audience or Silent())
        if column is not None:
            raise BadInput("--column is for tables that are not conditioned on their class")
        if item is not None:
            return bayes.classify_one(self.package, item, dict(where or {}))
        bayes.classifier(self.package)
        return bayes.classify_data(self.package, self._opened(data, offline), audience or Silent())

    def detect(
        self, rows: Readable | None = None, label: tuple[str, str] | None = None, *, data: Any = None,
        audience: Audience | None = None, offline: bool = False,
    ) -> detecting.Detected:  # fmt: skip
        """How odd the rows of a CSV or Parquet file, a data frame or cells are: -log p(row) in nats; without rows, the held-out ones of the
        model's data. `scores`, and in `table` the rows with score and rank, as a data frame where they came as one.

        With a `label`, (column, value), that column is not looked at, and `evaluation` says how well rows with the value are found, beside
        an isolation forest and boosted trees that learn from the model's training rows. Raises Refused for a model that is no `Density`.
        """
        heard = audience or Silent()
        ruled = table_bayes.classifier(self.package, label[0]) if label is not None else None
        codec = table_rows.codec_of(self.package, "detect odd rows")
        able.generator(self.package, "detect")
        prepared = self._opened(data, offline) if rows is None or ruled is not None else None
        if rows is None and prepared is not None:
            read = table_recast.part(codec, prepared.source, prepared.split.holdout)
        else:
            read = table_rows.Rows.read(codec, rows)
        found = detecting.detect(self.package, read, heard, ruled)
        if ruled is not None and label is not None and prepared is not None:
            found.evaluation = ranking.evaluate(ruled, read, found.scores, label[1], prepared, heard)
        return found

    def augment(
        self, column: str | None = None, n: int | None = None, *, data: Any = None, seed: int = 0, audience: Audience | None = None,
        offline: bool = False,
    ) -> augmenting.Augmented:  # fmt: skip
        """The training rows of a table with n generated ones, by default as many as bring each class of `column` (by default the last) up
        to the largest, in `table` (a data frame where the training rows came as one); and what they are worth to boosted trees and logistic
        regression on held-out rows: `recommended` or not."""
        heard = audience or Silent()
        table_rows.codec_of(self.package, "augment")
        prepared = self._opened(data, offline)
        if prepared.split.fingerprint != self.package.recipe.fingerprint:
            heard.say("note: this is not the data that the model was trained on: rows that it learnt from may be among those held out")
        return augmenting.augment(self.package, prepared, column, n, heard, seed)

    def ask(self, *events: str, where: tables.Where | None = None) -> dict[str, Any]:
        """The probability of events such as "age>60", all together, under a table's model, or the distribution of the column that is
        named alone; given `where`. As `morelike ask --json` prints it."""
        return asking.ask(self.package, events, where)

    def simulate(
        self, n: int = 1, *, shares: Sequence[str] = (), shift: str | None = None, where: tables.Where | None = None, seed: int = 0,
        **dials: Any,
    ) -> tuple[np.ndarray, dict[str, Any]]:  # fmt: skip
        """(rows (n,C) of a table whose demands come with other shares, "default=1:0.44" or "default=1:x2", and whose numbers of one column
        have another mean, "age=+5"; a report): all else follows the model. As `morelike simulate --json` prints it."""
        check_count(n)
        return simulating.simulate(self.package, n, simulating.Change(shares, shift, where, seed, dials), self.precision)

    def reward(self, towards: str | Sequence[str], **how: Any) -> Model:
        """A new model, tuned towards wishes such as "qed" or "logp=3" and saved, as `house.rewarding.reward` describes it: minutes, steps,
        out, beta, seed, data... Its `card["reward"]` says what was gained and lost. Raises Refused for a model that can't be tuned so."""
        from .rewarding import reward  # it trains, and what trains makes models

        if self.folder is None:
            raise BadInput("this model has no folder to go on from: train it with out=FOLDER")
        return reward(self.folder, towards, **how)

    def optimise(self, towards: str | Sequence[str], start: Any = None, n: int = 8, seed: int = 0) -> optimising.Optimised:
        """n raw items (`items`) with wanted properties, "logp=4", from moved latents: draws of the prior, or those around the item `start`.
        `predicted` is what the model says of them, `measured` what they have. Raises Refused for a model that predicts none."""
        return optimising.optimise(self.package, [towards] if isinstance(towards, str) else towards, start, n, seed)

    def inspect(self, data: Any, seed: int = 0) -> inspecting.Inspected:
        """How odd outlines are, and where: those of a file, folder or zip, or raw ones. Raises Refused for a model of other data, or
        without a likelihood."""
        return inspecting.inspect(self.package, data, seed)

    @property
    def precision(self) -> str:
        """What samples are drawn in: bf16 where it was trained so and the processor has it."""
        return str(self.card.get("precision", "fp32"))

    def to(self, device: str) -> Model:
        """Moves the net; returns self. Raises Refused for a device that isn't there."""
        self.package.model.to(device_of(device))
        return self

    def judge(
        self, data: Any = None, *, audience: Audience | None = None, offline: bool = False, needed: Iterable[str] = ()
    ) -> dict[str, Any]:
        """Scores between floor and ceiling, and the verdict, as `morelike judge --json` prints them.

        `data`: as for `train`; by default the recipe's own source. Writes `report.html` and the card's scores where the model lies.
        `needed`: names of scores that must be there; UnknownName is raised before anything is drawn.
        """
        prepared = self._opened(data, offline)
        known = judging.smallest(prepared).keys() | self.card.get("scores", {}).keys()
        for name in needed:
            # the learned features' names end in a digest that isn't known yet
            if not {name, name.rpartition("-")[0]} & known:
                raise UnknownName("score", name, known)
        return self.judge_prepared(prepared, audience or Silent())

    def opened(self, offline: bool = False) -> Prepared:
        """The data that the model was trained on. Raises BadInput where it can't be opened, or is not that data any more."""
        prepared = self._opened(None, offline)
        if prepared.split.fingerprint != self.package.recipe.fingerprint:
            raise BadInput(f"{prepared.source.name} is not what the model was trained on any more")
        return prepared

    def _opened(self, data: Any, offline: bool) -> Prepared:
        """The recipe's own data, or other data taken like it. Raises BadInput where it can't be opened."""
        if data is None and self.package.recipe.data == "memory":
            raise BadInput("this model was trained on data in memory: pass the data")
        try:
            # a codec fitted on other texts would have other ids
            taken_over = self.package.recipe.start or self.package.recipe.teacher
            kept = taken_over is not None or (data is not None and self.codec.kind == "text")
            codecs = Codecs("the model", self.codec, self.package.conditions) if kept else None
            recasting = table_recast.recasting(self.codec) if data is not None and isinstance(self.codec, TableCodec) else None
            return prepare(self.package.recipe, data, offline=offline, codecs=codecs, recasting=recasting)
        except BadInput as error:
            hint = " (this is where the recipe has its data; where it lies elsewhere now, say so: --data PATH)"
            raise BadInput(f"{error}{hint if data is None else ''}") from error

    def judge_prepared(self, prepared: Prepared, audience: Audience) -> dict[str, Any]:
        """As `judge`, on data that is open already."""
        same = self._same_data(prepared, audience)
        judged = judging.judge(self.package, prepared, audience, precision=self.precision)
        answer = {
            "model": str(self.folder or self.package.recipe.model),
            "kind": self.codec.kind,
            "n": judged.result["n"],
            "scores": judged.result["scores"],
            "copiers": judged.result["copiers"],
            "classes": judged.result["classes"],
            "verdict": judged.verdict,
            "seconds": round(judged.seconds, 1),
        }
        if same:
            self.card["scores"], self.card["verdict"] = answer["scores"], answer["verdict"]
        if self.folder is not None and os.access(self.folder, os.W_OK):
            if same:
                package.write_card(self.folder, self.card)
                comparing.keep_draws(self.folder, judged.result["draws"], self.package.recipe.seed)
            name = "report.html" if same else f"report-{prepared.split.fingerprint[:8]}.html"
            judging.report(self.package, prepared, judged, self.folder / name, self.card.get("run", {}))
            answer["report"] = str(self.folder / name)
        return answer

    def _same_data(self, prepared: Prepared, audience: Audience) -> bool:
        """Whether it is the data that the model was trained on. Raises BadInput where it can't be compared at all."""
        if prepared.codec.spec != self.codec.spec:
            raise BadInput(f"this data is {prepared.codec.spec}, the model makes {self.codec.spec}; they can't be compared")
        if missing := sorted(self.package.conditions.keys() - prepared.conditions.keys()):
            raise BadInput(f"the model is conditioned on {', '.join(missing)}, which this data doesn't have")
        same = prepared.split.fingerprint == self.package.recipe.fingerprint
        if not same:
            audience.say("note: this is not the data that the model was trained on (another fingerprint): its card keeps its own scores")
        return same

    def save(self, path: str | Path) -> Path:
        """Copies the package (not the checkpoints) to a new folder. Raises BadInput where something is there already."""
        target = Path(path)
        if target.exists():
            raise BadInput(f"{target} exists already; choose another name")
        if self.folder is None:
            raise BadInput("this model has no folder to copy from")
        new = target.with_name(f".{target.name}.{os.getpid()}")
        shutil.copytree(self.folder, new, ignore=shutil.ignore_patterns("training", "*.new"))
        if "base" in self.card:
            package.write_card(new, package.rebased(self.card, self.folder, target))
        os.replace(new, target)
        return target


def load(path: str | Path, model: Any = None) -> Model:
    """A saved model. `model`: the class, for a family of the user's own. Raises BadPackage, naming the file, for anything damaged."""
    folder = Path(path)
    return Model(package.load(folder, model), folder)
