"""The probe: a few steps of a throw-away copy turn minutes into steps and pick the precision, before anything counts."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import torch

from ..core.contract import Trainable
from .loop import Data, Trainer
from .plan import VALIDATE_AT, Plan

WORTH = 1.1
"""bf16 must be so many times faster than fp32 to be chosen."""
WARM_UP, TIMED = 4, 12


def seconds_per_step(model: Trainable, data: Data, plan: Plan) -> float:
    """Median seconds of a step under a plan, over whole cycles of who plays when; trains `model` a little: give it a throw-away copy.

    Where players have parts of the run, or the model has stages, each part counts by its length.
    """
    torch.set_num_threads(plan.threads)
    trainer = Trainer(model, data, replace(plan, steps=max(plan.steps, 10_000), watch=False))
    edges = sorted({0.0, 1.0, *(edge for player in trainer.players for edge in player.during), *model.stages})
    return sum((end - begin) * _seconds_at(trainer, round(begin * trainer.plan.steps)) for begin, end in pairwise(edges))


def _seconds_at(trainer: Trainer, first: int) -> float:
    """Median seconds of a step from the step `first` on."""
    cycle = math.lcm(*(player.every for player in trainer.players)) if trainer.players else 1
    times: list[float] = []
    for step in range(WARM_UP + max(TIMED, cycle)):
        began = time.perf_counter()
        trainer.step_once(first + step)
        if trainer.device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - began)
        if step >= WARM_UP + max(2, cycle - 1) and sum(times[WARM_UP:]) > 3.0:
            break
    timed = times[WARM_UP:]
    cycles = sorted(sum(timed[i : i + cycle]) for i in range(0, len(timed) - cycle + 1, cycle))
    return cycles[len(cycles) // 2] / cycle


def has_bf16(device: torch.device) -> bool:
    """Whether bf16 is worth a try: a processor with AVX-512 BF16 or AMX, or a recent GPU."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    return device.type == "cpu" and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def choices(device: torch.device, precision: str | None, threads: int | None) -> tuple[list[str], list[int]]:
    """(precisions, thread counts) worth a try; what is given stays. On a busy processor one thread beats several by far."""
    precisions = [precision] if precision else ["fp32", *(["bf16"] if has_bf16(device) else [])]
    most = torch.get_num_threads()
    several = device.type == "cpu" and most > 1
    return precisions, [threads] if threads else [most, *([1] if several else [])]


def plan_steps(
    make: Callable[[], Trainable], data: Data, plan: Plan, minutes: float, validation: Callable[[Trainable], float] | None,
    tried: tuple[list[str], list[int]],
) -> Plan:  # fmt: skip
    """The plan with precision, threads and steps that fill `minutes` here, the validations' own cost taken off first.

    `make` builds a fresh model each time, so the probe leaves no trace in the run. `tried`: as `choices` gives them; a later one
    must be `WORTH` times faster.
    """
    precisions, threads = tried
    plan = replace(plan, precision=precisions[0], threads=threads[0])
    best = seconds_per_step(make(), data, plan)
    others = [replace(plan, precision=precision) for precision in precisions[1:]]
    for other in others:
        if (seconds := seconds_per_step(make(), data, other)) * WORTH < best:
            best, plan = seconds, other
    for count in threads[1:]:
        if (seconds := seconds_per_step(make(), data, replace(plan, threads=count))) * WORTH < best:
            best, plan = seconds, replace(plan, threads=count)
    torch.set_num_threads(plan.threads)
    budget = minutes * 60.0
    if validation is not None:
        began = time.perf_counter()
        validation(make().eval())
        budget -= min(0.3 * budget, (time.perf_counter() - began) * len(VALIDATE_AT))
    return replace(plan, steps=max(10, int(budget / best)))
