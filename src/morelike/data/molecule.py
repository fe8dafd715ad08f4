"""Molecules <-> ids: an id an atom, bond, bracket or ring number. Raw items are SMILES, canonical where RDKit is installed.

N items, T places, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self, get_args

import numpy as np

from ..core.errors import BadInput
from ..core.spec import Tokens
from ..maths.constraint import Machine
from ..maths.molecule_rules import MoleculeRules
from ..maths.molecule_scaffold import GAP, ScaffoldRules
from .molecule_draw import draw_molecules, write_molecules
from .molecule_file import molecules_in
from .molecule_known import known_part
from .molecule_text import Form, canonical, chemistry, fault, from_selfies, kekule, known, split_selfies, split_smiles, to_selfies
from .world import World

_ALWAYS = ("(", ")", "1", "2", "=", "C")
"""Symbols that the rules need to end whatever was begun."""
_WINDOW = 512


class MoleculeCodec(World):
    """Raw item: a SMILES (`str`). Decoded: canonical SMILES, or the symbols as they came where they are no molecule.

    `form` says how molecules are written for the model. "kekule": without aromatic letters, so that rules on bonds alone make every
    draw a molecule; "smiles": as read, aromatic letters included, which needs no RDKit and has no rules; "selfies": every string of
    symbols is a molecule.
    """

    kind: ClassVar[str] = "molecule"
    loss: ClassVar[str] = "the way a SMILES was written: its canonical form comes back"
    forms: ClassVar[Mapping[str, str]] = {
        ".smi": "a SMILES a line", ".csv": "a column smiles", ".png": "structures, one picture", ".svg": "structures, one drawing",
        ".sdf": "structures with flat coordinates",
    }  # fmt: skip

    def __init__(self, form: Form, symbols: Sequence[str], window: int, said: Sequence[str] = ()) -> None:
        """`symbols` by id; the stop comes after them. `window`: T, in symbols."""
        self.form: Form = form
        self.symbols, self._said = tuple(symbols), list(said)
        self.spec: Tokens = Tokens((window,), len(self.symbols) + 1, len(self.symbols))
        self.dtype = np.min_scalar_type(self.spec.vocab - 1)
        self._ids = {symbol: number for number, symbol in enumerate(self.symbols)}
        self._machine: MoleculeRules | None = None

    @classmethod
    def fit(cls, items: Iterable[str], form: Form | None = None, window: int | None = None) -> Self:  # type: ignore[override]
        """Symbols and the longest molecule of the whole source, of which the training items are a part: a molecule can't be cut.

        `form`: kekule where RDKit is installed, else smiles. `window`: T, where molecules longer than those read are wanted. Raises
        BadInput for settings that aren't there.
        """
        form = form or ("kekule" if known() else "smiles")
        if form not in get_args(Form):
            raise BadInput(f"codec.form must be one of {', '.join(get_args(Form))}, not {form!r}.")
        if window is not None and not 2 <= window <= _WINDOW:
            raise BadInput(f"codec.window must be between 2 and {_WINDOW} symbols, not {window}.")
        whole = getattr(items, "whole", items)
        symbols: set[str] = set(_ALWAYS if form == "kekule" else ())
        longest = 1
        for item in whole:
            found = _written(item, form)
            symbols.update(found)
            longest = max(longest, len(found))
        if window is not None and window <= longest:
            raise BadInput(f"codec.window is {window}, but the longest molecule has {longest} symbols and a stop; leave it out.")
        return cls(form, sorted(symbols), window or longest + 1)

    def describe(self) -> list[str]:
        """Sentences on how molecules are written."""
        how = {
            "kekule": "SMILES without aromatic letters (codec.form=kekule); the rules of bonds, branches and rings hold for what is drawn",
            "smiles": "SMILES with aromatic letters (codec.form=smiles); no rules hold for what is drawn",
            "selfies": "SELFIES (codec.form=selfies), of which every string is a molecule",
        }[self.form]
        rdkit = [] if known() else ["RDKit isn't installed, so molecules are read but not checked: pip install 'morelike[molecules]'."]
        return [*self._said, f"Written as {how}: {len(self.symbols)} symbols and a stop, at most {self.spec.shape[0]} a molecule.", *rdkit]

    def encode(self, items: Sequence[str]) -> np.ndarray:
        """(N,T) ids, padded with the stop. Raises BadInput naming a molecule that is none, too long, or of symbols never seen."""
        out = np.full((len(items), self.spec.shape[0]), self.spec.stop, dtype=self.dtype)
        for row, item in enumerate(items):
            ids = self.ids(_written(item, self.form), item)
            if len(ids) >= self.spec.shape[0]:
                raise BadInput(f"{item[:60]!r} has {len(ids)} symbols; this model takes at most {self.spec.shape[0] - 1}.")
            out[row, : len(ids)] = ids
        return out

    def ids(self, symbols: Sequence[str], item: str) -> list[int]:
        """The ids of symbols of `item`. Raises BadInput for one that isn't known."""
        strange = next((one for one in symbols if one not in self._ids), None)
        if strange is not None:
            raise BadInput(f"{item[:60]!r} holds {strange}, which no molecule had that this model was made for.")
        return [self._ids[symbol] for symbol in symbols]

    def decode(self, x: np.ndarray) -> list[str]:
        """N SMILES from ids (N,T), each up to its first stop."""
        found = []
        for row in np.asarray(x).tolist():
            stop = row.index(self.spec.stop) if self.spec.stop in row else len(row)
            text = "".join(self.symbols[number] for number in row[:stop])
            text = from_selfies(text) if self.form == "selfies" else text
            found.append((canonical(text) or text) if known() else text)
        return found

    def state(self) -> dict[str, Any]:
        return {"form": self.form, "symbols": list(self.symbols), "window": self.spec.shape[0], "said": self._said}

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> Self:
        return cls(state["form"], state["symbols"], int(state["window"]), state["said"])

    def machine(self) -> Machine | None:
        if self.form != "kekule":
            return None
        self._machine = self._machine or MoleculeRules(self.symbols)
        return self._machine

    def completing(self, text: str, beginning: bool) -> Machine | None:
        """Raises BadInput where the text is no part of a molecule, or holds symbols that are not known."""
        if self.form != "kekule":
            return None
        part = known_part(text, beginning)
        rules = self.machine()
        assert isinstance(rules, MoleculeRules)
        return ScaffoldRules(rules, [GAP if isinstance(one, int) else self.ids([one], text)[0] for one in part])

    def broken(self, item: str) -> str | None:
        return fault(item)

    def read(self, path: Path) -> list[str]:
        """The molecules of a .smi, .csv or .tsv file. Raises BadInput with file and line for one that is none."""
        return molecules_in(path)

    def draw(self, items: Sequence[str], path: Path, columns: int | None = None) -> None:
        """Writes one PNG: structures side by side. Raises BadInput where RDKit isn't installed."""
        draw_molecules(items, path, columns)

    def write(self, items: Sequence[str], path: Path, ending: str) -> None:
        """Writes molecules as `forms` says. Raises BadInput where RDKit is needed and isn't installed."""
        write_molecules(items, path, ending)


def _written(item: str, form: Form) -> list[str]:
    """The symbols of a molecule in a form. Raises BadInput where it is none."""
    if form == "selfies":
        return split_selfies(to_selfies(item))
    if form == "kekule":
        chemistry("codec.form=kekule")
        return split_smiles(kekule(item))
    return split_smiles(item)
