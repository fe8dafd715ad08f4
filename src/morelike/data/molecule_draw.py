"""Molecules as pictures and files, by RDKit: structures side by side, SDF, SMILES, a table with properties."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..core.errors import BadInput
from .drawing import write_png
from .molecule_text import chemistry, known, parsed

_CELL = (240, 180)
"""Pixels of one structure, across and down."""
_MOST = 400
PROPERTIES = ("logp", "qed", "mol_weight")
"""Crippen's logP, drug-likeness (Bickerton et al. 2012) and the weight in g/mol, as RDKit computes them."""


def properties(mol: Any) -> tuple[float, float, float]:
    """`PROPERTIES` of RDKit's molecule."""
    crippen, qed = chemistry("properties", "rdkit.Chem.Crippen"), chemistry("properties", "rdkit.Chem.QED")
    return crippen.MolLogP(mol), qed.qed(mol), chemistry("properties", "rdkit.Chem.Descriptors").MolWt(mol)


def draw_molecules(items: Sequence[str], path: Path, columns: int | None = None) -> None:
    """Writes one PNG of structures side by side, at most 400; what is no molecule is an empty cell that says so."""
    import numpy as np
    from PIL import Image, ImageDraw

    draw2d = chemistry("pictures of molecules", "rdkit.Chem.Draw.rdMolDraw2D")
    shown = list(items)[:_MOST]
    if not shown:
        raise BadInput("there is nothing to draw: there are no molecules.")
    across = min(columns or math.ceil(math.sqrt(len(shown))), len(shown))
    wide, high = _CELL
    page = Image.new("RGB", (across * wide, -(-len(shown) // across) * high), "white")
    for number, item in enumerate(shown):
        corner = (number % across * wide, number // across * high)
        mol = parsed(item)
        if mol is None or not mol.GetNumAtoms():
            ImageDraw.Draw(page).text((corner[0] + 12, corner[1] + high // 2), f"no molecule: {item[:24]}", fill=(150, 60, 60))
            continue
        drawing = draw2d.MolDraw2DCairo(wide, high)
        _style(drawing.drawOptions())
        draw2d.PrepareAndDrawMolecule(drawing, mol)
        drawing.FinishDrawing()
        with Image.open(_stream(drawing.GetDrawingText())) as cell:
            page.paste(cell.convert("RGB"), corner)
    write_png(np.asarray(page), path)


def _stream(data: bytes) -> Any:
    import io

    return io.BytesIO(data)


def _style(options: Any) -> None:
    """One bond length for all, so that neighbours are to one scale; small structures aren't blown up."""
    options.fixedBondLength = 22
    options.padding = 0.08
    options.bondLineWidth = 1.4
    options.minFontSize = 9


def write_molecules(items: Sequence[str], path: Path, ending: str) -> None:
    """Writes molecules: .smi one a line, .csv with properties where RDKit is installed, .png, .svg, or .sdf with flat coordinates."""
    if ending == ".smi":
        path.write_text("".join(f"{item}\n" for item in items), encoding="utf-8")
    elif ending == ".csv":
        path.write_text(_table(items), encoding="utf-8")
    elif ending == ".svg":
        path.write_text(_drawing(items), encoding="utf-8")
    elif ending == ".sdf":
        _sdf(items, path)
    else:
        draw_molecules(items, path)


def _table(items: Sequence[str]) -> str:
    lines = [",".join(("smiles", *(PROPERTIES if known() else ())))]
    for item in items:
        mol = parsed(item) if known() else None
        cells = ["", "", ""] if mol is None else [f"{value:.4f}" for value in properties(mol)]
        lines.append(",".join((item, *(cells if known() else ()))))
    return "\n".join(lines) + "\n"


def _drawing(items: Sequence[str]) -> str:
    draw2d = chemistry("pictures of molecules", "rdkit.Chem.Draw.rdMolDraw2D")
    mols = [mol for item in list(items)[:_MOST] if (mol := parsed(item)) is not None and mol.GetNumAtoms()]
    if not mols:
        raise BadInput("there is nothing to draw: there are no molecules.")
    across = math.ceil(math.sqrt(len(mols)))
    wide, high = _CELL
    drawing = draw2d.MolDraw2DSVG(across * wide, -(-len(mols) // across) * high, wide, high)
    _style(drawing.drawOptions())
    drawing.DrawMolecules(mols)
    drawing.FinishDrawing()
    return str(drawing.GetDrawingText())


def _sdf(items: Sequence[str], path: Path) -> None:
    chem, coordinates = chemistry("writing .sdf"), chemistry("writing .sdf", "rdkit.Chem.rdDepictor")
    writer = chem.SDWriter(str(path))
    try:
        for item in items:
            mol = parsed(item)
            if mol is None:
                raise BadInput(f"{item[:60]!r} is no molecule, and .sdf holds nothing else; write .smi, or draw with the rules")
            coordinates.Compute2DCoords(mol)
            mol.SetProp("_Name", item)
            writer.write(mol)
    finally:
        writer.close()
