"""Judges of molecules: are they molecules, new, varied, and like the real ones in structure and properties.

N items, D features, K bins. Raw items are SMILES. Scores are those of MOSES (Polykovskiy et al. 2018, arXiv:1811.12823) and GuacaMol
(Brown et al. 2018, arXiv:1811.09621), against this data's own training and hold-out parts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache, cached_property, partial
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.contract import Raw
from ..core.errors import Refused
from ..data.molecule_draw import properties
from ..data.molecule_text import chemistry, parsed
from ..maths.distance import frechet_distance, moments
from .domain import Domain, Score
from .extractor import Extractor, leading
from .scores import OUTLYING, Rule

Numbers = NDArray[np.float64]
_BITS, _RADIUS, _DIRECTIONS = 1024, 2, 64
_FITTED = 4_000
"""Training molecules whose properties, surroundings and ChemNet features are computed."""
_NEAR, _SCAFFOLDS = 10_000, 20_000
"""Training molecules among which the nearest is looked for, and whose scaffolds are known."""
_CHEMNET_LEAST = 500
_PAIRS = 1_000
_BINS = {
    "logp": np.linspace(-4, 8, 49), "qed": np.linspace(0, 1, 41), "weight": np.linspace(0, 700, 71),
    "heavy-atoms": np.arange(0.5, 60), "rings": np.arange(-0.5, 10),
}  # fmt: skip
"""Edges of the bins in which properties are compared; what lies beyond counts in the last one."""


class Molecules(Domain):
    """What is known of molecules. Each is read once; a text that is none has no properties, and no features."""

    def __init__(self, facts: Mapping[str, Any], reference: Sequence[Raw]) -> None:
        super().__init__(facts, reference[:_FITTED])
        chemistry("judging molecules")
        self.training = reference
        self._mols: dict[str, Any] = {}
        self._numbers: dict[str, tuple[float, ...]] = {}
        self._prints: dict[str, Any] = {}
        self._chemnet_of: dict[str, Numbers] = {}

    def extractor(self) -> Extractor:
        """`raw-morgan64`: counts of atoms' surroundings up to two bonds (Rogers, Hahn 2010, J. Chem. Inf. Model. 50, 742) hashed to
        1,024, as logarithms, on their 64 leading directions among training molecules; what is no molecule lies far from all."""
        sample = list(self.reference)[:_FITTED]
        fitted = self._surroundings(sample)[0]
        mean = fitted.mean(0)
        directions = leading(fitted - mean, min(_DIRECTIONS, fitted.shape[1]))
        far = 10 * float(np.linalg.norm((fitted - mean) @ directions, axis=1).max())

        def features(items: Any) -> NDArray[np.float32]:
            rows, whole = self._surroundings(items)
            found = np.asarray((rows - mean) @ directions, np.float32)
            found[~whole] = far / found.shape[1] ** 0.5
            return found

        return Extractor(f"{OUTLYING}{directions.shape[1]}", features)

    def scores(self) -> list[Score]:
        found = [
            Score("valid", Rule("higher", 20), "mean", self._valid),
            Score("unique", Rule("higher", 50), "set", self._unique, 1.0),
            Score("novel", Rule("higher", 50, bar=False), "mean", self._novel),
            Score("new-scaffolds", Rule("higher", 50, bar=False), "mean", self._new_scaffolds),
            Score("diversity.tanimoto", Rule("higher", 50, bar=False), "set", self._diversity, 1.0),
            Score("nearest.tanimoto", Rule("lower", 50, bar=False), "mean", self._nearest),
        ]
        found += [Score(f"spread.{name}", Rule("lower", 100), "histogram", partial(self._histogram, name)) for name in _BINS]
        if find_spec("fcd") is not None:
            found.append(Score("frechet.chemnet", Rule("lower", _CHEMNET_LEAST), "set", self._chemnet))
        return found

    def _mol(self, item: Raw) -> Any:
        if item not in self._mols:
            self._mols[item] = parsed(item)
        return self._mols[item]

    def _each(self, items: Sequence[Raw], of: Callable[[str], float]) -> Numbers:
        """(N,) numbers of molecules, NaN for what is none."""
        return np.array([float("nan") if self._mol(item) is None else of(item) for item in items], np.float64)

    def _whole(self, items: Sequence[Raw]) -> list[str]:
        """The molecules among the items."""
        return [item for item in items if self._mol(item) is not None]

    def _valid(self, items: Sequence[Raw]) -> Numbers:
        return np.array([self._mol(item) is not None for item in items], np.float64)

    def _unique(self, items: Sequence[Raw]) -> float:
        """How many different molecules there are, as a share of the items."""
        return len(set(self._whole(items))) / len(items)

    @cached_property
    def _trained(self) -> frozenset[str]:
        return frozenset(self.training)

    @cached_property
    def _scaffolds(self) -> frozenset[str]:
        return frozenset(scaffold(parsed(item)) for item in self.training[:_SCAFFOLDS])

    def _novel(self, items: Sequence[Raw]) -> Numbers:
        return self._each(items, lambda item: float(item not in self._trained))

    def _new_scaffolds(self, items: Sequence[Raw]) -> Numbers:
        """Whether the rings and what joins them (Bemis, Murcko 1996, J. Med. Chem. 39, 2887) are those of none of 20,000 training
        molecules; nothing of a molecule without rings."""

        def new(item: str) -> float:
            found = scaffold(self._mol(item))
            return float(found not in self._scaffolds) if found else float("nan")

        return self._each(items, new)

    def _histogram(self, name: str, items: Sequence[Raw]) -> Numbers:
        """A bin more than `_BINS` has counts what is no molecule."""
        edges, place = _BINS[name], list(_BINS).index(name)
        counts = np.zeros((len(items), len(edges)))
        for row, item in enumerate(items):
            if self._mol(item) is None:
                counts[row, -1] = 1
                continue
            if item not in self._numbers:
                self._numbers[item] = numbers(self._mol(item))
            at = int(np.searchsorted(edges, self._numbers[item][place], side="right")) - 1
            counts[row, min(max(at, 0), len(edges) - 2)] = 1
        return counts

    def _print(self, item: str) -> Any:
        if item not in self._prints:
            self._prints[item] = _morgan().GetFingerprint(self._mol(item))
        return self._prints[item]

    def _diversity(self, items: Sequence[Raw]) -> float:
        """1 - the mean Tanimoto similarity of two molecules of the set, over at most 1,000 of them."""
        kept = [self._print(item) for item in self._whole(items)[:_PAIRS]]
        if len(kept) < 2:
            return float("nan")
        alike = chemistry("similarity", "rdkit.DataStructs").BulkTanimotoSimilarity
        total = sum(sum(alike(kept[row], kept[:row])) for row in range(1, len(kept)))
        return float(1 - total / (len(kept) * (len(kept) - 1) / 2))

    @cached_property
    def _training_prints(self) -> list[Any]:
        return [self._print(item) for item in self._whole(self.training[:_NEAR])]

    def _nearest(self, items: Sequence[Raw]) -> Numbers:
        """Tanimoto similarity to the nearest of 10,000 training molecules: 1 is one of them, or nearly."""
        alike = chemistry("similarity", "rdkit.DataStructs").BulkTanimotoSimilarity
        return self._each(items, lambda item: max(alike(self._print(item), self._training_prints)))

    @cached_property
    def _chemnet_moments(self) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
        return moments(activations(self._whole(self.reference)))

    def _chemnet(self, items: Sequence[Raw]) -> float:
        """Fréchet ChemNet distance (Preuer et al. 2018, arXiv:1803.09518) of the molecules among the items to 4,000 training ones."""
        found = self._whole(items)
        if len(found) < _CHEMNET_LEAST // 2:
            raise Refused(f"of {len(items)} items only {len(found)} are molecules")
        fresh = [item for item in dict.fromkeys(found) if item not in self._chemnet_of]
        self._chemnet_of.update(zip(fresh, activations(fresh), strict=True))
        mean, spread = moments(np.array([self._chemnet_of[item] for item in found]))
        return frechet_distance(mean, spread, *self._chemnet_moments)

    def _surroundings(self, items: Any) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """((N,1024) logarithms of 1 + counts, (N,) whether it is a molecule)."""
        generator = _morgan()
        rows, whole = np.zeros((len(items), _BITS), np.float32), np.zeros(len(items), np.bool_)
        for place, item in enumerate(items):
            if (mol := parsed(item)) is not None:
                rows[place], whole[place] = generator.GetCountFingerprintAsNumPy(mol), True
        return np.log1p(rows), whole


def numbers(mol: Any) -> tuple[float, ...]:
    """What is compared by histograms, in the order of `_BINS`."""
    return (*properties(mol), mol.GetNumHeavyAtoms(), chemistry("rings", "rdkit.Chem.rdMolDescriptors").CalcNumRings(mol))


def scaffold(mol: Any) -> str:
    """SMILES of a molecule's rings and what joins them; "" where it has none."""
    murcko = chemistry("scaffolds", "rdkit.Chem.Scaffolds.MurckoScaffold")
    found: str = "" if mol is None else chemistry("scaffolds").MolToSmiles(murcko.GetScaffoldForMol(mol))
    return found


@cache
def _morgan() -> Any:
    return chemistry("comparing molecules", "rdkit.Chem.rdFingerprintGenerator").GetMorganGenerator(radius=_RADIUS, fpSize=_BITS)


@cache
def _chemnet_model() -> Any:
    return chemistry("the Fréchet ChemNet distance", "fcd").load_ref_model()


def activations(items: Sequence[str]) -> Numbers:
    """(N,512) features of molecules by ChemNet, whose weights lie in the package `fcd`."""
    found: Numbers = chemistry("the Fréchet ChemNet distance", "fcd").get_predictions(_chemnet_model(), list(items), n_jobs=0, device="cpu")
    return np.asarray(found, np.float64)
