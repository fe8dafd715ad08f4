"""Outputs against references, where the condition is a text: BLEU, chrF and ROUGE, with trivial outputs beside.

n sources, each with an output and one or more references.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import numpy as np

from ..core.errors import Refused
from .intervals import Floats, Measure, around
from .likelihood import Ready
from .scores import Rule
from .text_codes import Units
from .text_features import ngram_roots

RESAMPLES = 200
OVERLAPS, ROUGES = ("bleu", "chrf"), ("rouge-1", "rouge-2", "rouge-l")
_SMALLEST = 20
_TOKEN = re.compile(r"[^\W_]+")
_SENTENCE = re.compile(r".*?(?:[.!?]+[\"'”’)\]]*(?=\s|$)|[。！？]+[”’」』）]*|$)", re.DOTALL)
_SEARCHED, _BLOCK = 20_000, 2_048


@dataclass(frozen=True, slots=True)
class Pairs:
    """What was made of n sources."""

    outputs: Sequence[str]
    """(n,)."""
    references: Sequence[Sequence[str]]
    """(n,): at least one each."""
    baselines: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Trivial model -> (n,) outputs."""
    drawn: str = ""
    """How the outputs were drawn, in words."""


def pair_rules() -> dict[str, Rule]:
    """The rules of the scores of pairs."""
    return {name: Rule("higher", _SMALLEST) for name in (*OVERLAPS, *ROUGES)}


def by_source(sources: Sequence[str], targets: Sequence[str]) -> tuple[list[int], list[list[str]]]:
    """(the first row of each different source, the targets of all rows with that source)."""
    rows: dict[str, int] = {}
    references: list[list[str]] = []
    first: list[int] = []
    for row, (source, target) in enumerate(zip(sources, targets, strict=True)):
        if source not in rows:
            rows[source] = len(references)
            references.append([])
            first.append(row)
        references[rows[source]].append(target)
    return first, references


def first_sentence(text: str) -> str:
    """The text up to its first full stop, question or exclamation mark that ends a sentence: "lead-1"."""
    found = _SENTENCE.match(text.strip())
    return found.group() if found else text


def nearest_targets(sources: Sequence[str], training: Sequence[str], targets: Sequence[str]) -> list[str]:
    """For each source, the target of the training source nearest by hashed n-grams; at most 20,000 training pairs are searched."""
    rows = np.arange(len(training))
    if len(rows) > _SEARCHED:
        rows = np.sort(np.random.Generator(np.random.PCG64(0)).choice(len(training), _SEARCHED, replace=False))
    asked = ngram_roots(sources)
    best, chosen = np.full(len(sources), -1.0, np.float32), np.zeros(len(sources), np.int64)
    for start in range(0, len(rows), _BLOCK):
        part = rows[start : start + _BLOCK]
        alike = asked @ ngram_roots([training[int(row)] for row in part]).T
        top = alike.argmax(1)
        value = alike[np.arange(len(alike)), top]
        chosen, best = np.where(value > best, part[top], chosen), np.maximum(best, value)
    return [targets[int(row)] for row in chosen]


def trivial_outputs(sources: Sequence[str], training: Sequence[str], targets: Sequence[str]) -> dict[str, list[str]]:
    """What anyone could answer: the source itself, its first sentence, the target of the nearest training source."""
    found = {"copy-source": list(sources), "lead-1": [first_sentence(source) for source in sources]}
    return {**found, "nearest": nearest_targets(sources, training, targets)} if len(training) else found


def overlap_scores(pairs: Pairs) -> Ready:
    """`bleu` (Papineni et al. 2002) and `chrf` (Popović 2015) by sacrebleu (Post 2018, arXiv:1804.08771): corpus level, 0 to 100, cased.

    Intervals reach half of the 95 % range of 200 bootstrap resamples of the items (Koehn 2004) to either side. Scripts without
    spaces are cut into characters for BLEU. Raises Refused where sacrebleu isn't installed.
    """
    _enough(pairs)
    try:
        metrics: Any = import_module("sacrebleu.metrics")
    except ImportError:
        raise Refused("needs sacrebleu: pip install 'morelike[text]'") from None
    most = max(map(len, pairs.references))
    streams = [[each[place] if place < len(each) else None for each in pairs.references] for place in range(most)]
    words = Units.of([reference for each in pairs.references for reference in each]).words
    makers = {"bleu": lambda: metrics.BLEU(tokenize="13a" if words else "char", force=True), "chrf": metrics.CHRF}
    own, more, baselines = {}, {}, {name: dict[str, float]() for name in pairs.baselines}
    for name, make in makers.items():
        metric = make()
        result = metric.corpus_score(list(pairs.outputs), streams, n_bootstrap=RESAMPLES)
        half = float(result._ci)
        own[name] = Measure(float(result.score), max(0.0, result.score - half), min(100.0, result.score + half))
        more[name] = {"signature": str(metric.get_signature()), "drawn": pairs.drawn}
        for trivial, outputs in pairs.baselines.items():
            baselines[trivial][name] = float(make().corpus_score(list(outputs), streams).score)
    return Ready({name: pair_rules()[name] for name in OVERLAPS}, own, baselines, len(pairs.outputs), "sacrebleu", more)


def rouge_scores(pairs: Pairs) -> Ready:
    """`rouge-1`, `rouge-2`, `rouge-l`: F1 of shared unigrams, bigrams and of the longest common subsequence, 0 to 1, mean over items.

    Lin 2004, "ROUGE: a package for automatic evaluation of summaries", equations 1 to 4 with beta = 1 and the best of several
    references (section 2); runs of letters and digits in lower case (single characters in scripts without spaces), no stemming.
    """
    _enough(pairs)
    words = Units.of([reference for each in pairs.references for reference in each]).words
    references = [[rouge_tokens(reference, words) for reference in each] for each in pairs.references]

    def table(outputs: Sequence[str]) -> Floats:
        rows = []
        for output, several in zip(outputs, references, strict=True):
            tokens = rouge_tokens(output, words)
            rows.append(np.max([rouge(tokens, reference) for reference in several], axis=0))
        return np.array(rows)

    each = table(pairs.outputs)
    deviations = each.std(0) / len(each) ** 0.5
    own = {name: around(float(each[:, i].mean()), float(deviations[i]), 0.0, 1.0) for i, name in enumerate(ROUGES)}
    baselines = {name: dict(zip(ROUGES, map(float, table(outputs).mean(0)), strict=True)) for name, outputs in pairs.baselines.items()}
    more = {name: {"drawn": pairs.drawn} for name in ROUGES}
    extractor = "words, lower case" if words else "characters, lower case"
    return Ready({name: pair_rules()[name] for name in ROUGES}, own, baselines, len(pairs.outputs), extractor, more)


def _enough(pairs: Pairs) -> None:
    if len(pairs.outputs) < _SMALLEST:
        raise Refused(f"needs at least {_SMALLEST} different held-out sources, has {len(pairs.outputs)}")


def rouge_tokens(text: str, words: bool = True) -> list[str]:
    """Runs of letters and digits in lower case, or each letter and digit."""
    found = _TOKEN.findall(text.lower())
    return found if words else [letter for run in found for letter in run]


def rouge(output: Sequence[str], reference: Sequence[str]) -> tuple[float, float, float]:
    """(ROUGE-1, ROUGE-2, ROUGE-L) of one output against one reference, F1 each."""
    values = []
    for order in (1, 2):
        ours, theirs = (Counter(zip(*(tokens[i:] for i in range(order)), strict=False)) for tokens in (output, reference))
        values.append(_f1((ours & theirs).total(), ours.total(), theirs.total()))
    return values[0], values[1], _f1(common(output, reference), len(output), len(reference))


def _f1(shared: int, ours: int, theirs: int) -> float:
    return 2 * shared / (ours + theirs) if shared else 0.0


def common(first: Sequence[str], second: Sequence[str]) -> int:
    """The length of the longest common subsequence, a row of the table as bits (Hyyrö 2004, "Bit-parallel LCS-length computation")."""
    places: dict[str, int] = {}
    for place, token in enumerate(second):
        places[token] = places.get(token, 0) | 1 << place
    full = (1 << len(second)) - 1
    row = full
    for token in first:
        met = row & places.get(token, 0)
        row = ((row + met) | (row - met)) & full
    return len(second) - row.bit_count()
