"""Molecules: rules against RDKit and enumeration, files with what is wrong in them, judges against hand-computed values, tasks."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import morelike
from morelike.core.errors import BadInput, Refused
from morelike.core.spec import Tokens
from morelike.data import molecule_text
from morelike.data.molecule import MoleculeCodec
from morelike.data.molecule_known import known_part
from morelike.data.molecule_text import canonical, fault, kekule, split_smiles
from morelike.data.open import open_source
from morelike.maths.constraint import DEAD, Constraint, constrained_log_prob
from morelike.maths.molecule_rules import MoleculeRules
from morelike.maths.molecule_scaffold import GAP, ScaffoldRules
from morelike.testing import check_codec
from test_decoding import Markov, every

chem = pytest.importorskip("rdkit.Chem", reason="needs rdkit (the extra molecules)")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

DRUGS = [
    "CC(=O)Oc1ccccc1C(=O)O", "CN1C=NC2=C1C(=O)N(C(=O)N2C)C", "CC(C)Cc1ccc(cc1)C(C)C(=O)O", "CC(=O)Nc1ccc(O)cc1", "Clc1ccccc1Br",
    "CN(C)CCCN1c2ccccc2Sc2ccccc21", "O=C(O)CC[NH3+]", "C[N+](C)(C)CC(=O)[O-]", "O=[N+]([O-])c1ccc(I)cc1", "CS(=O)(=O)c1ccc2[nH]ccc2c1",
    "C1CC2CCC1CC2", "C#CCN1CCOCC1", "CC12CCC3C(CCC4=CC(=O)CCC34C)C1CCC2O", "c1ccc2c(c1)oc1ccccc12", "OP(=O)(O)OCC", "C1CC1",
    "FC(F)(F)c1ccncc1",     "CCN(CC)C(=O)C1CN(C)C2Cc3c[nH]c4cccc(c34)C2=C1", "c1cc[n+](C)cc1", "C/C=C/C(=O)N[C@@H](C)C(=O)O",
]  # fmt: skip
SYMBOLS = ["(", ")", "1", "2", "3", "=", "#", "C", "N", "O", "S", "P", "F", "Cl", "I", "[NH+]", "[N+]", "[O-]", "[S+]"]


def walk(machine: Any, symbols: list[str], room: int, numbers: np.random.Generator) -> str:
    """A random string that a machine allows within so many symbols, rich in rings and branches."""
    state, found = machine.start, []
    while True:
        row = machine.step(np.array([state]))[0, : len(symbols)]
        good = np.flatnonzero(machine.fits(row, room - len(found) - 1))
        ends = machine.accepts(np.array([state]))[0]
        if ends and (not len(good) or numbers.random() < 0.1):
            return "".join(found)
        assert len(good), f"stuck after {''.join(found)} with {room - len(found)} to go"
        weights = np.array([5.0 if symbols[one] in "123(=" else 1.0 for one in good])
        picked = int(numbers.choice(good, p=weights / weights.sum()))
        found.append(symbols[picked])
        state = int(row[picked])


# --- rules ---------------------------------------------------------------------------------------------------------------


def test_every_string_that_the_rules_allow_is_a_molecule_and_always_ends() -> None:
    rules, numbers = MoleculeRules(SYMBOLS), np.random.default_rng(0)
    for room in numbers.integers(1, 40, 400).tolist():
        found = walk(rules, SYMBOLS, room, numbers)
        assert fault(found) is None, found
        assert len(split_smiles(found)) <= room


@pytest.mark.parametrize("smiles", DRUGS)
def test_molecules_as_rdkit_writes_them_are_allowed(smiles: str) -> None:
    symbols = split_smiles(kekule(smiles))
    rules = MoleculeRules(sorted({*symbols, "C"}))
    state, names = 0, sorted({*symbols, "C"})
    for symbol in symbols:
        state = int(rules.step(np.array([state]))[0, names.index(symbol)])
        assert state != DEAD, f"{symbol} in {''.join(symbols)}"
    assert rules.accepts(np.array([state]))[0]
    assert rules.fits(np.array([state]), 0)[0]


def test_a_tiny_world_by_enumeration() -> None:
    """Probabilities of all strings of at most five symbols sum to one; what has any is a molecule, and no canonical one has none."""
    symbols = ["(", ")", "1", "=", "C", "F", "[O-]"]
    spec = Tokens((5,), 8, 7)
    x = every(spec)
    found = constrained_log_prob(Markov(spec), x, None, Constraint([MoleculeRules(symbols)], spec))
    assert found.exp().sum().item() == pytest.approx(1, abs=1e-4)
    texts = ["".join(symbols[number] for number in row if number < 7) for row in x.tolist()]
    likely = {text for text, nats in zip(texts, found.tolist(), strict=True) if nats > -np.inf}
    assert all(fault(text) is None for text in likely)
    canonical_ones = {text for text in texts if "C" in text and fault(text) is None and kekule(text) == text}
    assert {"C1CC1", "FC=CF", "C[O-]", "CC(C)F"[:5], "FCF"} & canonical_ones
    # RDKit lets atoms in brackets lack bonds; the rules don't
    assert {text for text in canonical_ones - likely if text != "[O-]" and "=[O-]" not in text} == set()


@pytest.mark.parametrize(
    ("text", "wrong"),
    [("C1CC", "ring"), ("CC(C", "branch"), ("C(C)(C)(C)(C)C", "bonds"), ("c1cccc1", "aromatic"), ("C1C1", "same atoms"),
     ("CXC", "letter 2"), ("", "empty")],
)  # fmt: skip
def test_faults_are_said_in_words(text: str, wrong: str) -> None:
    assert wrong in (fault(text) or "")


def test_the_rules_know_their_atoms() -> None:
    with pytest.raises(BadInput, match=r"don't know the atom \[Na\+\]"):
        MoleculeRules(["C", "[Na+]"])
    with pytest.raises(BadInput, match="need carbon"):
        MoleculeRules(["N"])


# --- codec ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["kekule", "smiles", "selfies"])
def test_the_codec_keeps_its_laws(form: Any) -> None:
    if form == "selfies":
        pytest.importorskip("selfies", reason="needs selfies (the extra molecules)")
    items = [canonical(one) or "" for one in DRUGS]
    codec = MoleculeCodec.fit(items, form=form)
    check_codec(codec, items)
    assert codec.decode(codec.encode(items)) == items


def test_symbols_are_atoms() -> None:
    assert split_smiles("Clc1c[nH]cc1%12Br") == ["Cl", "c", "1", "c", "[nH]", "c", "c", "1", "%12", "Br"]


def test_settings_and_items_that_cannot_be() -> None:
    with pytest.raises(BadInput, match="kekule, smiles, selfies"):
        MoleculeCodec.fit(["CC"], form="inchi")  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="longest molecule has 3 symbols"):
        MoleculeCodec.fit(["CCC"], window=3)
    codec = MoleculeCodec.fit(["CCC", "CO"])
    with pytest.raises(BadInput, match=r"holds N, which no molecule had"):
        codec.encode(["CN"])
    with pytest.raises(BadInput, match="has 8 symbols; this model takes at most 3"):
        codec.encode(["CCCCCCCC"])
    with pytest.raises(BadInput, match="is no molecule: a ring or a branch"):
        codec.encode(["C1CC"])


def test_files_of_its_own(tmp_path: Path) -> None:
    codec = MoleculeCodec.fit(["CCO", "c1ccccc1"])
    for ending in codec.forms:
        codec.write(["CCO", "c1ccccc1"], tmp_path / f"m{ending}", ending)
    assert (tmp_path / "m.smi").read_text() == "CCO\nc1ccccc1\n"
    header, ethanol, _ = (tmp_path / "m.csv").read_text().splitlines()
    assert header == "smiles,logp,qed,mol_weight"
    assert ethanol.startswith("CCO,-0.0014,0.4068,46.0690")
    assert "<svg" in (tmp_path / "m.svg").read_text()
    assert [chem.MolToSmiles(mol) for mol in chem.SDMolSupplier(str(tmp_path / "m.sdf"))] == ["CCO", "c1ccccc1"]
    assert (tmp_path / "m.png").read_bytes().startswith(b"\x89PNG")
    assert codec.read(tmp_path / "m.csv") == ["CCO", "c1ccccc1"]
    with pytest.raises(BadInput, match="is no molecule"):
        codec.write(["C1CC"], tmp_path / "bad.sdf", ".sdf")


# --- files ---------------------------------------------------------------------------------------------------------------


def test_a_list_of_smiles_with_names_salts_and_faults(tmp_path: Path) -> None:
    lines = ["smiles name", "CCO ethanol", "C1CC broken", "# a comment", "[Na+].CC(=O)[O-] salt", "C" * 300, "OCC again", "[Fe] iron"]
    lines.append("CXC typo")
    (tmp_path / "m.smi.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    source = open_source(tmp_path / "m.smi.gz")
    assert source.kind == "molecule"
    assert source.items == ["CCO", "CC(=O)[O-]", "CCO"]
    said = " ".join(source.notes)
    assert "line 3: C1CC" in said
    assert "line 9" in said
    assert "of 7 lines 2 are no molecule, and left out" in said
    assert "line 6: 300" in said
    assert "line 8: Fe" in said
    assert "line 5" in said.partition("largest part")[2]


def test_a_table_with_properties_and_an_official_split(tmp_path: Path) -> None:
    for name, rows in (("train", 12), ("valid", 3), ("test", 4)):
        body = "".join(f"{'C' * (number + 1)}O,{number}.5,{'ab'[number % 2]},x{number}\n" for number in range(rows))
        (tmp_path / f"{name}.csv").write_text(f"SMILES,logP,series,id\n{body}")
    source = open_source(tmp_path, condition="logP")
    assert len(source.items) == 19
    assert source.split is not None
    assert {key: len(rows) for key, rows in source.split.items()} == {"train": 12, "validation": 3, "holdout": 4}
    assert source.columns["logP"].kind == "number"
    assert source.columns["series"].categories == ("a", "b")
    assert "id" not in source.columns
    assert open_source(tmp_path).conditions == ()


def test_a_table_without_a_column_of_smiles(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("name,age\nanna,3\nbert,4\n")
    with pytest.raises(BadInput, match=r"has no column of SMILES \(its first line: name, age\)"):
        open_source(tmp_path / "t.csv", kind="molecule")
    (tmp_path / "u.csv").write_text("compound,weight\nCCO,46.07\nCCN,45.08\n")
    assert open_source(tmp_path / "u.csv", kind="molecule").items == ["CCO", "CCN"]


def test_without_rdkit_smiles_are_read_as_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ImportError(name)

    (tmp_path / "m.smi").write_text("OCC\nC1=CC=CC=C1\nC?\n")
    for module in ("molecule", "molecule_file", "molecule_draw"):
        monkeypatch.setattr(f"morelike.data.{module}.known", lambda: False)
    monkeypatch.setattr(molecule_text, "known", lambda: False)
    monkeypatch.setattr(molecule_text, "import_module", missing)
    source = open_source(tmp_path / "m.smi")
    assert source.items == ["OCC", "C1=CC=CC=C1"]
    codec = MoleculeCodec.fit(source.items)
    assert codec.form == "smiles"
    assert codec.machine() is None
    assert codec.decode(codec.encode(source.items)) == source.items
    assert "pip install 'morelike[molecules]'" in codec.describe()[-1]
    with pytest.raises(BadInput, match=r"needs the package rdkit: pip install"):
        MoleculeCodec.fit(source.items, form="kekule")
    with pytest.raises(BadInput, match=r"needs the package rdkit"):
        codec.draw(source.items, tmp_path / "m.png")


# --- judges --------------------------------------------------------------------------------------------------------------


def test_scores_by_hand() -> None:
    from morelike.judges.molecule import Molecules

    domain = Molecules({}, ["CCO", "c1ccccc1", "CCN", "c1ccccc1C"])
    items = ["CCO", "CCC", "CCC", "C1CC", "c1ccccc1CC", "C1CC1"]
    scores = {score.name: score.function for score in domain.scores()}
    assert scores["valid"](items).tolist() == [1, 1, 1, 0, 1, 1]
    assert scores["unique"](items) == pytest.approx(4 / 6)
    np.testing.assert_equal(scores["novel"](items), [0, 1, 1, np.nan, 1, 1])
    # only two have rings: benzene's is known, cyclopropane's is not
    np.testing.assert_equal(scores["new-scaffolds"](items), [np.nan, np.nan, np.nan, np.nan, 0, 1])
    near = scores["nearest.tanimoto"](items)
    assert near[0] == 1.0
    assert 0 < near[4] < 1
    assert scores["diversity.tanimoto"](["CCC", "CCC"]) == pytest.approx(0)
    rings = scores["spread.rings"](items)
    assert rings.sum(0).tolist() == [3, 2, *[0] * 8, 1]
    features = domain.extractor()(np.array(items, dtype=object))
    assert np.linalg.norm(features[3]) > 5 * np.linalg.norm(np.delete(features, 3, 0), axis=1).max()


# --- what is known stays -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "beginning", "core"),
    [("c1ccc(___)cc1", False, "c1ccccc1"), ("CC(=O)N", True, "CC(=O)N"), ("O=C(*)N1CCN(___)CC1", False, "O=CN1CCNCC1")],
)
def test_whatever_completes_a_molecule_keeps_its_known_part(text: str, beginning: bool, core: str) -> None:
    part = known_part(text, beginning)
    rules = ScaffoldRules(MoleculeRules(SYMBOLS), [GAP if one == GAP else SYMBOLS.index(str(one)) for one in part])
    numbers, pattern = np.random.default_rng(1), chem.MolFromSmarts(core.replace("=", "~"))
    for _ in range(60):
        found = walk(rules, SYMBOLS, int(numbers.integers(len(part), len(part) + 25)), numbers)
        mol = chem.MolFromSmiles(found)
        assert mol is not None, found
        assert mol.HasSubstructMatch(pattern), found


@pytest.mark.parametrize(
    ("text", "wrong"),
    [("CC", "no gap"), ("C*C", "join two known parts"), ("*", "nothing is known"), ("C.C*", "in pieces"),
     ("[Na+].[Cl-]*", "in pieces"), ("F(*)C", "more bonds"),
     ("C1C*", "ring")],
)
def test_known_parts_that_cannot_be(text: str, wrong: str) -> None:
    with pytest.raises(BadInput, match=wrong):
        known_part(text, False)


# --- from a file to new molecules ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> morelike.Model:
    folder = tmp_path_factory.mktemp("molecules")
    numbers = np.random.default_rng(0)
    (folder / "own.smi").write_text("".join(f"{walk(MoleculeRules(SYMBOLS), SYMBOLS, 20, numbers)}\n" for _ in range(60)))
    small = {"nets.causal.width": 32, "batch": 16}
    found = morelike.train(folder / "own.smi", model="lstm", steps=4, judge=False, out=folder / "m", **small)
    assert isinstance(found, morelike.Model)
    return found


def test_draws_are_molecules_and_free_ones_may_not_be(trained: morelike.Model) -> None:
    assert all(fault(item) is None for item in trained.sample(64))
    assert any(fault(item) is not None for item in trained.sample(64, rules=False))


def test_completing_by_a_model(trained: morelike.Model) -> None:
    from morelike.house.completing import complete
    from morelike.house.texts import Wish

    found = complete(trained.package, "C1CCC(___)CC1", 5, Wish(seed=1), beginning=False)["variants"]
    ring = chem.MolFromSmarts("C1CCCCC1")
    assert len(found) == 5
    assert all(chem.MolFromSmiles(one).HasSubstructMatch(ring) for one in found)
    begun = complete(trained.package, "CCO", 3, Wish(), beginning=True)["variants"]
    assert all(chem.MolFromSmiles(one).HasSubstructMatch(chem.MolFromSmarts("CCO*")) for one in begun)
    with pytest.raises(BadInput, match="are for texts"):
        complete(trained.package, "CCO", 3, Wish(constraint="regex:C"), beginning=True)


def test_a_form_without_rules_says_so(tmp_path: Path) -> None:
    from morelike.house.completing import complete
    from morelike.house.texts import Wish

    (tmp_path / "own.smi").write_text("".join(f"{'C' * length}O\n" for length in range(1, 15)))
    plain = morelike.train(tmp_path / "own.smi", model="markov", steps=1, judge=False, out=tmp_path / "m", **{"codec.form": "smiles"})
    assert isinstance(plain, morelike.Model)
    with pytest.raises(Refused, match="has no rules for it in the form"):
        complete(plain.package, "CC___", 2, Wish(), beginning=False)


def test_a_property_with_a_word_among_its_numbers_is_said(tmp_path: Path) -> None:
    rows = [f"{'C' * (1 + number % 12)}O,{number / 10}" for number in range(30)] + ["CCN,unknown", "CCCN,inf"]
    (tmp_path / "mine.csv").write_text("\n".join(["smiles,solubility", *rows]) + "\n")
    source = open_source(str(tmp_path / "mine.csv"))
    assert "solubility" not in source.columns
    assert any("'solubility' has 2 cells that are no number, such as 'unknown'" in note for note in source.notes)
