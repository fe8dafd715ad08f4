"""What is known of a molecule, as ids with gaps: SMILES with `___` or `*` where something is to be attached, or a beginning."""

from __future__ import annotations

import re

from ..core.errors import BadInput
from ..maths.molecule_scaffold import GAP
from .molecule_text import chemistry, fault, parsed, split_smiles

_GAP = re.compile(r"_{3,}|\[\*\]|\*")
MOST_GAPS = 20


def known_part(text: str, beginning: bool) -> list[str | int]:
    """The symbols of the known part in Kekulé form, `GAP` where something is missing. `beginning`: the text is what comes first, and
    something follows its last atom. Raises BadInput where it can't be read or has no gap."""
    chem = chemistry("completing a molecule")
    smiles = _GAP.sub("*", text.strip()) + ("*" if beginning else "")
    if smiles.count("*") > MOST_GAPS:
        raise BadInput(f"there are {smiles.count('*')} gaps; at most {MOST_GAPS} are filled at once")
    if "*" not in smiles:
        raise BadInput("there is no gap in the molecule: write ___ where something is to be attached, as in c1ccc(___)cc1")
    if "." in smiles:
        raise BadInput("the known part is in pieces (a dot stands between them); give one")
    mol = parsed(smiles)
    if mol is None:
        without = fault(smiles.replace("*", "C").replace("()", ""))
        raise BadInput(f"{text[:60]!r} can't be completed: {without or 'an atom has no bond left for what is missing'}")
    gaps = [one for one in mol.GetAtoms() if not one.GetAtomicNum()]
    real = [one.GetIdx() for one in mol.GetAtoms() if one.GetAtomicNum()]
    if not real:
        raise BadInput("nothing is known but gaps: draw with `sample`")
    if any(one.GetDegree() != 1 for one in gaps):
        raise BadInput("a gap is what hangs on one atom: it can't join two known parts, or stand alone")
    chem.Kekulize(mol, clearAromaticFlags=True)
    parts = re.split(r"\[\*\]|\*", chem.MolToSmiles(mol, rootedAtAtom=real[0]))
    found: list[str | int] = []
    for number, part in enumerate(parts):
        found += [GAP] if number else []
        found += split_smiles(part) if part else []
    return found
