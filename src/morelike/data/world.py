"""What a codec adds whose data have files and rules of their own: music, molecules, game levels, drawings."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from ..core.contract import Codec, Raw
from ..core.errors import Refused
from ..maths.constraint import Machine


class World(Codec):
    """Raw items are any Python objects that compare and print whole: texts, frozen dataclasses."""

    forms: ClassVar[Mapping[str, str]]
    """Endings that `write` knows and what they hold, such as {".mid": "one tune"}; "" is a folder with a file an item."""
    page: ClassVar[tuple[int, int]] = (4, 4)
    """(rows, columns) of a page of samples."""

    @abstractmethod
    def write(self, items: Sequence[Raw], path: Path, ending: str) -> None:
        """Writes items to `path` (its own name may be a temporary one) as `forms[ending]` says; a folder is made here."""

    @abstractmethod
    def read(self, path: Path) -> list[Raw]:
        """The items of a user's own file. Raises BadInput with file and place."""

    @abstractmethod
    def describe(self) -> list[str]:
        """What was understood and what is lost, in sentences, for `check`."""

    def pieces(self, items: Sequence[Raw], dense: bool) -> tuple[np.ndarray, np.ndarray] | None:
        """(examples (M,*), (M,) the number of the item each is of) where an item gives several: many that overlap where they are to be
        learnt (`dense`), or changed copies too; fewer where they are held out. None where an item is an example."""
        return None

    def measured(self, name: str, x: np.ndarray) -> np.ndarray | None:
        """(M,) the values of a column for examples x (M,*), where they follow from what is in them; None: each has its item's own."""
        return None

    def told(self, name: str) -> Codec | None:
        """The codec of a condition that `around` makes; None where there is no such one."""
        return None

    def around(self, name: str, items: Sequence[Raw], dense: bool) -> np.ndarray:
        """(M,*) a condition that `told` has a codec for, of the same examples as `pieces` gives: what stands around each."""
        raise NotImplementedError(f"{type(self).__name__} makes no condition {name!r}")

    def machine(self) -> Machine | None:
        """The rules of its world over ids (T,), which whatever is drawn obeys; None where there are none, or where x is no sequence."""
        return None

    def completing(self, text: str, beginning: bool) -> Machine | None:
        """The rules of whole items that hold what a user knows of one: a text with gaps, or (`beginning`) what comes first. None where
        this kind of data can't be completed so; raises BadInput where the text can't be read."""
        return None

    def beside(self) -> Callable[[Tensor, Tensor], Tensor] | None:
        """The rules of its world over grids (T,V), as `core.abilities.Obeys` takes them: what may stand beside what in a row."""
        return None

    def broken(self, item: Raw) -> str | None:
        """The first rule that an item breaks, in words; None where it keeps them all."""
        return None

    def properties(self) -> Sequence[str]:
        """Names of numbers that follow from an item's shape, and are measured of any (`judges.measures`)."""
        return ()

    def exactly(self, items: Sequence[Raw], wanted: Mapping[str, Sequence[float]]) -> list[Raw]:
        """Items changed as little as their kind allows so that each has its number of every property wanted. Raises Refused where
        that can't be."""
        raise Refused(f"nothing makes {self.kind} data have a property exactly: leave out exact=true")

    def facts(self) -> dict[str, Any]:
        """What judges must know beside the items (legend, ranges, resolution)."""
        return {}
