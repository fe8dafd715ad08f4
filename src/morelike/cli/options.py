"""Arguments and options that several verbs share."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

Device = Literal["auto", "cpu", "cuda", "mps"]
Tune = Literal["full", "adapter"]
ModelPath = Annotated[str, typer.Argument(metavar="MODEL", help="a saved model: the folder of a finished run", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON on standard output, and nothing else there")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="no progress and no notes: results and errors only")]
Offline = Annotated[bool, typer.Option("--offline", help="never try to fetch data")]
OnDevice = Annotated[Device, typer.Option("--device", help="where to compute; auto takes a GPU where there is one")]
Kind = Annotated[str | None, typer.Option("--kind", metavar="NAME", help="kind of data, instead of the one detected", show_default=False)]
Where = Annotated[
    list[str] | None,
    typer.Option(
        "--where", metavar="NAME=VALUE", show_default=False,
        help='fix a condition: label=3; others come as in training. For tables also demands on columns: "age>60", city=Bern|Zug',
    ),
]  # fmt: skip
Constraint = Annotated[
    str | None,
    typer.Option(
        "--constraint", metavar="RULE", help="what is written must be: regex:PATTERN, json:SHAPE, slots:A|B or span:CONDITION (text)",
        show_default=False,
    ),
]  # fmt: skip
Stop = Annotated[
    list[str] | None, typer.Option("--stop", metavar="STRING", help="end a text before this string; may be given again", show_default=False)
]
Condition = Annotated[
    str | None,
    typer.Option("--condition", metavar="NAME,...|none", help="what to condition on; by default the class labels", show_default=False),
]

Seed = Annotated[int, typer.Option("--seed", min=0)]
Demanded = Annotated[
    list[str] | None,
    typer.Option(
        "--where", metavar="DEMAND", help='on a column: city=Bern|Zug, "age>60", age=30..40, city!=Bern, age= (missing)', show_default=False
    ),
]
Data = Annotated[
    str | None,
    typer.Option("--data", metavar="PATH", help="where the data lies; by default where it was trained on", show_default=False),
]
Column = Annotated[
    str | None,
    typer.Option("--column", metavar="NAME", help="a table's column of classes; by default the last one", show_default=False),
]


def names(text: str | None) -> list[str] | None:
    """["a", "b"] of "a,b", [] of "none", None of None."""
    if text is None:
        return None
    return [] if text.strip() == "none" else [part.strip() for part in text.split(",") if part.strip()]
