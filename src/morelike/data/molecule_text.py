"""SMILES as text: its symbols, RDKit's canonical and Kekulé forms, SELFIES. Only reading and splitting works without RDKit.

SMILES: Weininger 1988, J. Chem. Inf. Comput. Sci. 28, 31. SELFIES: Krenn et al. 2020, arXiv:1905.13741.
"""

from __future__ import annotations

import re
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Literal

from ..core.errors import BadInput
from ..maths.molecule_rules import ELEMENTS

Form = Literal["kekule", "smiles", "selfies"]

SYMBOL = re.compile(r"\[[^\[\]]+\]|Cl|Br|%[0-9]{2}|[BCNOPSFIbcnops]|[0-9]|[-=#/\\:.()]")
_SELFIES = re.compile(r"\[[^\[\]]+\]|\.")
_ELEMENT = re.compile(r"\[[0-9]*([A-Z][a-z]?|[a-z][a-z]?)")
LONGEST = 200
"""Symbols of the longest SMILES that is read."""
_KEPT = 1 << 18
"""Texts of molecules whose forms are kept in memory, so that opening, fitting and encoding read each once."""


def chemistry(what: str, module: str = "rdkit.Chem") -> Any:
    """A module of the extra `molecules`. Raises BadInput naming the extra where it isn't installed."""
    try:
        return import_module(module)
    except ImportError as error:
        raise BadInput(f"{what} needs the package {module.partition('.')[0]}: pip install 'morelike[molecules]'.") from error


def known() -> bool:
    """Whether RDKit is installed."""
    return find_spec("rdkit") is not None


def split_smiles(smiles: str) -> list[str]:
    """The symbols of a SMILES, an atom each: Cl, [nH] and %12 are one. Raises BadInput where a letter is none of SMILES."""
    found = SYMBOL.findall(smiles)
    if not smiles or sum(map(len, found)) != len(smiles):
        place = next((at for at, letter in enumerate(smiles) if not SYMBOL.match(smiles, at) and letter not in "lr]"), 0)
        raise BadInput(f"no SMILES: {smiles[:40]!r} can't be read from letter {place + 1} on" if smiles else "no SMILES: it is empty")
    return found


def split_selfies(selfies: str) -> list[str]:
    """The symbols of a SELFIES string."""
    return _SELFIES.findall(selfies)


def parsed(smiles: str) -> Any:
    """RDKit's molecule; None where it is none."""
    chem = chemistry("reading molecules")
    with import_module("rdkit.rdBase").BlockLogs():
        return chem.MolFromSmiles(smiles) if smiles else None


_forms: dict[str, tuple[str, str]] = {}


def _written(smiles: str) -> tuple[str, str] | None:
    """(canonical SMILES, its Kekulé form), kept under both; None where it is no molecule."""
    if (found := _forms.get(smiles)) is not None:
        return found
    mol = parsed(smiles)
    if mol is None:
        return None
    chem = chemistry("writing molecules")
    plain: str = chem.MolToSmiles(mol)
    chem.Kekulize(mol, clearAromaticFlags=True)
    found = (plain, chem.MolToSmiles(mol))
    if len(_forms) > _KEPT:
        _forms.clear()
    _forms.update(dict.fromkeys((smiles, *found), found))
    return found


def canonical(smiles: str) -> str | None:
    """RDKit's canonical SMILES; None where it is no molecule."""
    found = _written(smiles)
    return None if found is None else found[0]


def kekule(smiles: str) -> str:
    """The same molecule without aromatic letters: rings of single and double bonds, in canonical order. Raises BadInput for none."""
    found = _written(smiles)
    if found is None:
        raise BadInput(f"{smiles[:60]!r} is no molecule: {fault(smiles)}")
    return found[1]


def to_selfies(smiles: str) -> str:
    """SELFIES of a SMILES. Raises BadInput where it can't be written so."""
    selfies = chemistry("codec.form=selfies", "selfies")
    try:
        return str(selfies.encoder(smiles))
    except selfies.EncoderError as error:
        raise BadInput(f"{smiles[:60]!r} can't be written as SELFIES: {str(error).strip().splitlines()[0]}") from error


def from_selfies(text: str) -> str:
    """SMILES of SELFIES symbols, whatever they are."""
    selfies = chemistry("codec.form=selfies", "selfies")
    try:
        return str(selfies.decoder(text))
    except selfies.DecoderError:
        return ""


def fault(smiles: str) -> str | None:
    """Why a SMILES is no molecule, in words; None where it is one. Without RDKit only its letters are looked at."""
    try:
        split_smiles(smiles)
    except BadInput as error:
        return str(error)
    if not known() or parsed(smiles) is not None:
        return None
    chem = import_module("rdkit.Chem")
    with import_module("rdkit.rdBase").BlockLogs():
        loose = chem.MolFromSmiles(smiles, sanitize=False)
        problems = [] if loose is None else [one.GetType() for one in chem.DetectChemistryProblems(loose)]
    if any("Valence" in one for one in problems):
        return "an atom has more bonds than it can have"
    if problems:
        return "an aromatic ring can't be written with single and double bonds"
    return "a ring or a branch isn't closed, or two bonds join the same atoms"


def largest_part(smiles: str) -> str:
    """Of the parts of a salt or mixture, the one with most heavy atoms; the first where several have as many."""
    return max(smiles.split("."), key=lambda part: len([one for one in SYMBOL.findall(part) if one[0].isalpha() or one[0] == "["]))


def strange_element(symbols: list[str]) -> str | None:
    """The first element whose bonds the rules don't know."""
    for symbol in symbols:
        if symbol[0] == "[":
            found = _ELEMENT.match(symbol)
            name = found[1].capitalize() if found else symbol
            if name not in ELEMENTS:
                return name
    return None
