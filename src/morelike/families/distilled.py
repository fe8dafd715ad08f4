"""A student of a trained denoiser: one net pass jumps along the teacher's path from noise to data, so that 1 to 4 passes draw an example.

B batch, * the example's shape; t = 0 is data, t = 1 is noise, as for `diffusion`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from ..core.abilities import Condition, Denoises
from ..core.contract import Batch, Generator, Learner, Net, Optim, Player, Terms, all_given
from ..core.errors import BadInput
from ..core.noise import Noise
from ..core.settings import check_ranges
from ..core.spec import Array, Conditions, Spec
from ..maths.paths import wide
from ..maths.solvers import SOLVERS
from .diffusion import UNCHOSEN

MOST_STEPS = 4
_UNTIL = "~until"
"""The net's own condition: the time that it jumps to."""
_FAINT = 0.1
"""What the student has and the teacher hasn't begins so much smaller, so that the student begins as the teacher."""


@dataclass(frozen=True, slots=True)
class DistilledSettings:
    """The student's jumps. Raises BadInput for a number out of its range."""

    steps: int = 2
    """Jumps that draw an example, 1 to 4. All of these are learnt; half of the training goes to this one."""
    pieces: int = 8
    """Steps in which the teacher goes the whole way when it shows a jump: a share of them for a shorter one, at least 2."""
    shift: float = 2.0
    """Where the jumps end: above 1 they spend more of themselves near the noise (Esser et al. 2024, arXiv:2403.03206, eq. 23)."""
    teacher_guidance: float = 0.0
    """The teacher's guidance scale, which the student learns in; 0 = the one that the teacher draws with."""
    lr: float = 1e-3

    def __post_init__(self) -> None:
        check_ranges(self, steps=(1, MOST_STEPS), pieces=(2, 1000), shift=(0.1, 10), teacher_guidance=(0, 100))


class Distilled(Generator):
    """Knowledge distillation of a sampler (Luhman, Luhman 2021, arXiv:2101.02388) with guidance learnt in (Meng et al. 2022,
    arXiv:2210.03142), for jumps between any two times of a grid (Kim et al. 2023, arXiv:2310.02279, section 3) in place of the whole way.

    The net says the mean velocity u of the teacher's path from t to s, x_s = x_t - (t - s) u: the teacher goes the jump in small steps from
    a noised example, and the student learns where it came out. It starts from the weights of a teacher on the straight path. It isn't a
    denoiser: u is no expectation.
    """

    Settings = DistilledSettings
    settings: DistilledSettings
    dials = ("steps",)
    needs: ClassVar[Mapping[str, type]] = {"teacher": Denoises}

    def __init__(self, spec: Spec, conditions: Conditions, nets: Any = None, parts: Any = None, settings: Any = None) -> None:
        super().__init__(spec, conditions, nets, parts, settings)
        if self.parts:
            self._take_over()

    @classmethod
    def refuses(cls, spec: Spec, conditions: Conditions) -> str | None:
        return None if isinstance(spec, Array) else "it learns real-valued arrays, not ids or mixed rows"

    @classmethod
    def wants(cls, spec: Spec, conditions: Conditions, settings: DistilledSettings) -> dict[str, Net]:
        return {"denoiser": Net("denoiser", spec, spec, also={_UNTIL: Array((1,))})}

    def _take_over(self) -> None:
        """The teacher's weights, where it has the same net, which says the velocity of the straight path."""
        teacher = self.parts["teacher"]
        theirs, own = teacher.nets.state_dict(), self.nets.state_dict()
        straight = getattr(teacher.settings, "path", "flow") == "flow"
        if not theirs or not straight or any(name not in own or own[name].shape != value.shape for name, value in theirs.items()):
            return
        for name, value in own.items():
            value.copy_(theirs[name] if name in theirs else _FAINT * value)

    def players(self) -> list[Player | Learner]:
        optim = Optim("adamw", lr=self.settings.lr, betas=(0.9, 0.99), weight_decay=0.01)
        return [Player("student", list(self.nets.parameters()), self._loss, optim=optim)]

    def _loss(self, batch: Batch) -> Terms:
        x, noise = batch.data, batch.noise.normal(self.spec.shape, "noise")
        counts, first = self._jumps(batch.noise)
        start, stop = self._time(first / counts), self._time((first - 1) / counts)
        x_t = torch.lerp(x, noise, wide(start, x))
        shown = self._shown(x_t, start, stop, counts, batch)
        said = self._mean_velocity(x_t, start, stop, batch.condition, batch.given)
        return {"loss": (said - shown).square().flatten(1).mean(1)}

    def _jumps(self, noise: Noise) -> tuple[Tensor, Tensor]:
        """Of each example, in how many jumps the way is gone, and which of them is learnt, counted from the data; (B,) each."""
        other = (noise.uniform((), "steps") * MOST_STEPS).long() + 1
        counts = torch.where(noise.uniform((), "usual") < 0.5, self.settings.steps, other)
        return counts, (noise.uniform((), "jump") * counts).long() + 1

    def _time(self, share: Tensor) -> Tensor:
        """The time at a share of the jumps."""
        return self.settings.shift * share / (1 + (self.settings.shift - 1) * share)

    @torch.no_grad()
    def _shown(self, x_t: Tensor, start: Tensor, stop: Tensor, counts: Tensor, batch: Batch) -> Tensor:
        """(B,*) the mean velocity of the teacher's way from x_t (B,*) at `start` to `stop`, both (B,)."""
        shown = torch.zeros_like(x_t)
        for count in range(1, MOST_STEPS + 1):
            rows = (counts == count).nonzero()[:, 0]
            if not len(rows):
                continue
            pieces = max(2, -(-self.settings.pieces // count))
            condition, given = ({name: value[rows] for name, value in own.items()} for own in (batch.condition, batch.given))
            times: Any = [wide(torch.lerp(start[rows], stop[rows], piece / pieces), x_t) for piece in range(pieces + 1)]

            def velocity(x: Tensor, t: Any, condition: Any = condition, given: Any = given) -> Tensor:
                return self._guided(x, t.flatten(), condition, given)

            end = SOLVERS["adams"](velocity, x_t[rows], times)
            shown[rows] = (x_t[rows] - end) / (times[0] - times[-1])
        return shown

    def _guided(self, x: Tensor, t: Tensor, condition: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> Tensor:
        """(B,*) the teacher's velocity, guided as the teacher draws; unguided where no condition is given."""
        teacher: Any = self.parts["teacher"]
        weight = self.settings.teacher_guidance or getattr(teacher.settings, "guidance", 1.0) or UNCHOSEN
        low, high = getattr(teacher.settings, "guided", (0.0, 1.0))
        velocity = self._taught(x, t, condition, given)
        told = torch.stack(list(given.values())).any(0) if given else torch.zeros_like(t, dtype=torch.bool)
        rows = (told & (t >= low) & (t <= high)).nonzero()[:, 0]
        if weight != 1.0 and len(rows):
            velocity[rows] = torch.lerp(self._taught(x[rows], t[rows], {}, {}), velocity[rows], weight)
        return velocity

    def _taught(self, x: Tensor, t: Tensor, condition: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> Tensor:
        """(B,*) the teacher's velocity (x_t - E[x | x_t]) / t under the conditions that are given, which may be others in each row."""
        clean = torch.empty_like(x)
        flags = torch.stack(list(given.values()), 1) if given else torch.ones(len(x), 0, dtype=torch.bool, device=x.device)
        for pattern in torch.unique(flags, dim=0) if given else flags[:1]:
            rows = (flags == pattern).all(1)
            own = {name: condition[name][rows] for name, there in zip(given, pattern.tolist(), strict=True) if there}
            teacher: Any = self.parts["teacher"]
            clean[rows] = teacher.denoise(x[rows], t[rows], own).float()
        return (x - clean) / wide(t, x)

    def _mean_velocity(
        self, x_t: Tensor, start: Tensor, stop: Tensor, condition: Mapping[str, Tensor], given: Mapping[str, Tensor]
    ) -> Tensor:
        until = {_UNTIL: stop[:, None]}
        there = {_UNTIL: torch.ones_like(stop, dtype=torch.bool)}
        u: Tensor = self.nets["denoiser"](x_t, start, {**condition, **until}, {**given, **there})
        return u.float()

    def sample(self, condition: Condition = None, *, noise: Noise, **dials: Any) -> Tensor:
        """Dial: `steps`, 1 to 4. The same noise gives what the teacher makes of it, as nearly as the student has learnt."""
        steps = int(dials.get("steps", self.settings.steps))
        if not 1 <= steps <= MOST_STEPS:
            raise BadInput(f"steps must be from 1 to {MOST_STEPS}, not {steps}")
        condition, given = all_given(condition)
        x = noise.normal(self.spec.shape, "start")
        for jump in range(steps, 0, -1):
            start, stop = (self._time(torch.full((len(x),), edge / steps, device=x.device)) for edge in (jump, jump - 1))
            x = x - wide(start - stop, x) * self._mean_velocity(x, start, stop, condition, given)
        return x
