"""The rows of a batch's table that a page has not seen yet: a running batch is looked at twice a second, and few of its rows change."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Any

MOST_BATCHES = 32
"""Batches whose rows are remembered; of others a page is told all rows again."""

Row = Mapping[str, Any]


@dataclass
class _Table:
    """*rows*: by id, the row and the number of the change that made it so."""

    name: str = field(default_factory=lambda: token_hex(4))
    changes: int = 0
    rows: dict[str, tuple[int, Row]] = field(default_factory=dict)


class BatchRows:
    """Remembers how the rows of batches looked. A page keeps the *mark* it was told last, and is told what changed since."""

    def __init__(self) -> None:
        self._tables: OrderedDict[str, _Table] = OrderedDict()

    def since(self, mark: str, batch_id: str, rows: Sequence[Row]) -> tuple[list[Row], bool, str]:
        """(rows that differ from those at *mark*, whether these are all rows, the new mark). Every row has an ``id``."""
        table = self._tables.pop(batch_id, None)
        if table is None or table.rows.keys() != {row["id"] for row in rows}:
            table = _Table()
        self._tables[batch_id] = table
        if len(self._tables) > MOST_BATCHES:
            self._tables.popitem(last=False)
        changed = [row for row in rows if table.rows.get(row["id"], (0, None))[1] != row]
        if changed:
            table.changes += 1
            table.rows.update({row["id"]: (table.changes, row) for row in changed})
        name, _, number = mark.partition(".")
        seen = int(number) if name == table.name and number.isdecimal() else 0
        return [row for change, row in table.rows.values() if change > seen], not seen, f"{table.name}.{table.changes}"
