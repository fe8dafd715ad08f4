"""What a model of airfoils is worth: are wishes met, do outlines stay whole, are dents found, how fast is it. One run prints all.

    python benchmarks/airfoils.py MODEL... [--seed 0]

A model trained with `--condition thickness,camber` is asked for those of every held-out airfoil; both are measured again on what came
out, as the net drew it and with exact=true. Camber's relative error is over airfoils with a camber of one percent at least. A model that
has a likelihood inspects held-out airfoils, whole and with one dent each (Gaussian, of a stated depth and width in chords, at a random
place of either side): area under the curve of dented against whole, for both oddities and the larger of them, and the share of dents
whose place is named within 0.08 of the chord on the right side.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from sklearn.metrics import roc_auc_score

import morelike
from morelike.data.curve import CurveCodec
from morelike.data.curve_items import Outline, is_airfoil, sides_of
from morelike.data.curve_measures import measured
from morelike.data.loader import take
from morelike.house.inspecting import inspect
from morelike.maths.airfoil import AT, Sides

WIDTHS = {"narrow": (0.015, 0.04), "wide": (0.08, 0.15)}
DEPTHS = (0.002, 0.005, 0.01, 0.02)


def wishes(model: morelike.Model, items: list[Outline], seed: int) -> None:
    wanted = {name: measured(items, name, "airfoil") for name in ("thickness", "camber")}
    asked = {name: values.tolist() for name, values in wanted.items() if name in model.package.conditions}
    for dials in ({}, {"exact": True}) if asked else ():
        start = time.perf_counter()
        drawn = model.sample(len(items), where=asked, seed=seed, **dials)
        spent = time.perf_counter() - start
        broken = sum(model.codec.broken(item) is not None for item in drawn)  # type: ignore[attr-defined]
        told = []
        for name in asked:
            found, known = measured(drawn, name, "airfoil"), np.abs(wanted[name]) >= 0.01
            away = np.abs(found - wanted[name])[known] / np.abs(wanted[name][known])
            told.append(f"{name} off by {100 * np.median(away):.2f} % (median), {100 * (away < 0.05).mean():.1f} % within 5 %")
        print(f"{'exact' if dials else 'as drawn'}: {'; '.join(told)}; {broken} broken of {len(drawn)}; {len(drawn) / spent:,.0f} a second")


def dented(item: Outline, depth: float, width: float, place: float, upper: bool) -> Outline:
    own, dent = sides_of(item), depth * np.exp(-0.5 * ((AT - place) / width) ** 2)
    return Outline((Sides(own.upper - dent, own.lower) if upper else Sides(own.upper, own.lower + dent)).points())


def dents(model: morelike.Model, items: list[Outline], seed: int) -> None:
    whole = inspect(model.package, items, seed)
    print(f"whole: {100 * (whole.scores > 1).mean():.1f} % called odd")
    for name, (least, most) in WIDTHS.items():
        for depth in DEPTHS:
            numbers = np.random.default_rng(seed)
            plan = [(numbers.uniform(least, most), numbers.uniform(0.1, 0.9), bool(numbers.integers(2))) for _ in items]
            pairs = [(row, dented(item, depth, *own)) for row, (item, own) in enumerate(zip(items, plan, strict=True))]
            kept = [(row, item) for row, item in pairs if is_airfoil(item) is None]
            found = inspect(model.package, [item for _, item in kept], seed)
            label = np.repeat([0, 1], [len(items), len(kept)])
            areas = [
                roc_auc_score(label, np.concatenate([before, after]))
                for before, after in ((whole.bumps, found.bumps), (whole.nats, found.nats), (whole.scores, found.scores))
            ]
            right = 0
            for (row, _), where in zip(kept, found.places, strict=True):
                side, told = where.split()[0], float(where.split()[3])
                right += (side == "upper") == plan[row][2] and abs(told - plan[row][1]) < 0.08
            shown = ", ".join(f"{what} {area:.3f}" for what, area in zip(("bump", "nats", "both"), areas, strict=True))
            odd = 100 * (found.scores > 1).mean()
            print(f"{name} dents of {100 * depth:g} %: {shown}; {odd:.0f} % called odd, place right {100 * right / len(kept):.0f} %")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("models", nargs="+")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    for folder in asked.models:
        model = morelike.load(folder)
        data = model.opened()
        print(f"{folder}: {model.package.recipe.model}")
        if not isinstance(model.codec, CurveCodec) or model.codec.form != "airfoil":
            raise SystemExit(f"{folder} is no model of airfoils")
        print(model.codec.describe()[1])
        held = list(take(data.source.items, data.split.holdout))
        wishes(model, held, asked.seed)
        if "density" in model.card["abilities"]:
            dents(model, held, asked.seed)


if __name__ == "__main__":
    main()
