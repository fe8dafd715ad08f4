"""The verb `augment`: a table enlarged by generated rows, and whether learners that get them do better on held-out real rows.

N training rows, K classes, R draws of generated rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..core.abilities import Infills
from ..core.contract import Generator
from ..core.errors import BadInput
from ..core.noise import Noise
from ..judges.intervals import Measure, around, resamples
from ..tasks import augmenting
from ..tasks.rivals import thinned
from ..tasks.table_rivals import REGRESSION, TREES, classifiers
from .able import generator
from .audience import Audience
from .package import Package
from .prepare import Prepared
from .sampling import CHUNK_OF_ROWS, draw
from .table_features import Features, Target, target_of
from .table_frames import Rewritten
from .table_recast import as_source
from .table_rows import codec_of

DRAWS = 5
"""Times that rows are generated, repeated and interpolated anew."""
MOST_LEARNT, MOST_ASKED, MOST_MADE = 20_000, 5_000, 1_000_000
"""Real rows that learners get, held-out ones that they are asked, and rows that are generated, at most."""
GENERATED, REPEATED, INTERPOLATED = "generated", "repeated", "interpolated"
Ids = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Augmented:
    """A larger table, and what its rows are worth."""

    rows: Rewritten
    """N + added: the training rows, then the generated ones, written as the training rows."""
    added: int
    made: dict[str, int]
    """Generated rows by class."""
    gains: list[dict[str, Any]]
    """{"added", "learner", "auc", "gain", "gain_low", "gain_high"}."""
    learner: str
    """Whose gain decides: the better one on real rows alone, by folds of the training rows."""
    recommended: bool
    verdict: list[str]
    n: int
    """Held-out rows that were asked."""

    @property
    def table(self) -> Any:
        """The rows as what the training rows came as: a data frame, an Arrow table, or of CSV (N + added, C) text."""
        return self.rows.handed()

    def summary(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "rows": len(self.rows.table), "added": self.added, "made": self.made, "n": self.n, "learner": self.learner,
            "recommended": self.recommended, "gains": self.gains, "verdict": self.verdict,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Task:
    """Real rows for learners: x of `Features` and classes of training and held-out rows."""

    features: Features
    target: Target
    train: tuple[Floats, Ids]
    held: tuple[Floats, Ids]

    def log_probs(self, learner: str, asked: Floats, more: tuple[Floats, Ids] | None = None) -> Floats:
        """(M,K) of a learner taught on the training rows, and perhaps more."""
        x, labels = self.train
        if more is not None:
            x, labels = np.concatenate([x, more[0]]), np.concatenate([labels, more[1]])
        found = classifiers(x, labels, asked, self.features.ids, len(self.target.ids), names=[learner])
        if not found:
            raise BadInput(f"the training rows have one class of {self.target.name} alone: nothing can be learnt")
        return found[learner]


def augment(package: Package, data: Prepared, column: str | None, n: int | None, audience: Audience, seed: int = 0) -> Augmented:
    """The training rows with generated ones: `n` of them as they come, by default as many as bring each class up to the largest.

    Boosted trees and logistic regression learn from real rows (20,000 at most), and from these and the added ones, five times anew; the
    gain is in AUC on held-out rows, its interval covers another draw and other held-out rows. Beside it the same for training rows that
    are repeated, and for rows interpolated between neighbours. Recommended where the gain's interval lies above zero for the learner that
    is better without. Raises Refused for a model that can't draw rows of a class, BadInput where classes are balanced and no n is given.
    """
    codec = codec_of(package, "augment")
    target = target_of(codec, column)
    cells = data.source.items[data.split.train]
    labels = target.labels(cells)
    drawer = _Drawer(package, target, n, augmenting.wanted(labels[labels >= 0], len(target.ids)))
    task = _task(package, data, target, seed)
    # what is measured is added to fewer rows where there are very many: in the same proportion
    share = len(task.train[1]) / max(1, int((labels >= 0).sum()))
    tables = []
    with audience.watch("generating rows", DRAWS) as bar:
        for number in range(DRAWS):
            tables.append(drawer.rows(seed + number))
            bar.advance(number + 1, {})
    audience.say("training boosted trees and logistic regression on real rows, and on real and added ones")
    rows, learner, gains = _gains(task, tables, share, seed)
    made = np.bincount(target.labels(tables[0])[target.labels(tables[0]) >= 0], minlength=len(target.ids))
    recommended = _above(gains[learner, GENERATED])
    written = as_source(codec, data.source.items, np.concatenate([cells, tables[0]]))
    return Augmented(
        written, len(tables[0]), dict(zip(target.classes, made.tolist(), strict=True)), rows,
        learner, recommended, _verdict(learner, gains, len(tables[0]), recommended), len(task.held[1]),
    )  # fmt: skip


class _Drawer:
    """Draws the rows to be added, (made, C) cells."""

    def __init__(self, package: Package, target: Target, n: int | None, more: Ids) -> None:
        """`more` (K,) of each class where `n` is not given."""
        self.package, self.target, self.n, self.more = package, target, n, more
        if n is not None:
            if not 1 <= n <= MOST_MADE:
                raise BadInput(f"the number of rows must be between 1 and {MOST_MADE:,}, not {n}")
        elif not more.any():
            raise BadInput(f"the classes of {target.name} are of one size already; say how many rows to add: -n 1000")
        else:
            generator(package, "fix columns of a table")

    def rows(self, seed: int) -> np.ndarray:
        model = self.package.model
        assert isinstance(model, Generator)
        if self.n is not None:
            x = draw(model, self.n, seed=seed)
        else:
            assert isinstance(model, Infills)
            ids = self._ids(seed)
            parts = []
            for at in range(0, len(ids), CHUNK_OF_ROWS):
                index = torch.arange(at, min(at + CHUNK_OF_ROWS, len(ids)), device=model.device)
                asked = torch.zeros(len(index), *model.spec.shape, device=model.device)
                asked[:, self.target.field] = torch.from_numpy(ids[at : at + CHUNK_OF_ROWS]).to(asked)
                known = torch.zeros_like(asked, dtype=torch.bool)
                known[:, self.target.field] = True
                with torch.inference_mode():
                    parts.append(model.infill(asked, known, noise=Noise(seed, index, path=("augment",))).cpu())
            x = torch.cat(parts)
        return np.asarray(self.package.codec.decode(x.numpy()))

    def _ids(self, seed: int) -> Ids:
        """(made,) ids of the coded column: of the class wanted, as often as in training."""
        found = []
        u = Noise(seed, int(self.more.sum()), path=("augment", "ids")).uniform(()).double().numpy()
        for own, share in zip(self.target.ids, np.split(u, self.more.cumsum()[:-1]), strict=True):
            reach = self.target.column.counts[list(own)].cumsum()
            found.append(np.array(own)[np.searchsorted(reach, share * reach[-1], side="right").clip(max=len(own) - 1)])
        return np.concatenate(found)


def _task(package: Package, data: Prepared, target: Target, seed: int) -> _Task:
    codec, found = codec_of(package, "augment"), []
    for part, most in ((data.split.train, MOST_LEARNT), (data.split.holdout, MOST_ASKED)):
        cells = data.source.items[part[thinned(len(part), most, seed)]]
        labels = target.labels(cells)
        found.append((cells[labels >= 0], labels[labels >= 0]))
    features = Features.fit(codec, found[0][0], target.name)
    train, held = ((features(cells), labels) for cells, labels in found)
    if len(np.unique(held[1])) < 2:
        raise BadInput(f"the {len(held[1])} held-out rows have fewer than two classes of {target.name}, so no gain can be measured")
    return _Task(features, target, train, held)


def _gains(
    task: _Task, tables: list[np.ndarray], share: float, seed: int
) -> tuple[list[dict[str, Any]], str, dict[tuple[str, str], Measure]]:
    """(rows for people, the learner that decides, (learner, what was added) -> gain in AUC)."""
    (x, labels), (asked, real) = task.train, task.held
    weights, rows, gains = resamples(len(real), seed), [], {}
    alone, checked = {}, {}
    for learner in (TREES, REGRESSION):
        alone[learner] = augmenting.areas(task.log_probs(learner, asked), real, weights)
        checked[learner] = augmenting.checked(x, labels, task.features.ids, len(task.target.ids), learner, seed)
        rows.append({"added": "nothing", "learner": learner, "auc": float(alone[learner][0])})
    drawn: dict[tuple[str, str], list[Floats]] = {}
    for number, table in enumerate(tables):
        found = task.target.labels(table)
        kept = np.flatnonzero(found >= 0)
        kept = kept[thinned(len(kept), max(1, round(share * len(kept))), seed + number)]
        more = np.bincount(found[kept], minlength=len(task.target.ids))
        again = augmenting.repeated(labels, np.where(np.bincount(labels, minlength=len(more)) > 0, more, 0), seed + number)
        added = {
            GENERATED: (task.features(table[kept]), found[kept]),
            REPEATED: (x[again], labels[again]),
            INTERPOLATED: augmenting.interpolated(x, labels, more, task.features.ids, seed + number),
        }
        for name, rest in added.items():
            for learner in (TREES, REGRESSION):
                value = augmenting.areas(task.log_probs(learner, asked, rest), real, weights) - alone[learner]
                drawn.setdefault((learner, name), []).append(value)
    for name in (GENERATED, REPEATED, INTERPOLATED):
        for learner in (TREES, REGRESSION):
            values = np.array(drawn[learner, name])
            # other held-out rows, and another draw of the added ones
            spread = float(np.sqrt(values[:, 1:].mean(0).var() + values[:, 0].var(ddof=1)))
            gain = gains[learner, name] = around(float(values[:, 0].mean()), spread)
            auc = float(alone[learner][0]) + gain.value
            rows.append({"added": name, "learner": learner, "auc": auc, "gain": gain.value, "gain_low": gain.low, "gain_high": gain.high})
    return rows, max(checked, key=lambda learner: checked[learner]), gains


def _above(gain: Measure) -> bool:
    return gain.low is not None and gain.low > 0


def _verdict(learner: str, gains: dict[tuple[str, str], Measure], made: int, recommended: bool) -> list[str]:
    gain = gains[learner, GENERATED]
    said = f"{learner}, the better learner on real rows alone, with {made:,} generated rows: {_said(gain)}"
    if not recommended:
        return [f"not recommended: {said}; its interval does not lie above zero"]
    trivial = {name: gains[learner, name] for name in (REPEATED, INTERPOLATED)}
    best = max(trivial, key=lambda name: trivial[name].value)
    as_good = trivial[best].high is not None and (trivial[best].high or 0.0) >= gain.value and trivial[best].value > 0
    more = [f"but {best} rows may do as much: {_said(trivial[best])}"] if as_good else []
    return [f"recommended: {said}", *more]


def _said(gain: Measure) -> str:
    return f"{gain.value:+.4f} AUC ({gain.low:+.4f} .. {gain.high:+.4f})"

