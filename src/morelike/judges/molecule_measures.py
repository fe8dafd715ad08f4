"""Numbers of single molecules, written as SMILES, by RDKit (extra `molecules`); NaN where RDKit can't read one. N molecules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import BadInput
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


def synthetic_accessibility(smiles: Sequence[str]) -> Numbers:
    """(N,) from 1 (easy to make) to 10 (Ertl, Schuffenhauer 2009, doi:10.1186/1758-2946-1-8), by the script that RDKit brings along,
    which opens a table of fragments that is a pickle inside RDKit itself."""
    return _each(smiles, _accessibility().calculateScore)


def _each(smiles: Sequence[str], function: Callable[[Any], float]) -> Numbers:
    molecules = [parsed(one) for one in smiles]
    return np.array([function(one) if one is not None and one.GetNumAtoms() else np.nan for one in molecules], np.float64)


@cache
def _accessibility() -> Any:
    path = Path(chemistry("sa", "rdkit.RDConfig").RDContribDir) / "SA_Score" / "sascorer.py"
    spec = spec_from_file_location("sascorer", path) if path.is_file() else None
    if spec is None or spec.loader is None:
        raise BadInput("this build of RDKit comes without the score of synthetic accessibility (Contrib/SA_Score): leave sa out")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
