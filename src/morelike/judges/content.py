"""How much of a text is kept in what was made of it."""

from __future__ import annotations

from collections import Counter
from importlib import import_module
from typing import Any

from .pairs import rouge_tokens
from .text_codes import Units


def words_kept(source: str, text: str) -> float:
    """The share, 0 to 1, of the source's words (any case; letters in scripts without spaces) that stand in the text too, each as often
    as it is there: ROUGE-1's recall (Lin 2004, section 2). 1 for a source without words."""
    words = Units.of([source]).words
    ours, theirs = (Counter(rouge_tokens(each, words)) for each in (source, text))
    return (ours & theirs).total() / ours.total() if ours else 1.0


def chrf(source: str, text: str) -> float | None:
    """chrF (Popović 2015), 0 to 100, of the text against its source, by sacrebleu; None where that isn't installed."""
    try:
        sacrebleu: Any = import_module("sacrebleu")
    except ImportError:
        return None
    return float(sacrebleu.sentence_chrf(text, [source]).score)
