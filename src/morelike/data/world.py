"""What a codec adds whose data have files and rules of their own: music, molecules, game levels, drawings."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor

from ..core.contract import Codec, Raw
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

    def pieces(self, item: Raw, training: bool = False) -> list[Raw]:
        """The examples that one long item gives; `training`: changed copies too, where they are learnt."""
        return [item]

    def machine(self) -> Machine | None:
        """The rules of its world over ids (T,), which whatever is drawn obeys; None where there are none, or where x is no sequence."""
        return None

    def beside(self) -> Callable[[Tensor, Tensor], Tensor] | None:
        """The rules of its world over grids (T,V), as `core.abilities.Obeys` takes them: what may stand beside what in a row."""
        return None

    def broken(self, item: Raw) -> str | None:
        """The first rule that an item breaks, in words; None where it keeps them all."""
        return None

    def facts(self) -> dict[str, Any]:
        """What judges must know beside the items (legend, ranges, resolution)."""
        return {}
