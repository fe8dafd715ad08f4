"""Numbers of single molecules, written as SMILES, by RDKit (extra `molecules`); NaN where RDKit can't read one. N molecules."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import BadInput

Numbers = NDArray[np.float64]


def qed(smiles: Sequence[str]) -> Numbers:
    """(N,) in 0..1, higher for what looks like a drug (Bickerton et al. 2012, doi:10.1038/nchem.1243)."""
    return _each(smiles, _part("QED").qed)


def log_p(smiles: Sequence[str]) -> Numbers:
    """(N,) log10 of the octanol-water partition coefficient, estimated (Wildman, Crippen 1999, doi:10.1021/ci990307l)."""
    return _each(smiles, _part("Crippen").MolLogP)


def weight(smiles: Sequence[str]) -> Numbers:
    """(N,) average molecular weight in daltons."""
    return _each(smiles, _part("Descriptors").MolWt)


def synthetic_accessibility(smiles: Sequence[str]) -> Numbers:
    """(N,) from 1 (easy to make) to 10 (Ertl, Schuffenhauer 2009, doi:10.1186/1758-2946-1-8), by the script that RDKit brings along,
    which opens a table of fragments that is a pickle inside RDKit itself."""
    return _each(smiles, _accessibility().calculateScore)


def _each(smiles: Sequence[str], function: Callable[[Any], float]) -> Numbers:
    chem, log = _part(""), _library("rdkit").RDLogger
    log.DisableLog("rdApp.*")
    try:
        found = [_one(chem.MolFromSmiles(one), function) for one in smiles]
    finally:
        log.EnableLog("rdApp.error")
    return np.array(found, np.float64)


def _one(molecule: Any, function: Callable[[Any], float]) -> float:
    if molecule is None or not molecule.GetNumAtoms():
        return float("nan")
    return float(function(molecule))


def _part(name: str) -> Any:
    """A module of `rdkit.Chem`, or that itself."""
    return _library(f"rdkit.Chem.{name}" if name else "rdkit.Chem")


def _library(name: str) -> Any:
    """Raises BadInput with how to install it where it is missing."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise BadInput("to measure molecules, RDKit is needed: pip install morelike[molecules]") from error


@cache
def _accessibility() -> Any:
    path = Path(_library("rdkit.RDConfig").RDContribDir) / "SA_Score" / "sascorer.py"
    if not path.is_file():
        raise BadInput("this build of RDKit comes without the score of synthetic accessibility (Contrib/SA_Score): leave sa out")
    spec = importlib.util.spec_from_file_location("sascorer", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
