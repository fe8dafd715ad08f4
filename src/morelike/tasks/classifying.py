"""Which class an example is of, by Bayes' rule from the likelihoods under each class. N examples, K classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..core.abilities import Density
from ..core.noise import Noise

Floats = NDArray[np.float64]
BINS = 15
"""Of the calibration error, as in Guo et al. 2017."""
_BATCH, _ROWS = 128, 4096
"""Items at once, and rows of a table."""
_SHARPNESS = (1e-4, 10.0)
"""Of the fit."""


@torch.no_grad()
def likelihoods(
    model: Density, x: Tensor, label: str, classes: int, others: Mapping[str, Tensor] | None = None, *, seed: int = 0,
    advance: Callable[[int], object] = lambda _: None,
) -> Floats:  # fmt: skip
    """(N,K) log p(x | class) in nats, of x (N,*) under each class of the condition `label`; `others` are N rows of its other conditions.

    A bound or an estimate draws from counted noise, the same under every class: what it leaves is their difference.
    """
    found = np.empty((len(x), classes))
    device = getattr(model, "device", torch.device("cpu"))
    for at in range(0, len(x), _BATCH):
        rows = torch.arange(at, min(at + _BATCH, len(x)))
        own = {name: value[rows].to(device) for name, value in (others or {}).items()}
        noise = None if model.tight == "exact" else Noise(seed, rows.to(device), path=("classify",))
        for number in range(classes):
            asked = torch.full((len(rows), 1), number, dtype=torch.int64, device=device)
            nats = model.log_prob(x[rows].to(device), {**own, label: asked}, noise=noise)
            found[at : at + len(rows), number] = nats.double().cpu().numpy()
        advance(at + len(rows))
    return found


@torch.no_grad()
def joints(
    model: Density, x: Tensor, field: int, among: NDArray[np.bool_], *, seed: int = 0, advance: Callable[[int], object] = lambda _: None
) -> Floats:
    """(N,K) log p(row with the field at id k) in nats, of rows x (N,F) whose own value there is not looked at; minus infinity where the
    id is not `among` (N,K) bool those asked for.

    With equal priors their `posterior` is p(id | the other fields), and their log-sum-exp the row's likelihood without the field. Rows that
    differ there alone share their noise, where the likelihood needs any.
    """
    found = np.full(among.shape, -np.inf)
    device = getattr(model, "device", torch.device("cpu"))
    rows, ids = np.nonzero(among)
    for at in range(0, len(rows), _ROWS):
        own, asked = rows[at : at + _ROWS], ids[at : at + _ROWS]
        index = torch.from_numpy(own)
        changed = x[index].to(device)
        changed[:, field] = torch.from_numpy(asked).to(changed)
        noise = None if model.tight == "exact" else Noise(seed, index.to(device), path=("classify",))
        found[own, asked] = model.log_prob(changed, noise=noise).double().cpu().numpy()
        advance(int(own[-1]) + 1)
    return found


def posterior(log_likelihoods: Floats, prior: Floats, sharpness: float = 1.0) -> Floats:
    """(N,K) log p(class | x) in float64: log p(x | class) + log p(class), normalised; `sharpness`, one over a temperature, multiplies the
    sum first. A class of prior zero is never taken."""
    with np.errstate(divide="ignore"):
        joint = (log_likelihoods + np.log(prior / prior.sum())) * sharpness
    best = joint.max(1, keepdims=True)
    return np.asarray(joint - best - np.log(np.exp(joint - best).sum(1, keepdims=True)))


def log_loss(log_probs: Floats, real: NDArray[np.int64]) -> float:
    """Mean of -log p(real class | x), in nats; each at most 100, so that one certain error doesn't hide all else."""
    return float(np.minimum(-log_probs[np.arange(len(real)), real], 100.0).mean())


def calibration_error(log_probs: Floats, real: NDArray[np.int64]) -> float:
    """Expected calibration error (Guo et al. 2017, arXiv:1706.04599, eq. 3): the mean gap between confidence and accuracy over 15
    equal bins of confidence, each weighed by its share of the examples."""
    confidence = np.exp(log_probs.max(1))
    right = log_probs.argmax(1) == real
    bins = np.minimum(np.ceil(confidence * BINS).astype(np.int64) - 1, BINS - 1)
    gaps = np.bincount(bins, right, BINS) - np.bincount(bins, confidence, BINS)
    return float(np.abs(gaps).sum() / len(real))


def fitted_sharpness(log_likelihoods: Floats, prior: Floats, real: NDArray[np.int64]) -> float:
    """The sharpness, one over the temperature (Guo et al. 2017, section 4.2), of least log-loss, between 1e-4 and 10.

    Its logarithm has a unit normal prior: where every validation item is right, the likeliest would be without end.
    The derivative by the logarithm is bisected; that of the log-loss is the mean joint of the posterior less that of the real class.
    """
    with np.errstate(divide="ignore"):
        joint = log_likelihoods + np.log(prior / prior.sum())
    kept = np.isfinite(joint[np.arange(len(real)), real])
    joint, real = joint[kept], real[kept]
    shifted = np.where(np.isfinite(joint), joint - joint.max(1, keepdims=True), -1e300)

    def slope(sharpness: float) -> float:
        weights = np.exp(np.maximum(shifted * sharpness, -745.0))
        weights /= weights.sum(1, keepdims=True)
        expected = (weights * np.maximum(shifted, -1e12)).sum(1)
        of_loss = float((expected - shifted[np.arange(len(real)), real]).mean())
        return sharpness * of_loss + float(np.log(sharpness)) / max(1, len(real))

    low, high = _SHARPNESS
    for _ in range(60):
        middle = float(np.sqrt(low * high))
        low, high = (middle, high) if slope(middle) < 0 else (low, middle)
    return float(np.sqrt(low * high))


def worst_pairs(log_probs: Floats, real: NDArray[np.int64], names: Sequence[str], most: int = 5) -> list[dict[str, object]]:
    """The commonest confusions: {"real", "taken_for", "count", "share"}, the share being of the real class's examples."""
    classes = log_probs.shape[1]
    counts = np.bincount(real * classes + log_probs.argmax(1), minlength=classes**2).reshape(classes, classes)
    totals = counts.sum(1)
    np.fill_diagonal(counts, 0)
    best = np.argsort(-counts, axis=None, kind="stable")[:most]
    pairs = [(int(place // classes), int(place % classes)) for place in best]
    return [
        {"real": names[a], "taken_for": names[b], "count": int(counts[a, b]), "share": float(counts[a, b] / totals[a])}
        for a, b in pairs
        if counts[a, b]
    ]
