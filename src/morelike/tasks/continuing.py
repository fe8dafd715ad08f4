"""Going on from a beginning: ids from any model that `Continues`, and letters from ids as they come.

B batch, k prefix, T length, V vocabulary.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from ..core.abilities import Condition, Continues
from ..core.noise import Noise
from ..core.spec import Tokens
from ..maths.constraint import DEAD, Constraint, Flags, Ints
from ..maths.decoding import Dials, stream


class Following(Constraint):
    """A constraint on what follows a prefix, whatever the prefix is."""

    @classmethod
    def of(cls, constraint: Constraint) -> Following:
        """The same machines, begun where the prefix ends."""
        return cls(constraint.machines, constraint.spec, constraint.which)

    def begin(self, batch: int, length: int, prefix: Tensor) -> Tensor:
        """(B,) states at the end of `prefix` (B,k). Raises Refused where nothing valid fits into `length` - k ids."""
        return super().begin(batch, length - prefix.shape[1], prefix[:, :0])


class AnyButStop:
    """A `Machine` that takes every id but the stop; `first` (V,) bool: those that it may begin with."""

    start = 0

    def __init__(self, spec: Tokens, first: Flags | None = None) -> None:
        self._taken = np.ones(spec.vocab, dtype=np.bool_)
        if spec.stop is not None:
            self._taken[spec.stop] = False
        self._first = self._taken if first is None else self._taken & first

    def step(self, states: Ints) -> Ints:
        return np.where(np.where(states[:, None] == self.start, self._first, self._taken), 1, DEAD).astype(np.int64)

    def accepts(self, states: Ints) -> Flags:
        return np.not_equal(states, DEAD)

    def fits(self, states: Ints, left: int) -> Flags:
        return np.not_equal(states, DEAD)

    def why_not(self, length: int) -> str:
        return "this model's vocabulary has no id to begin with"


def extend(
    model: Continues,
    spec: Tokens,
    prefix: Tensor,
    condition: Condition = None,
    *,
    noise: Noise,
    length: int,
    dials: Dials | None = None,
    constraint: Constraint | None = None,
) -> Iterator[Tensor]:
    """(B,) ids at a time, at most `length`, after `prefix` (B,k), of which the last T are read; the constraint is on what is written.

    Raises Refused, before anything is drawn, where nothing satisfies the constraint; BadInput for dials that choose among whole texts.
    """
    held = None if constraint is None else Following.of(constraint)
    if held is not None:
        held.begin(prefix.shape[0], length, prefix[:, :0])
    kept = prefix[:, -spec.shape[0] :]
    return stream(model, spec, condition, noise=noise, prefix=kept, dials=dials, constraint=held, length=length)


def drawn(steps: Iterator[Tensor], batch: int) -> Tensor:
    """(B,L) the ids of a stream, one place after another."""
    places = list(steps)
    return torch.stack(places, 1) if places else torch.zeros(batch, 0, dtype=torch.int64)


class Letters:
    """The text of one row, id by id: UTF-8 that is not whole yet is held back, and so is what may begin a stop string.

    Joined, what `take` and `rest` give is the decoded text of all ids up to the first stop string.
    """

    def __init__(self, pieces: Sequence[bytes], stops: Sequence[str] = ()) -> None:
        """`pieces`: the bytes of each id. `stops`: texts at which the row ends; they are not given out."""
        self._pieces, self._stops = pieces, tuple(stop for stop in stops if stop)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""
        self.ended = False

    def take(self, number: int) -> str:
        """The letters that id `number` makes certain; none once the row has ended."""
        return "" if self.ended else self._give(self._decoder.decode(self._pieces[number]))

    def rest(self) -> str:
        """What is still held back, when no id comes any more."""
        if self.ended:
            return ""
        found = self._give(self._decoder.decode(b"", True))
        left, self._held = self._held, ""
        return found if self.ended else found + left

    def _give(self, fresh: str) -> str:
        text = self._held + fresh
        places = [place for place in map(text.find, self._stops) if place >= 0]
        if places:
            self.ended, self._held = True, ""
            return text[: min(places)]
        held = max((self._open(text, stop) for stop in self._stops), default=0)
        self._held = text[len(text) - held :]
        return text[: len(text) - held]

    @staticmethod
    def _open(text: str, stop: str) -> int:
        """The length of the longest ending of a text that begins the stop string."""
        return next((size for size in range(min(len(stop) - 1, len(text)), 0, -1) if text.endswith(stop[:size])), 0)
