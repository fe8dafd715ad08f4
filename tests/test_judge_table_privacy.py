"""Three columns at a time, and who gives its training rows away: values by hand, planted faults, honest rows."""

from __future__ import annotations

import numpy as np
import pytest

from morelike.core.errors import Refused
from morelike.judges.membership import MEMBERSHIP, MembershipScores
from morelike.judges.scores import Shown
from morelike.judges.table_codes import TableCodes
from morelike.judges.table_marginals import THREE, MarginalScores, column_triples, even_bins, triple_errors
from morelike.judges.table_scores import trend_error
from morelike.maths.table_distance import contingency_gap, ones


def cells(*columns: np.ndarray) -> np.ndarray:
    """(N,C) cells of str."""
    out = np.empty((len(columns[0]), len(columns)), object)
    for place, column in enumerate(columns):
        out[:, place] = [str(value) for value in column.tolist()]
    return out


def parity(rows: int, seed: int, odd: bool = True) -> np.ndarray:
    """Three columns of which every two are independent; the third is the parity of the others, or a coin."""
    rng = np.random.default_rng(seed)
    first, second, coin = rng.integers(0, 2, (3, rows))
    return cells(first, second, first ^ second if odd else coin)


def shown(items: np.ndarray, role: str = "generated") -> Shown:
    return Shown(role, np.arange(len(items)), {}, items=items)  # type: ignore[arg-type]


NAMES = ("a", "b", "c")


def test_a_parity_is_seen_by_three_columns_only() -> None:
    training, odd, coin = parity(4000, 0), parity(4000, 1), parity(4000, 2, odd=False)
    codes = TableCodes.fit(training, NAMES)
    group = MarginalScores(codes, training, 0)
    assert group.measure(shown(odd))[THREE].value < 4
    assert group.measure(shown(coin))[THREE].value == pytest.approx(50, abs=3)
    assert trend_error(codes(training), codes(coin)) < 4


def test_gaps_of_three_columns_by_hand() -> None:
    real = [np.array(column) for column in ([0, 0, 1, 1], [0, 1, 0, 1], [0, 0, 0, 5])]
    made = [np.array(column) for column in ([0, 0, 1, 0], [0, 1, 0, 1], [0, 0, 0, 5])]
    # one row of four has moved to a cell that real rows lack
    assert contingency_gap(real, made, ones(4)).tolist() == [0.25]
    wide = [column * 300_000 for column in real], [column * 300_000 for column in made]
    assert contingency_gap(*wide, ones(4)).tolist() == [0.25]
    assert contingency_gap(real, real, ones(4)).tolist() == [0.0]


def test_numbers_are_cut_at_deciles_and_missing_is_a_bin() -> None:
    real = np.append(np.arange(100.0), np.nan)
    assert even_bins(real, np.array([-5.0, 0, 9, 10, 50, 98, 1e9, np.nan])).tolist() == [0, 0, 0, 1, 5, 9, 9, 10]
    assert set(even_bins(np.array([1.0, 1, 1, 2]), np.array([1.0, 2]))) == {1, 2}
    assert even_bins(np.array([np.nan]), np.array([3.0])).tolist() == [0]


def test_triples_of_wide_tables_are_a_sample_without_repeats() -> None:
    assert column_triples(4) == [(0, 1, 2), (0, 1, 3), (0, 2, 3), (1, 2, 3)]
    found = column_triples(40, 1)
    assert len(found) == len(set(found)) == 200
    assert all(a < b < c < 40 for a, b, c in found)
    assert found == column_triples(40, 1)


def test_errors_of_triples_have_intervals_and_need_three_columns() -> None:
    training = parity(400, 0)
    codes = TableCodes.fit(training, NAMES)
    measure = MarginalScores(codes, training, 0).measure(shown(parity(300, 3)))[THREE]
    assert measure.low is not None
    assert measure.high is not None
    assert measure.low < measure.value < measure.high
    assert triple_errors(codes(training), codes(training), [(0, 1, 2)]).tolist() == [[0.0]]
    with pytest.raises(Refused, match="three columns"):
        MarginalScores(TableCodes.fit(training[:, :2], NAMES[:2]), training[:, :2], 0)


def people(rows: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    age = rng.normal(40, 12, rows).round(1)
    return cells(age, (age * 100 + rng.normal(0, 300, rows)).round(), rng.choice(list("xyz"), rows), rng.normal(0, 1, rows).round(3))


PEOPLE = ("age", "pay", "region", "score")


def test_rows_of_training_are_given_away_by_copies_and_not_by_others() -> None:
    training, heldout = people(800, 0), people(800, 1)
    group = MembershipScores(TableCodes.fit(training, PEOPLE), training, heldout, 0)
    assert group.measure(shown(training))[MEMBERSHIP].value > 0.98
    # near copies: the last digit of one column is another
    near = training.copy()
    near[:, 3] = [f"{float(value) + 0.004:.3f}" for value in near[:, 3]]
    assert group.measure(shown(near))[MEMBERSHIP].value > 0.9
    fresh = group.measure(shown(people(800, 2)))[MEMBERSHIP]
    assert 0.45 < fresh.value < 0.55
    assert fresh.low is not None
    assert fresh.low < 0.5 < (fresh.high or 0)


def test_held_out_rows_are_no_members_and_do_not_meet_themselves() -> None:
    training, heldout = people(800, 0), people(800, 1)
    group = MembershipScores(TableCodes.fit(training, PEOPLE), training, heldout, 0)
    value = group.measure(shown(heldout, "holdout"))[MEMBERSHIP].value
    # what is left of them are the reference rows: members are about as near to them as the others
    assert 0.42 < value < 0.58


def test_membership_needs_rows() -> None:
    training = people(200, 0)
    with pytest.raises(Refused, match="at least 50"):
        MembershipScores(TableCodes.fit(training, PEOPLE), training, people(90, 1), 0)
