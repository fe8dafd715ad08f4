"""How many of the attributes asked for stand in the texts that a model of `e2e_restaurants` writes, with and without the constraint.

The model is one of `morelike train e2e_restaurants`, conditioned on `mr`, lists such as `name[Alimentum], area[city centre]`. For each
distinct list of the held-out part one text is written by beam search. A slot is right where its value occurs in the text word for word
(any case); familyFriendly, which has no value to quote, where the text speaks of families, kids or children. BLEU (sacrebleu, cased) is
against all references of the list.

python benchmarks/slots.py MODEL [--beam 4] [--lists 630]
"""

from __future__ import annotations

import argparse
import re
import time
from pathlib import Path

import sacrebleu
import torch

from morelike.core.noise import Noise
from morelike.core.spec import lift_all
from morelike.data.loader import take
from morelike.house.package import load
from morelike.house.prepare import prepare
from morelike.judges.pairs import by_source
from morelike.maths.constraint import Constraint
from morelike.maths.decoding import Dials, decode
from morelike.maths.slots import slots

_SLOT = re.compile(r"([\w ]+)\[([^\]]*)\]")
_FAMILY = re.compile(r"famil|kid|child", re.IGNORECASE)


def values(text: str) -> dict[str, str]:
    """Attribute -> value of one list."""
    return {name.strip(): value for name, value in _SLOT.findall(text)}


def right(asked: dict[str, str], text: str) -> list[bool]:
    low = text.lower()
    return [bool(_FAMILY.search(text)) if name == "familyFriendly" else value.lower() in low for name, value in asked.items()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--beam", type=int, default=4)
    parser.add_argument("--lists", type=int, default=630)
    options = parser.parse_args()
    package = load(options.model)
    data, model = prepare(package.recipe), package.model.eval()
    sources = [str(source) for source in data.source.columns["mr"].values[data.split.holdout]]
    first, references = by_source(sources, list(take(data.source.items, data.split.holdout)))
    first, references = first[: options.lists], references[: options.lists]
    asked = [values(sources[row]) for row in first]
    quoted = [[value for name, value in one.items() if name != "familyFriendly"] for one in asked]
    pieces = package.codec.pieces()  # type: ignore[attr-defined]
    for constrained in (False, True):
        began, texts = time.perf_counter(), []
        for at in range(0, len(first), 32):
            rows = torch.tensor(first[at : at + 32])
            held = {name: torch.from_numpy(kept[rows.numpy()]) for name, kept in data.holdout.condition.items()}
            constraint: Constraint | None = slots(quoted[at : at + 32], model.spec, pieces) if constrained else None  # type: ignore[arg-type]
            with torch.inference_mode():
                x = decode(model, model.spec, lift_all(model.conditions, held), noise=Noise(0, len(rows)),  # type: ignore[arg-type]
                           dials=Dials(beam=options.beam), constraint=constraint)  # fmt: skip
            texts += package.codec.decode(x.numpy())
        hits = [right(one, text) for one, text in zip(asked, texts, strict=True)]
        share = sum(map(sum, hits)) / sum(map(len, hits))
        whole = sum(map(all, hits)) / len(hits)
        most = max(map(len, references))
        columns = [[several[i] if i < len(several) else "" for several in references] for i in range(most)]
        bleu = sacrebleu.BLEU()
        score = bleu.corpus_score(texts, columns)
        name = "with slots" if constrained else "free"
        print(f"{name:12s} slots right {share:.1%}, all of a list {whole:.1%}, BLEU {score.score:.1f} ({bleu.get_signature()}), "
              f"{len(texts)} lists in {time.perf_counter() - began:.0f} s")  # fmt: skip
        print("    " + texts[0])


if __name__ == "__main__":
    main()
