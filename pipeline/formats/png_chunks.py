"""Text chunks of a PNG file, read and written without decoding a pixel.

Character cards live in ``tEXt`` chunks; some tools write theirs after the pixels, where Pillow does not see them until the picture is
decoded, and Pillow drops them on saving. PNG specification, section 11.3.3.2.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Collection, Iterator, Mapping

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The chunks of a file as (type, data). Raises :class:`ValueError` where it is not a PNG or cut off."""
    if not png.startswith(SIGNATURE):
        raise ValueError("not a PNG file")
    position = len(SIGNATURE)
    while position < len(png):
        if position + 12 > len(png):
            raise ValueError("the PNG file is cut off")
        (length,) = struct.unpack_from(">I", png, position)
        kind = png[position + 4 : position + 8]
        if position + 12 + length > len(png):
            raise ValueError("the PNG file is cut off")
        yield kind, png[position + 8 : position + 8 + length]
        if kind == b"IEND":
            return
        position += 12 + length
    raise ValueError("the PNG file is cut off")


LARGEST_TEXT = 16 << 20
"""Bytes of one text, also of one that is compressed: a bomb of 20 KB holds as much."""


def read_texts(png: bytes, wanted: Collection[str] | None = None) -> dict[str, str]:
    """All texts (``tEXt``, ``zTXt``, ``iTXt``), before and after the pixels, by keyword; of several with one keyword the last counts.
    With *wanted* only those keywords, given in lower case and found in any case, are unpacked.

    Raises :class:`ValueError` where the file is no PNG, cut off, or a text is larger than :data:`LARGEST_TEXT`.
    """
    texts = {}
    for kind, data in chunks(png):
        if kind not in _UNPACK:
            continue
        raw, _, rest = data.partition(b"\0")
        keyword = raw.decode("latin-1")
        if wanted is None:
            texts[keyword] = _UNPACK[kind](rest)
        elif keyword.lower() in wanted:
            texts[keyword.lower()] = _UNPACK[kind](rest)
    return texts


def _plain(rest: bytes) -> str:
    return rest.decode("latin-1")


def _compressed(rest: bytes) -> str:
    return _inflated(rest[1:]).decode("latin-1")


def _international(rest: bytes) -> str:
    packed, text = rest[:1] == b"\1", rest[2:].partition(b"\0")[2].partition(b"\0")[2]
    return (_inflated(text) if packed else text).decode("utf-8", "replace")


_UNPACK = {b"tEXt": _plain, b"zTXt": _compressed, b"iTXt": _international}


def _inflated(data: bytes) -> bytes:
    try:
        unpacker = zlib.decompressobj()
        text = unpacker.decompress(data, LARGEST_TEXT)
    except zlib.error:
        raise ValueError("a text of the PNG file cannot be unpacked") from None
    if unpacker.unconsumed_tail:
        raise ValueError("a text of the PNG file is too large")
    return text


def with_texts(png: bytes, texts: Mapping[str, str]) -> bytes:
    """The same file with *texts* before its pixels, in place of text chunks of any kind that have the same keywords.

    Raises :class:`ValueError` for a text that is not Latin-1 and for a keyword that does not have 1 to 79 bytes of it.
    """
    if any("\0" in keyword or not 1 <= len(keyword) <= 79 for keyword in texts):
        raise ValueError("a keyword has 1 to 79 characters, none of them NUL")
    written = [SIGNATURE]
    placed = False
    for kind, data in chunks(png):
        if kind in (b"tEXt", b"zTXt", b"iTXt") and data.partition(b"\0")[0].decode("latin-1") in texts:
            continue
        if kind in (b"IDAT", b"IEND") and not placed:
            written += [_chunk(b"tEXt", f"{keyword}\0{text}".encode("latin-1")) for keyword, text in texts.items()]
            placed = True
        written.append(_chunk(kind, data))
    return b"".join(written)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
