"""The plan of a run: everything that decides its numbers. Minutes have become steps here; replay and resume follow the plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ..core.contract import Learner, Optim, Player

VALIDATE_AT = (0.1, 0.25, 0.5, 0.75, 1.0)
"""Shares of the run after which the averaged weights are validated."""
VALIDATE_EARLY = (0.01, 0.025, 0.05)
"""More of them, where a run goes over little data many times: the best weights may come long before a tenth of it."""
MANY_PASSES = 400


@dataclass(frozen=True, slots=True)
class Plan:
    """How a run goes. Frozen: a longer run is a new plan, and an event in the record."""

    steps: int
    batch: int = 128
    seed: int = 0
    precision: str = "fp32"
    """"fp32" or "bf16" (autocast)."""
    threads: int = 0
    """0 = as torch finds it."""
    drop: float = 0.0
    """Share of the examples whose conditions are hidden (for guidance)."""
    averaging: float = 16.0
    """Exponent of the power-function average of weights (Karras et al. 2023, arXiv:2312.02696, eq. 2); 0 = no averaging."""
    chunks: int = 1
    """The batch's gradient is accumulated over so many parts."""
    patience: int = 0
    """Stop after so many worse validations; 0 = never."""
    watch: bool = True
    """Whether a game is watched for collapse and the like; numbers that are not finite always are."""
    optim: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Overrides of a player's optimiser, by player name."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def optim_of(self, player: Player) -> Optim:
        """The player's optimiser with this plan's overrides."""
        values = dict(self.optim.get(player.name, {}))
        if "betas" in values:
            values["betas"] = tuple(values["betas"])
        return replace(player.optim, **values)


def turns(players: list[Player | Learner]) -> tuple[list[Player], list[Learner]]:
    """Those who learn by gradient and those who don't, each in order of play."""
    return [p for p in players if isinstance(p, Player)], [p for p in players if isinstance(p, Learner)]
