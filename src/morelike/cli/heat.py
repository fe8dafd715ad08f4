"""What tasks print for people: a text with its surprise as colours, rows of a classifier."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

from ..house.heat_page import LEVELS, level
from .show import console, number, say

_STYLES = ("", "black on #fdf0d5", "black on #fbdba7", "black on #f7b267", "black on #ee7b4d", "bold white on #c73e3a")
_PLAIN_STYLES = ("", "underline", "yellow", "black on yellow", "red", "white on red")
"""For terminals of 16 colours."""
_WORST = 5
_BEFORE = 30


def heat_map(found: Mapping[str, Any]) -> None:
    """The text in colours with a legend and the mean; the most surprising places in words, for where there are no colours."""
    page, text = console(), Text()
    styles = _PLAIN_STYLES if page.color_system == "standard" else _STYLES
    for part in found["parts"]:
        style = styles[level(part["nats"])]
        shown = part["text"].replace("\n", "↵\n") if style else part["text"]
        text.append("".join(_visible(letter) for letter in shown), style)
    if found["end"] is not None:
        text.append("⏹", styles[level(found["end"])])
    legend = Text("nats: ")
    for name, style in zip(LEVELS, styles, strict=True):
        legend.append(f" {name} ", style).append(" ")
    page.print(text, soft_wrap=True)
    page.print(Text(""))
    page.print(legend, soft_wrap=True)
    say(f"{found['nats_per_character']:.3f} nats per character, {found['nats']:,.1f} in all over {found['characters']:,} characters")
    say("most surprising: " + "; ".join(_places(found["parts"])))


def _visible(letter: str) -> str:
    return letter if letter.isprintable() or letter in "\n\t" else "\ufffd"


def _places(parts: list[dict[str, Any]]) -> list[str]:
    """The pieces with the most nats, with what stands before them."""
    worst = sorted(range(len(parts)), key=lambda place: -parts[place]["nats"])[:_WORST]
    found = []
    for place in worst:
        before = "".join(part["text"] for part in parts[max(0, place - _BEFORE) : place])[-_BEFORE:]
        found.append(f"{parts[place]['text']!r} {parts[place]['nats']:.1f}" + (f" after {before!r}" if before else " at the beginning"))
    return found


def one_class(found: Mapping[str, Any]) -> None:
    """The classes of one item, the likeliest first."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("class", "probability", "log-likelihood (nats)"):
        table.add_column(name, justify="left" if name == "class" else "right", overflow="fold")
    for name, share in list(found["probabilities"].items())[:20]:
        table.add_row(Text(name), f"{share:.4f}", f"{found['log_likelihoods'][name]:,.2f}")
    console().print(table)
    say(f"by Bayes' rule {found['how']} and the classes' shares in training")


def classified(found: Mapping[str, Any]) -> None:
    """How well held-out data is classified, beside others."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    curves = "auc" in found["rows"][0]
    for name in ("classifier", "accuracy", "interval", "calibration error", "log-loss (nats)", *(["AUC"] if curves else [])):
        table.add_column(name, justify="left" if name == "classifier" else "right", overflow="fold")
    for row in found["rows"]:
        interval = f"{row['low']:.3f} .. {row['high']:.3f}"
        cells = [f"{row['accuracy']:.3f}", interval, f"{row['calibration_error']:.3f}", f"{row['log_loss']:.3f}"]
        table.add_row(Text(row["name"]), *cells, *([number(row["auc"])] if curves else []))
    console().print(table)
    say(f"{found['n']:,} held-out items, {found['classes']} classes of {found['label']}; the model by Bayes' rule {found['how']}")
    if found["temperature"] is not None:
        say(f"calibrated: with the temperature {found['temperature']:.3g}, fitted on validation data")
    for pair in found["confused"]:
        say(f"{pair['real']} taken for {pair['taken_for']}: {pair['count']:,} times, {100 * pair['share']:.1f}% of {pair['real']}")


def odd_rows(found: Mapping[str, Any]) -> None:
    """The oddest rows with their oddest cells, and how well a label is found."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("rank", "row", "nats", "cells (what the others of the row make usual)"):
        table.add_column(name, justify="left" if name.startswith("cells") else "right", overflow="fold")
    for row in found["top"]:
        cells = "; ".join(f"{cell['column']} {cell['value'] or '(empty)'} ({cell['usual']})" for cell in row["cells"])
        table.add_row(str(row["rank"]), f"{row['row']:,}", f"{row['score']:.2f}", Text(cells))
    console().print(table)
    say(f"{found['n']:,} rows by -log p(row) in nats, {found['how']}; rows count from 1")
    if "evaluation" in found:
        _rankings(found["evaluation"])


def _rankings(found: Mapping[str, Any]) -> None:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in (f"score for {found['label']}", "learnt labels", "AUROC", "interval", "average precision", "interval"):
        table.add_column(name, justify="right" if name in ("AUROC", "average precision") else "left", overflow="fold")
    for row in found["rows"]:
        cells = []
        for measure in ("auroc", "average_precision"):
            cells += [f"{row[measure]:.3f}", f"{row[f'{measure}_low']:.3f} .. {row[f'{measure}_high']:.3f}"]
        table.add_row(Text(row["name"]), "yes" if row["labels"] else "no", *cells)
    console().print(table)
    say(f"{found['n']:,} rows, {100 * found['share']:.1f}% with {found['label']}", *found["verdict"])


def gains(found: Mapping[str, Any]) -> None:
    """What added rows are worth to learners."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("added to the real rows", "learner", "AUC", "gain", "interval"):
        table.add_column(name, justify="right" if name in ("AUC", "gain") else "left", overflow="fold")
    for row in found["gains"]:
        gain = [f"{row['gain']:+.4f}", f"{row['gain_low']:+.4f} .. {row['gain_high']:+.4f}"] if "gain" in row else ["", ""]
        table.add_row(Text(row["added"]), row["learner"], f"{row['auc']:.4f}", *gain)
    console().print(table)
    made = ", ".join(f"{name} {count:,}" for name, count in found["made"].items() if count)
    say(f"on {found['n']:,} held-out real rows; generated by class: {made}", *found["verdict"])
