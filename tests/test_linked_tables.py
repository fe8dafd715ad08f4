"""Linked tables: found by their keys, learnt as parent and child, drawn with no dangling key, judged; what can't be is refused."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

import morelike
from conftest import Runner
from morelike.core.errors import BadInput, BadPackage, Refused, UnknownName
from morelike.data.open import several_tables
from morelike.data.table import Cells
from morelike.data.table_links import Linked, linked, plain_key
from morelike.house import run
from morelike.house.linked import LinkedModel
from morelike.judges.link_scores import ACROSS, COUNTS, Family, Names, link_scores, shuffled

MEANS = {"north": 1, "south": 4, "west": 8}
PRODUCTS = {"home": ("lamp", "vase"), "firm": ("desk", "safe"), "school": ("book", "desk")}
PRICES = {"home": 20, "firm": 300, "school": 80}


def write(path: Path, names: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([names, *rows])


def shop(folder: Path, parents: int = 500, extra: Sequence[Sequence[object]] = ()) -> Path:
    """Customers whose region says how many orders they have, and whose segment says what they buy; no order before they joined."""
    rng = np.random.default_rng(0)
    customers, orders = [], []
    for row in range(parents):
        region, segment = rng.choice(list(MEANS)), rng.choice(list(PRICES))
        key, joined = f"C{7919 * (row + 3) % 100003:06d}", int(rng.integers(0, 700))
        customers.append([key, region, segment, np.datetime64("2020-01-01") + joined])
        for _ in range(rng.poisson(MEANS[region])):
            day = np.datetime64("2020-01-01") + joined + int(rng.integers(0, 300))
            price = f"{PRICES[segment] * rng.uniform(0.5, 1.5):.2f}"
            orders.append([1000 + len(orders), day, key, rng.choice(PRODUCTS[segment]), price])
    write(folder / "customers.csv", ["id", "region", "segment", "joined"], customers)
    write(folder / "orders.csv", ["order_id", "date", "customer_id", "product", "amount"], [*orders, *extra])
    return folder


def found(folder: Path, asked: str | None = None) -> Linked:
    return linked(folder.name, several_tables(folder), asked)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shop, and a Bayesian network of it."""
    folder = tmp_path_factory.mktemp("linked")
    shop(folder / "shop")
    morelike.train(folder / "shop", "bayesnet", out=folder / "model", judge=False)
    return folder


@pytest.fixture(scope="module")
def model(place: Path) -> LinkedModel:
    loaded = morelike.load(place / "model")
    assert isinstance(loaded, LinkedModel)
    return loaded


@pytest.fixture(scope="module")
def drawn(model: LinkedModel) -> dict[str, Cells]:
    return model.sample(2000, seed=5)


def column(cells: Cells, name: str) -> np.ndarray:
    values: np.ndarray = cells.cells[:, cells.names.index(name)]
    return values


def owners(tables: dict[str, Cells]) -> np.ndarray:
    rows = {key: row for row, key in enumerate(column(tables["customers"], "id").tolist())}
    return np.array([rows[key] for key in column(tables["orders"], "customer_id").tolist()])


def test_the_link_is_found_by_names_and_values(tmp_path: Path) -> None:
    tables = found(shop(tmp_path / "shop", 60))
    assert str(tables.link) == "orders.customer_id=customers.id"
    keys = column(tables.parent.items, "id")[tables.owner]
    assert (keys == column(tables.child.items, "customer_id")).all()


@pytest.mark.parametrize(("parent", "key", "child_column"), [
    ("customers", "customer_id", "customer_id"), ("categories", "id", "category"), ("Customer", "ID", "CustomerID"),
    ("customers", "number", "cust_no"),
])  # fmt: skip
def test_columns_that_are_called_like_their_parents(tmp_path: Path, parent: str, key: str, child_column: str) -> None:
    write(tmp_path / f"{parent}.csv", [key, "size"], [[100 + row, row % 7] for row in range(40)])
    write(tmp_path / "sales.csv", ["id", child_column, "pieces"], [[100 + row, 100 + row % 30, row % 5] for row in range(90)])
    link = found(tmp_path).link
    assert (link.parent, link.key, link.child, link.column) == (parent, key, "sales", child_column)


def test_keys_that_a_spreadsheet_gave_decimals_are_the_same() -> None:
    assert [plain_key(text) for text in (" 7", "7.0", "7.50", "x.0", "007")] == ["7", "7", "7.50", "x.0", "007"]


def test_no_key_dangles_and_every_column_is_there(drawn: dict[str, Cells]) -> None:
    assert drawn["customers"].names == ("id", "region", "segment", "joined")
    assert drawn["orders"].names == ("order_id", "date", "customer_id", "product", "amount")
    keys = column(drawn["customers"], "id").tolist()
    assert len(keys) == len(set(keys)) == 2000
    assert set(column(drawn["orders"], "customer_id").tolist()) <= set(keys)
    assert len(set(column(drawn["orders"], "order_id").tolist())) == len(drawn["orders"]) > 5000


def test_keys_are_not_those_of_the_data(place: Path, drawn: dict[str, Cells]) -> None:
    real = several_tables(place / "shop")
    for table, name in (("customers", "id"), ("orders", "order_id")):
        assert not set(column(drawn[table], name)) & set(column(real[table].items, name))


def test_parents_have_as_many_children_as_real_ones(place: Path, drawn: dict[str, Cells]) -> None:
    real, made = found(place / "shop").counts, np.bincount(owners(drawn), minlength=2000)
    shares = [np.bincount(counts, minlength=30) / len(counts) for counts in (real, made)]
    assert np.abs(shares[0] - shares[1]).sum() / 2 < 0.12
    regions = column(drawn["customers"], "region")
    for region, mean in MEANS.items():
        assert made[regions == region].mean() == pytest.approx(mean, rel=0.15)


def test_children_go_with_their_parents(drawn: dict[str, Cells]) -> None:
    segments = column(drawn["customers"], "segment")[owners(drawn)]
    products, amounts = column(drawn["orders"], "product"), column(drawn["orders"], "amount").astype(float)
    for segment, sold in PRODUCTS.items():
        assert np.isin(products[segments == segment], sold).mean() > 0.98
        assert amounts[segments == segment].mean() == pytest.approx(PRICES[segment], rel=0.1)


def test_a_rule_between_both_tables_holds_in_every_row(drawn: dict[str, Cells]) -> None:
    joined = column(drawn["customers"], "joined")[owners(drawn)].astype("datetime64[D]")
    assert (column(drawn["orders"], "date").astype("datetime64[D]") >= joined).all()


def test_parent_k_has_the_same_children_whatever_the_number(model: LinkedModel) -> None:
    few, many = (model.sample(n, seed=3) for n in (40, 400))
    assert (few["customers"].cells == many["customers"].cells[:40]).all()
    assert (few["orders"].cells == many["orders"].cells[: len(few["orders"])]).all()
    assert (few["customers"].cells != model.sample(40, seed=4)["customers"].cells).any()


def test_columns_of_the_parent_are_fixed_exactly(model: LinkedModel) -> None:
    tables = model.sample(200, where={"segment": "firm", "orders per customers": "3"}, seed=1)
    assert set(column(tables["customers"], "segment")) == {"firm"}
    assert (np.bincount(owners(tables), minlength=200) == 3).all()
    assert np.isin(column(tables["orders"], "product"), PRODUCTS["firm"]).mean() > 0.97
    late = column(model.sample(100, where=["joined>=2021-06-01", "region=west|south"])["customers"], "joined")
    assert (late.astype("datetime64[D]") >= np.datetime64("2021-06-01")).all()


def test_parents_may_have_no_child(model: LinkedModel) -> None:
    tables = model.sample(3, where={"orders per customers": "0"})
    assert tables["orders"].cells.shape == (0, 5)


def test_columns_of_the_child_are_not_fixed(model: LinkedModel) -> None:
    with pytest.raises(Refused, match="product is a column of orders; only columns of customers"):
        model.sample(3, where={"product": "lamp"})
    with pytest.raises(Refused, match="amount is a column of orders"):
        model.sample(3, where=["amount>5"])
    with pytest.raises(UnknownName, match="did you mean 'region'"):
        model.sample(3, where={"regoin": "west"})


def test_both_files_are_written(morelike_cli: Runner, place: Path) -> None:
    for n in (30, 20):
        ended = morelike_cli("sample", place / "model", "-n", n, "--where", "region=west", "--out", place / "made")
        assert ended.code == 0, ended.err
    with (place / "made" / "customers.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    with (place / "made" / "orders.csv").open(encoding="utf-8") as file:
        assert {row["customer_id"] for row in csv.DictReader(file)} <= {row["id"] for row in rows}
    assert len(rows) == 20
    assert {row["region"] for row in rows} == {"west"}
    assert "name a folder" in morelike_cli("sample", place / "model", "--out", place / "made.csv").err


def test_what_was_understood_is_said(morelike_cli: Runner, tmp_path: Path) -> None:
    folder = shop(tmp_path / "shop", 80, [[5000, "2021-05-05", "C999999", "lamp", "9.00"], [5001, "2021-05-06", "", "lamp", "8.00"]])
    last = len(several_tables(folder)["orders"].items)
    ended = morelike_cli("check", folder)
    assert ended.code == 0, ended.err
    for sentence in (
        "orders.customer_id is the id of a row of customers",
        f"2 of {last:,} rows have no parent in customers.id (row {last - 1}, row {last}; C999999, (empty)); left out",
        "have none",
        "product: 5 categories",
    ):
        assert sentence in ended.out
    counts = found(folder).counts
    mean, none = pytest.approx(counts.mean(), abs=1e-3), pytest.approx((counts == 0).mean(), abs=1e-3)
    assert morelike.check(folder)["link"]["children"] == {"min": 0, "mean": mean, "max": counts.max(), "none": none}


def test_a_stopped_run_goes_on_where_it_was(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained, whole = run.train, morelike.load(place / "model").sample(20)

    def stops(*given: object, **named: object) -> object:
        if str(given[1]).endswith("child"):
            raise KeyboardInterrupt
        return trained(*given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(run, "train", stops)
    with pytest.raises(KeyboardInterrupt):
        morelike.train(place / "shop", "bayesnet", out=tmp_path / "model", judge=False)
    with pytest.raises(BadPackage, match="not finished"):
        morelike.load(tmp_path / "model")
    monkeypatch.setattr(run, "train", lambda *given, **named: pytest.fail("again") if str(given[1]).endswith("parent")
                        else trained(*given, **named))  # fmt: skip
    resumed = morelike.train(place / "shop", "bayesnet", out=tmp_path / "model", judge=False).sample(20)
    assert all((resumed[name].cells == whole[name].cells).all() for name in whole)


def test_verbs_on_the_folder(morelike_cli: Runner, place: Path) -> None:
    assert morelike_cli("verify", place / "model").code == 0
    assert "orders per row of customers" in morelike_cli("info", place / "model").out
    ended = morelike_cli("extend", place / "model", "a")
    assert ended.code == 2
    assert "holds linked tables" in ended.err


def test_judging_holds_out_families(place: Path, morelike_cli: Runner) -> None:
    ended = morelike_cli("judge", place / "model", "--min", f"{COUNTS}=60", "--min", f"{ACROSS}=0.1")
    assert ended.code == 1
    assert "children-error" not in ended.err
    card = morelike.info(place / "model")
    for name in (COUNTS, ACROSS):
        assert card["scores"][name]["value"] < card["scores"][name]["ceiling"]
    assert "parent.trend-error" in card["scores"]
    assert "beats random keys" in card["verdict"]


def test_scores_of_a_link_know_real_families_from_shuffled_ones() -> None:
    rng = np.random.default_rng(0)

    def family(parents: int) -> Family:
        group = rng.integers(0, 3, parents)
        owner = np.repeat(np.arange(parents), group * 3)
        kind = np.where(rng.random(len(owner)) < 0.9, group[owner], 1)
        parts = [np.char.add("g", group.astype(str)), np.char.add("k", kind.astype(str)), rng.random(len(owner)).astype(str)]
        return Family(parts[0].astype(object)[:, None], np.column_stack([part.astype(object) for part in parts[1:]]), owner)

    training, heldout, made = (family(600) for _ in range(3))
    names = Names(["group"], ["kind", "size"], (frozenset(), frozenset()))
    good = link_scores(training, heldout, made, names, 0)
    bad = link_scores(training, heldout, shuffled(training, 600, 1), names, 0)
    for name in (COUNTS, ACROSS):
        assert good[name]["value"] < 8 < good[name]["ceiling"]
        assert bad[name]["value"] == pytest.approx(good[name]["ceiling"], abs=5)
    copied = link_scores(training, heldout, training, names, 0)
    assert copied["child.closest-record"]["value"] > 0.9
    assert good["child.closest-record"]["value"] < 0.6
    assert "needs at least 50" in link_scores(training, heldout.of(np.arange(20)), made, names, 0)[COUNTS]["refused"]


def test_links_that_are_none(tmp_path: Path) -> None:
    folder = shop(tmp_path / "shop", 60)
    rows = [[f"C{row:06d}", row] for row in range(500, 540)]
    write(tmp_path / "other" / "customers.csv", ["id", "size"], rows)
    write(tmp_path / "other" / "orders.csv", ["order_id", "customer_id"], [[row, f"C{row:06d}"] for row in range(90)])
    with pytest.raises(BadInput, match=r"no column of one names rows of the other; name the link"):
        found(tmp_path / "other")
    with pytest.raises(BadInput, match=r"orders, column 'customer_id': 90 of 90 rows have no parent in customers.id \(row 1, row 2"):
        found(tmp_path / "other", "orders.customer_id=customers.id")
    with pytest.raises(UnknownName, match="did you mean 'customer_id'"):
        found(folder, "orders.customer_ids=customers.id")
    with pytest.raises(BadInput, match=r"CHILD.COLUMN=PARENT.COLUMN"):
        found(folder, "customer_id")
    write(folder / "products.csv", ["product", "weight"], [["lamp", 1], ["vase", 2], ["desk", 3], ["safe", 4], ["book", 5]])
    with pytest.raises(BadInput, match=r"holds 3 data sets \(customers, orders, products\)"):
        found(folder)
    assert "left alone: products" in found(folder, "orders.customer_id=customers.id").notes


def test_two_columns_that_could_be_the_link(tmp_path: Path) -> None:
    write(tmp_path / "ports.csv", ["port", "depth"], [[f"P{row}", row % 9] for row in range(40)])
    rows = [[f"P{row % 40}", f"P{row % 7}", row % 40] for row in range(90)]
    write(tmp_path / "trips.csv", ["from_port", "to_port", "port_calls"], rows)
    with pytest.raises(BadInput, match=r"2 columns could link; say which: codec.link=trips.from_port=ports.port, codec.link=trips.to_port"):
        found(tmp_path)
    assert found(tmp_path, "trips.to_port=ports.port").link.column == "to_port"
    write(tmp_path / "trips.csv", ["from_port", "port", "port_calls"], rows)
    assert found(tmp_path).link.column == "port"


def test_a_parent_without_a_key_of_its_own(tmp_path: Path) -> None:
    rows: list[list[object]] = [[f"C{row:03d}", row % 5] for row in range(60)]
    write(tmp_path / "orders.csv", ["customer", "pieces"], [[f"C{row % 60:03d}", row % 4] for row in range(200)])
    write(tmp_path / "customers.csv", ["id", "size"], [*rows[:59], ["C007", 3]])
    with pytest.raises(BadInput, match=r"customers, row 60, column 'id': C007 is the key of row 8 too"):
        found(tmp_path)
    write(tmp_path / "customers.csv", ["id", "size"], [*rows[:59], ["", 3]])
    with pytest.raises(BadInput, match=r"customers, row 60, column 'id': the key is missing"):
        found(tmp_path)


def test_what_linked_tables_do_not_take(place: Path, tmp_path: Path) -> None:
    for values, why in (
        ({"model": "copula"}, "copula can't draw children given their parent; families that can: .*bayesnet"),
        ({"model": "bayesnet", "condition": ["region"]}, "take no --condition"),
        ({"model": "bayesnet", "codec.rules": "rules.toml"}, "take no codec.rules"),
    ):
        with pytest.raises(Refused, match=why):
            morelike.train(place / "shop", out=tmp_path / "model", judge=False, **values)
    assert not (tmp_path / "model").exists()
