"""Numbers of single molecules, written as SMILES, by RDKit (extra `molecules`); NaN where RDKit can't read one. N molecules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.molecule_text import chemistry, parsed

Numbers = NDArray[np.float64]


def qed(smiles: Sequence[str]) -> Numbers:
    """(N,) in 0..1, higher for what looks like a drug (Bickerton et al. 2012, doi:10.1038/nchem.1243)."""
    return _each(smiles, chemistry("qed", "rdkit.Chem.QED").qed)


def log_p(smiles: Sequence[str]) -> Numbers:
    """(N,) log10 of the octanol-water partition coefficient, estimated (Wildman, Crippen 1999, doi:10.1021/ci990307l)."""
    return _each(smiles, chemistry("logp", "rdkit.Chem.Crippen").MolLogP)


def weight(smiles: Sequence[str]) -> Numbers:
    """(N,) average molecular weight in daltons."""
    return _each(smiles, chemistry("mol_weight", "rdkit.Chem.Descriptors").MolWt)


def _each(smiles: Sequence[str], function: Callable[[Any], float]) -> Numbers:
    molecules = [parsed(one) for one in smiles]
    return np.array([function(one) if one is not None and one.GetNumAtoms() else np.nan for one in molecules], np.float64)
