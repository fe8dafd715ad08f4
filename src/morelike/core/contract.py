"""The contract under every family: Batch, Player, Learner, Remedy, Trainable, Generator, Net, Codec.

B batch, * the example's shape. A player's gradient reaches its own parameters only (the trainer freezes the rest); a
loss is a pure function of its Batch; all learned state is parameters or buffers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from torch import Tensor, nn

from .noise import Noise
from .spec import Conditions, Spec

Terms = dict[str, Tensor]
Raw = Any


@dataclass(frozen=True, slots=True)
class Batch:
    """What a training step sees."""

    x: Tensor | None
    """(B,*): float32 of about unit scale, int64 for Tokens; None for a player that must not see data."""
    noise: Noise
    """A loss's only randomness; `noise.size` is the batch's size."""
    condition: Mapping[str, Tensor] = field(default_factory=dict)
    given: Mapping[str, Tensor] = field(default_factory=dict)
    """(B,) bool for each condition; the trainer's condition dropout clears it."""
    progress: float = 0.0
    """Share of the run done: the only clock that a loss may read."""

    @property
    def size(self) -> int:
        return self.noise.size

    @property
    def data(self) -> Tensor:
        """x, for a player that sees data. Raises RuntimeError in one that said it doesn't."""
        if self.x is None:
            raise RuntimeError("this player said sees_data=False, so its batch holds no data")
        return self.x

    def __getitem__(self, rows: slice | Tensor) -> Batch:
        return replace(
            self,
            x=None if self.x is None else self.x[rows],
            noise=self.noise[rows],
            condition={name: value[rows] for name, value in self.condition.items()},
            given={name: value[rows] for name, value in self.given.items()},
        )


@dataclass(frozen=True, slots=True)
class Optim:
    """An optimiser as a value: a family's default; a recipe overrides it by player name."""

    name: Literal["adam", "adamw", "sgd", "muon"] = "adam"
    lr: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.0
    schedule: Literal["constant", "cosine", "linear"] = "cosine"
    warmup: float = 0.02
    """Share of the run over which the rate rises linearly from zero."""
    clip: float = 1.0
    """Largest gradient norm; 0 = no clipping."""


@dataclass(slots=True)
class Player:
    """Learns by gradient: the parameters it owns and the loss that it minimises."""

    name: str
    params: Sequence[nn.Parameter]
    loss: Callable[[Batch], Terms]
    """name -> (B,); "loss" is minimised, the rest is logged. One value per example."""
    every: int = 1
    """Plays each n-th step."""
    sees_data: bool = True
    """False: its Batch.x is None, enforced by the trainer."""
    coupled: bool = False
    """The loss mixes examples (BatchNorm, PacGAN): no chunking, no private rule."""
    optim: Optim = Optim()
    after: Callable[[Batch], None] | None = None
    """Without gradient, after the step: clipping, codebook, fade-in."""
    during: tuple[float, float] = (0.0, 1.0)
    """The part of the run in which it plays; its rate rises and falls within."""

    def share(self, progress: float) -> float | None:
        """Share of its own part that is done at a share of the run; None where it doesn't play."""
        begin, end = self.during
        return (progress - begin) / (end - begin) if begin <= progress < end else None


@dataclass(slots=True)
class Learner:
    """Learns without gradient: expectation-maximisation, counts, maps."""

    name: str
    see: Callable[[Batch], Terms]
    """Takes in one batch; every example comes once a pass."""
    settle: Callable[[], bool] | None = None
    """The end of a pass (the M step); True = converged."""
    passes: int = 1
    """At most so many."""


@dataclass(frozen=True, slots=True)
class Remedy:
    """A change of settings that the trainer makes in mid-run when a game goes wrong; losses read their settings at every turn."""

    name: str
    """What is done, in words: "gradient penalty from 0.2 to 1"."""
    settings: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Net:
    """A net that a family wants: its role, what goes in and what comes out. `nets.build` makes it."""

    role: Literal["encoder", "decoder", "critic", "denoiser", "causal", "translator"]
    """"causal" says the next id at every place of a sequence, or the next value of a picture: parameters from those before it;
    "translator" makes another example of the same sizes."""
    input: Spec
    output: Spec
    settings: Mapping[str, Any] = field(default_factory=dict)
    """The family's own defaults for this net (kind, width, ...); a recipe overrides them."""
    told: bool = True
    """Whether it is told the conditions."""
    also: Conditions = field(default_factory=dict)
    """Further conditions, that this net alone is told."""


class Trainable(nn.Module, ABC):
    """Anything the trainer can train: a Generator, or a net that judges use."""

    Settings: ClassVar[type]
    """A frozen dataclass of JSON values: the family's only configuration."""
    needs: ClassVar[Mapping[str, type]] = {}
    """Frozen models that it stands on, by name and ability."""
    stages: tuple[float, ...] = ()
    """Shares of the run from which on a step costs another time: the probe tries a step of each part."""

    def __init__(
        self,
        spec: Spec,
        conditions: Conditions,
        nets: Mapping[str, nn.Module] | None = None,
        parts: Mapping[str, Trainable] | None = None,
        settings: Any = None,
    ) -> None:
        super().__init__()
        self.spec = spec
        self.conditions = dict(conditions)
        self.settings = settings if settings is not None else self.Settings()
        self.nets = nn.ModuleDict(dict(nets or {}))
        self.parts = dict(parts or {})
        for part in self.parts.values():
            part.requires_grad_(False).eval()

    @classmethod
    def wants(cls, spec: Spec, conditions: Conditions, settings: Any) -> dict[str, Net]:
        """Net name -> what it must do; {} for classical families."""
        return {}

    @classmethod
    def refuses(cls, spec: Spec, conditions: Conditions) -> str | None:
        """Why this family can't learn such data, or None; asked before any net is built."""
        return None

    @abstractmethod
    def players(self) -> list[Player | Learner]:
        """Who learns, in order of play."""

    def remedies(self) -> list[Remedy]:
        """What may be changed of a game that goes wrong, mildest first, each on top of those before; the learning rate comes after."""
        return []

    @property
    def device(self) -> torch.device:
        tensors: list[Tensor] = [*self.parameters(), *self.buffers()]
        return tensors[0].device if tensors else torch.device("cpu")


class Generator(Trainable):
    """A distribution p(x given conditions) over a Spec. Families are final: nobody overrides a concrete method."""

    dials: ClassVar[tuple[str, ...]] = ()
    """The settings that `sample` also takes as keywords."""
    cheaper_together: ClassVar[bool] = False
    """Whether a row costs less the more of them are drawn at once, without conditions."""

    @abstractmethod
    def sample(self, condition: Mapping[str, Tensor] | None = None, *, noise: Noise, **dials: Any) -> Tensor:
        """(noise.size, *) examples of `spec`. A condition missing from the mapping is left out."""

    @property
    def dialled(self) -> Generator:
        """The model whose dials `sample` takes: itself, or a part of it."""
        return self

    def set_dial(self, dial: str, value: Any) -> None:
        """Sets a dial's default, which is saved with the model."""
        self.settings = replace(self.settings, **{dial: value})


def all_given(condition: Mapping[str, Tensor] | None) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """(condition, given) with every condition of the mapping given."""
    condition = dict(condition or {})
    return condition, {name: torch.ones(len(v), dtype=torch.bool, device=v.device) for name, v in condition.items()}


class Codec(ABC):
    """Raw items <-> arrays for one kind of data; fitted on the training split, saved with the model; knows no net."""

    kind: ClassVar[str]
    spec: Spec
    loss: ClassVar[str] = "none"
    """What encode-then-decode loses, in words."""

    @classmethod
    @abstractmethod
    def fit(cls, items: Iterable[Raw], **settings: Any) -> Self:
        """Reads the training items once and fixes the Spec. Raises `BadInput` where they can't be one data set."""

    def windows(self, item: Raw) -> int:
        """How many examples one long item gives."""
        return 1

    @abstractmethod
    def encode(self, items: Sequence[Raw]) -> np.ndarray:
        """(N, *spec.shape): levels (uint8, uint16) of a quantised Array, ids, or float32; `core.spec.lift` makes x of them."""

    @abstractmethod
    def decode(self, x: np.ndarray) -> Sequence[Raw]:
        """x (N, *spec.shape) back to raw items, clipped to the source's range."""

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """JSON values and numpy arrays; `restore` is the inverse."""

    @classmethod
    @abstractmethod
    def restore(cls, state: Mapping[str, Any]) -> Self: ...

    @abstractmethod
    def draw(self, items: Sequence[Raw], path: Path, columns: int | None = None) -> None:
        """Writes one PNG that shows the items, for people who would rather look."""
