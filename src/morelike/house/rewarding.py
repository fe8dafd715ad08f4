"""`reward`: from a saved model and wishes to a tuned model in a folder of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..core.errors import BadInput, UnknownName
from . import package, run
from .audience import Audience, Silent
from .model import Model
from .recipe import Recipe, Reward

_BATCH = 32
_MINUTES = 3.0
_SETTINGS = ("batch", "draws", "lr", "rules")


@dataclass(frozen=True, slots=True)
class Wish:
    """What is wanted of the tuned model, and for how long."""

    towards: Sequence[str]
    """Measures: "qed", "logp=3"; the reward is their mean, 0 to 1."""
    beta: float = Reward.model_fields["beta"].default
    """Reward that a nat of divergence from the original costs."""
    minutes: float | None = None
    steps: int | None = None
    seed: int = 0
    device: str = "auto"
    settings: Mapping[str, Any] = field(default_factory=dict)
    """batch, draws, lr, rules."""


def recipe_of(path: Path, wish: Wish, data: str | None) -> Recipe:
    """The recipe that tunes the model saved at `path`, by default on the data it was trained on. Raises BadInput, BadPackage or
    UnknownName."""
    own = package.read_card(path)["recipe"]
    where = data if data is not None else own.get("data", "memory")
    if where == "memory" and data is None:
        raise BadInput("this model was trained on data in memory: pass the data")
    if wish.minutes is not None and wish.steps is not None:
        raise BadInput("give --minutes or --steps, not both")
    for key in wish.settings:
        if key not in _SETTINGS:
            raise UnknownName("setting of reward", key, _SETTINGS)
    time = {"steps": wish.steps} if wish.steps is not None else {"minutes": wish.minutes or _MINUTES}
    reward = {key: value for key, value in wish.settings.items() if key != "batch"}
    return Recipe.parse({
        "data": where, "kind": own.get("kind"), "start": str(path), "seed": wish.seed, "device": wish.device,
        # probabilities are compared, which short numbers blur
        "train": {**time, "batch": wish.settings.get("batch", _BATCH), "precision": "fp32"},
        "reward": {"towards": list(wish.towards), "beta": wish.beta, **reward},
    })  # fmt: skip


def reward(
    path: str | Path, towards: str | Sequence[str], *, out: str | Path | None = None, data: Any = None,
    audience: Audience | None = None, offline: bool = False, **how: Any,
) -> Model:  # fmt: skip
    """Tunes the model saved at `path` towards a wish or several, and returns the new one, saved in `out`, by default PATH-reward.

    `how`: beta, minutes, steps, seed, device, batch, draws, lr, rules. `card["reward"]` says what was gained and lost. Raises BadInput,
    UnknownName or Refused, each in a sentence.
    """
    given = {key: how.pop(key) for key in ("beta", "minutes", "steps", "seed", "device") if key in how}
    wish = Wish([towards] if isinstance(towards, str) else towards, **given, settings=how)
    in_memory = data is not None and not isinstance(data, (str, Path))
    recipe = recipe_of(Path(path), wish, "memory" if in_memory else None if data is None else str(data))
    folder = Path(out) if out is not None else default_folder(Path(path))
    return run.train(recipe, folder, audience or Silent(), data=data if in_memory else None, offline=offline)[0]


def default_folder(path: Path) -> Path:
    """Beside the model, MODEL-reward."""
    own = path.resolve()
    return own.with_name(f"{own.name}-reward")
