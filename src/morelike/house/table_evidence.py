"""What only tables give the judges and the report: which columns are compared, and both tables side by side."""

from __future__ import annotations

import numpy as np

from ..core.contract import Codec
from ..data.source import Items
from ..data.table import TableCodec, rows_of
from ..judges.ladder import Evidence
from ..judges.report_table import TablePicture, table_picture
from ..judges.table_codes import TableCodes
from ..judges.table_groups import TableFacts


def table_facts(codec: Codec, training: np.ndarray, heldout: Items = None) -> TableFacts | None:
    """What judges must know of a table's columns, and of its rules where held-out rows are given; None for other kinds of data."""
    if not isinstance(codec, TableCodec):
        return None
    told = heldout is not None and codec.rules.rules
    codes = TableCodes.fit(training, codec.names, codec.unlearnt)
    return TableFacts(codec.names, codec.unlearnt, rules=(codec.rules.kept, rows_of(heldout)) if told else None, fitted=codes)


def side_by_side(evidence: Evidence) -> TablePicture | None:
    """Training rows and generated ones, for the report; None for other kinds of data."""
    if evidence.table is None:
        return None
    codes = evidence.table.codes(evidence.reference.items)
    return table_picture(codes(evidence.reference.items), codes(evidence.generated.items))
