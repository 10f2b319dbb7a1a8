"""Spreadsheets as CSV: read whatever the delimiter, the encoding and the line ends are; written so that no cell is taken for a formula.

A cell that a spreadsheet would compute gets an apostrophe in front (OWASP, "CSV Injection"), also one that has such an apostrophe already:
so the one that is taken off when the file is read again is always the one that was put there.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

from errors import UploadError
from pipeline.formats.remarks import Remark

BOM = "\ufeff"
"""Without it Excel reads UTF-8 as something else."""
DELIMITERS = ",;\t|，；"
SNIFFED = 4096
"""Characters in which the delimiter is looked for."""
HEADER_AMONG = 10
"""Rows among which the one with the names of the columns is looked for."""
WIDEST = 200
"""Columns of a sheet that have something in them."""
EXCELS_WIDEST = 16_384
"""Columns, empty ones too: more are no sheet, and would fill the memory before they are counted."""

_COMPUTED = re.compile(r"^'*\s*[=+\-@＝＋－＠\t\r\n]")
_NEUTRALISED = re.compile(r"^'+\s*[=+\-@＝＋－＠\t\r\n]")
_HIGH = re.compile(rb"[\x80-\xff]+")


@dataclass(frozen=True)
class Sheet:
    """The names of the columns as they stand in the file, and the rows below: their number in the file, and as many cells as columns."""

    header: list[str]
    rows: list[tuple[int, list[str]]]


def harmless(cell: str) -> str:
    """*cell* as no spreadsheet computes it."""
    return f"'{cell}" if _COMPUTED.match(cell) else cell


def original(cell: str) -> str:
    """What :func:`harmless` was given."""
    return cell[1:] if _NEUTRALISED.match(cell) else cell


def write_sheet(header: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    """A CSV file that Excel opens as UTF-8. Every cell is quoted: a program that expects another delimiter cannot divide it."""
    target = io.StringIO(newline="")
    writer = csv.writer(target, quoting=csv.QUOTE_ALL)
    writer.writerow([harmless(cell) for cell in header])
    writer.writerows([harmless(cell) for cell in row] for row in rows)
    return (BOM + target.getvalue()).encode("utf-8", "replace")


def column_key(name: str) -> str:
    """The name of a column without what people vary: capitals, spaces, hyphens, a remark in brackets."""
    plain = re.sub(r"[(（\[].*?[)）\]]", "", unicodedata.normalize("NFKC", name)).casefold()
    return "_".join(re.findall(r"[^\W_]+", plain))


def decoded(content: bytes, name: str, remarks: list[Remark]) -> str:
    """The text of a file: UTF-8, UTF-16 with a mark, else what Excel writes in China (GB 18030) or in the west (Windows-1252)."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings = ["utf-16"]
    else:
        runs = _HIGH.findall(content)
        lone = sum(len(run) == 1 for run in runs)  # in Chinese, bytes above 127 come in pairs
        encodings = ["utf-8-sig", "gb18030", "cp1252"] if 2 * lone <= len(runs) else ["utf-8-sig", "cp1252", "gb18030"]
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if encoding not in ("utf-8-sig", "utf-16"):
            remarks.append(Remark("{name} is not in UTF-8; it was read as {encoding}.", name=name, encoding=encoding))
        return text
    raise UploadError("{name} is not a text that can be read. Save it as CSV in UTF-8.", name=name)


def read_sheet(text: str, name: str, known: Callable[[str], bool], *, most_rows: int, remarks: list[Remark]) -> Sheet:
    """The sheet in *text*. *known* says whether the :func:`column_key` of a column is one of ours, which finds the delimiter and the row
    with the names. What is odd goes to *remarks*.

    Raises :class:`UploadError` for a sheet without names, with a quotation mark that is never closed, or with too many rows or columns.
    """
    text = text.removeprefix(BOM)
    if found := re.match(r"sep=(.)\r?\n", text):  # how Excel is told the delimiter
        delimiter, text, offset = found[1], text[found.end() :], 1
    else:
        delimiter, offset = _delimiter(text, known), 0
    records = _records(text, name, delimiter, most_rows=most_rows, offset=offset)
    at = _header_at(records, known)
    if at is None:
        raise UploadError("{name} has no row with names of columns.", name=name)
    if at:
        remarks.append(Remark("The {count} rows above the names of the columns were left out.", count=at))
    header = [original(cell).strip() for cell in records[at]]
    while header and not header[-1]:
        header.pop()
    rows = [(number + offset, record) for number, record in enumerate(records[at + 1 :], at + 2) if any(cell.strip() for cell in record)]
    if len(rows) > most_rows:
        raise UploadError("{name} has more than {limit} rows.", name=name, limit=most_rows)
    width = max([len(header), *(len(_trimmed(record)) for _, record in rows)])
    if width > WIDEST:
        raise UploadError("{name} has more than {limit} columns.", name=name, limit=WIDEST)
    return _squared(header, rows, width, remarks)


def _records(text: str, name: str, delimiter: str, *, most_rows: int, offset: int) -> list[list[str]]:
    if any(line.count(delimiter) > EXCELS_WIDEST for line in io.StringIO(text, newline="")):
        raise UploadError("{name} has more than {limit} columns.", name=name, limit=WIDEST)
    records: list[list[str]] = []
    try:
        for record in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True):
            records.append(record)
            if len(records) > most_rows + HEADER_AMONG:
                raise UploadError("{name} has more than {limit} rows.", name=name, limit=most_rows)
    except csv.Error as error:
        row = len(records) + 1 + offset
        raise UploadError("Row {row} of {name} cannot be read as CSV ({words}).", row=row, name=name, words=error) from None
    return records


def _squared(header: list[str], rows: list[tuple[int, list[str]]], width: int, remarks: list[Remark]) -> Sheet:
    """All rows as wide as the header, and the header without gaps or repetitions."""
    names: list[str] = []
    for place in range(width):
        given = header[place] if place < len(header) else ""
        if not given and not any(len(record) > place and record[place].strip() for _, record in rows):
            names.append("")  # nothing in it
            continue
        wanted = given or f"column {place + 1}"
        name = next(made for nth in range(1, width + 2) if (made := wanted if nth == 1 else f"{wanted} ({nth})") not in names)
        if not given:
            remarks.append(Remark('Column {number} has no name; it was kept as "{name}".', number=place + 1, name=name))
        elif name != given:
            remarks.append(Remark('Two columns are called "{name}"; the later one was kept as "{other}".', name=given, other=name))
        names.append(name)
    filled = [place for place, name in enumerate(names) if name]
    wide = [(number, [*record, *([""] * (width - len(record)))]) for number, record in rows]
    return Sheet([names[place] for place in filled], [(number, [original(record[place]) for place in filled]) for number, record in wide])


def _trimmed(record: Sequence[str]) -> Sequence[str]:
    end = len(record)
    while end and not record[end - 1].strip():
        end -= 1
    return record[:end]


def _delimiter(text: str, known: Callable[[str], bool]) -> str:
    """The one under which most of the names are ours; :class:`csv.Sniffer` where that does not say."""
    try:
        sniffed = csv.Sniffer().sniff(text[:SNIFFED], DELIMITERS).delimiter
    except csv.Error:
        sniffed = ","
    return max([sniffed, *DELIMITERS], key=lambda mark: _names_found(text, mark, known))


def _names_found(text: str, mark: str, known: Callable[[str], bool]) -> int:
    records = csv.reader(io.StringIO(text[:SNIFFED], newline=""), delimiter=mark)
    try:
        return max((sum(known(column_key(original(cell))) for cell in record) for record in islice(records, HEADER_AMONG)), default=0)
    except csv.Error:
        return 0


def _header_at(records: list[list[str]], known: Callable[[str], bool]) -> int | None:
    """Of the first rows the one with most of our names; where none has any, the first that is not empty."""
    counts = [sum(known(column_key(original(cell))) for cell in record) for record in records[:HEADER_AMONG]]
    if any(counts):
        return counts.index(max(counts))
    return next((at for at, record in enumerate(records[:HEADER_AMONG]) if any(cell.strip() for cell in record)), None)
