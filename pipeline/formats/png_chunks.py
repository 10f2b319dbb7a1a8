"""Text chunks of a PNG file, read and written without decoding a pixel.

Character cards live in ``tEXt`` chunks; some tools write theirs after the pixels, where Pillow does not see them until the picture is
decoded, and Pillow drops them on saving. PNG specification, section 11.3.3.2.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping

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


def read_texts(png: bytes) -> dict[str, str]:
    """All ``tEXt`` chunks, before and after the pixels, by keyword; of several with one keyword the last counts."""
    texts = {}
    for kind, data in chunks(png):
        if kind == b"tEXt":
            keyword, _, text = data.partition(b"\0")
            texts[keyword.decode("latin-1")] = text.decode("latin-1")
    return texts


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
