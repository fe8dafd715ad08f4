"""Conditional draws of a Gaussian made of a few factors and noise.  B rows, D elements, Q factors."""

from __future__ import annotations

import torch
from torch import Tensor


def factors_given(centred: Tensor, known: Tensor, loadings: Tensor, rest: float, unit: Tensor) -> Tensor:
    """(B,Q) draws of the factors z ~ N(0, I) given elements `known` (B,D) bool of x - mean = W z + noise, noise of variance `rest`.

    `centred` (B,D) is x - mean, read where it is known; `loadings` (D,Q) is W; `unit` (B,Q) is standard normal. The posterior is
    N(M^-1 W_k' (x - mean)_k / s^2, M^-1) with M = I + W_k' W_k / s^2 (Tipping, Bishop 1999, eq. 6, for the known elements k). In float64.
    """
    loadings = loadings.double()
    masks, own = known.unique(dim=0, return_inverse=True)  # type: ignore[no-untyped-call]
    out = unit.double().clone()
    eye = torch.eye(loadings.shape[1], dtype=torch.float64, device=loadings.device)
    for number, mask in enumerate(masks):
        rows = (own == number).nonzero()[:, 0]
        there = loadings[mask]
        factor = torch.linalg.cholesky(eye + there.T @ there / rest)
        mean = torch.cholesky_solve((centred[rows][:, mask].double() @ there / rest).T, factor).T
        # M = L L', so L'^-1 u has the covariance M^-1
        out[rows] = mean + torch.linalg.solve_triangular(factor.T, out[rows].T, upper=True).T
    return out
