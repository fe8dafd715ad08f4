"""A table model against the original cells of its training part, at full size: for comparison with published figures.

Draws as many rows as the training files hold and prints shape and trend errors (percent, as SDMetrics' QualityReport, whose bins lie over
each table's own range), the error of three-way marginals, the two-sample AUC of boosted trees, and, where the last column has two values,
the AUC of trees that learn from generated rows on the official test rows, beside trees that learn from real ones. The same for the test
rows in place of generated ones. Of generated rows also whether they lie nearer to training rows, and the attack on membership.

python benchmarks/table_quality.py MODEL DATA [--seed 0]
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

import morelike
from morelike.data.open import open_source
from morelike.house.table_evidence import table_facts
from morelike.judges.membership import MEMBERSHIP, MembershipScores
from morelike.judges.scores import Shown
from morelike.judges.table_codes import TableCodes
from morelike.judges.table_marginals import column_triples, triple_errors
from morelike.judges.table_scores import CLOSEST, ClosestScores, UseScores, class_column, shape_error, trend_error, two_sample_auc


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("data")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    source = open_source(options.data)
    if source.split is None:
        parser.error("this compares with an official test part, and the data has none")
    test = source.items[source.split["holdout"]]
    train = source.items[np.setdiff1d(np.arange(len(source.items)), source.split["holdout"])]
    model = morelike.load(options.model)
    began = time.perf_counter()
    made = model.sample(len(train), seed=options.seed)
    print(f"{len(made):,} rows in {time.perf_counter() - began:.1f} s; {len(train):,} training rows, {len(test):,} test rows")
    facts = table_facts(model.codec)
    assert facts is not None
    codes = TableCodes.fit(train, facts.names, facts.left_out)
    real, target = codes(train), class_column(codes)
    for name, rows in (("generated", made), ("test rows", test)):
        coded = codes(rows)
        n = min(len(real), len(coded), 16_000)
        pick = np.random.default_rng(options.seed).permutation(len(real))[:n]
        auc = two_sample_auc(real[np.sort(pick)], coded[:n], options.seed).value
        errors = f"shape {shape_error(real, coded):.2f} %, trend {trend_error(real, coded, own_range=True):.2f} %"
        three = 100 * triple_errors(real, coded, column_triples(len(codes.columns))).mean()
        print(f"{name:10s} {errors}, three-way {three:.2f} %, two-sample AUC {auc:.3f} (n = {n:,})")
    seen = Shown("generated", np.arange(len(made)), {}, None, None, made)  # type: ignore[arg-type]
    closest = ClosestScores(codes, train, test, options.seed).measure(seen)[CLOSEST]
    attack = MembershipScores(codes, train, test, options.seed).measure(seen)[MEMBERSHIP]
    for label, measure in (("nearer to training than to test rows", closest), ("membership attack, AUC", attack)):
        print(f"{label}: {measure.value:.3f} ({measure.low:.3f} to {measure.high:.3f})")
    if target is not None:
        use = UseScores(codes, train, test, target, options.seed)
        for name, role, rows in (("generated", "generated", made), ("real", "holdout", train)):
            shown = Shown(role, np.arange(len(rows)), {}, None, None, rows)  # type: ignore[arg-type]
            print(f"{use.name} of {target!r} from 10,000 {name} rows: {next(iter(use.measure(shown).values())).value:.3f}")


if __name__ == "__main__":
    main()
