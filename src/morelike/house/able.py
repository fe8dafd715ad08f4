"""What a task needs of a model, and the sentence that refuses one without it, naming the families that have it."""

from __future__ import annotations

from collections.abc import Sequence

from ..core import registry
from ..core.abilities import ABILITIES
from ..core.contract import Generator
from ..core.errors import Refused
from .package import Package

NEEDS = {
    "extend": (("continues",),),
    "restore": (("infills",), ("continues",)),
    "translate": (("continues",),),
    "explain": (("continues",),),
    "restyle": (("encodes",), ("infills",), ("continues",)),
    "interpolate": (("encodes",), ("prior",)),
    "show what its latent numbers do": (("encodes",), ("prior",)),
    "score": (("density",),),
    "classify": (("density",),),
    "fill in a table": (("infills",),),
    "detect": (("density",),),
    "fix columns of a table": (("narrows",),),
    "ask": (("narrows",),),
    "simulate": (("narrows",),),
    "draw children given their parent": (("infills",),),
    "write under a constraint": (("continues",),),
}
"""Task -> abilities, of which all of one group are needed."""


def generator(package: Package, task: str) -> Generator:
    """The model, which has what the task needs. Raises Refused, naming the families that have it."""
    model = package.model
    if isinstance(model, Generator) and has(type(model), NEEDS[task]):
        return model
    name = package.recipe.model or type(model).__name__
    able, spec = families(NEEDS[task]), type(model.spec).__name__.lower()
    # first of all those that take this kind of data
    able = [other for other in able if spec in registry.FAMILIES[other].specs] or able
    raise Refused(f"{name} can't {task}; families that can: {', '.join(able)}")


def has(family: type, groups: Sequence[Sequence[str]]) -> bool:
    """Whether a family has all abilities of one of the groups."""
    return any(all(issubclass(family, ABILITIES[ability]) for ability in group) for group in groups)


def families(groups: Sequence[Sequence[str]]) -> list[str]:
    """The names of the registry's generators that have them."""
    loaded = {name: line.load() for name, line in registry.FAMILIES.items()}
    return [name for name, family in loaded.items() if issubclass(family, Generator) and has(family, groups)]
