"""How well molecules have the property that was asked for: values asked, RDKit's values of what came out.

    morelike train zinc_smiles --condition logp --minutes 12 --out MODEL
    python benchmarks/molecule_steering.py MODEL [--n 1000] [--seed 0]

For each property that the model is conditioned on (logp, qed, mol_weight, or any that RDKit computes by one of these names): values are
asked at random from the middle nine tenths of the training ones, n molecules drawn under them with the rules, and the mean absolute
error and the correlation printed, beside the error of one that ignores what is asked (molecules drawn for other values). The other
conditions are drawn from the held-out ones, as `sample` draws them.
"""

from __future__ import annotations

import argparse

import numpy as np

import morelike
from morelike.data.loader import take
from morelike.data.molecule_draw import PROPERTIES, properties
from morelike.data.molecule_text import parsed
from morelike.house.prepare import prepare
from morelike.house.recast import Codecs


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("--n", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    model = morelike.load(asked.model)
    package = model.package
    data = prepare(package.recipe, codecs=Codecs(asked.model, package.codec, package.conditions))
    for name in package.conditions:
        if name not in PROPERTIES:
            print(f"{name}: RDKit doesn't compute it, so what came out can't be measured")
            continue
        real = np.sort(take(data.source.columns[name].values, data.split.train))
        low, high = np.quantile(real, [0.05, 0.95])
        wanted = np.random.default_rng(asked.seed).choice(real[(real >= low) & (real <= high)], asked.n)
        items = model.sample(asked.n, where={name: [float(value) for value in wanted]}, seed=asked.seed)
        found = np.array([properties(parsed(item))[PROPERTIES.index(name)] for item in items])
        error, ignored = np.abs(found - wanted), np.abs(found - np.random.default_rng(1).permutation(wanted))
        print(f"{name}: asked {wanted.min():.2f} to {wanted.max():.2f}; mean absolute error {error.mean():.3f} "
              f"(+- {1.96 * error.std() / asked.n**0.5:.3f}), of one that ignores it {ignored.mean():.3f}; "
              f"correlation {np.corrcoef(found, wanted)[0, 1]:.3f}; n = {asked.n:,}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
