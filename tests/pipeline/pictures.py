"""Picture files as cameras, other tools and attackers make them."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO

from PIL import Image, ImageDraw, PngImagePlugin

PLACE = "Secret-Street-12"


def scene(mode: str = "RGB", size: tuple[int, int] = (120, 80)) -> Image.Image:
    """Red left, blue right, and a little noise so that files have a length worth cutting."""
    image = Image.merge("RGB", [Image.effect_noise(size, 30) for _ in range(3)])
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, size[0] // 3, size[1]), fill=(220, 20, 20))
    draw.rectangle((size[0] * 2 // 3, 0, size[0], size[1]), fill=(20, 20, 220))
    return image.convert(mode)


def saved(image: Image.Image, kind: str, **options) -> bytes:
    target = BytesIO()
    image.save(target, kind, **options)
    return target.getvalue()


def chunk(kind: bytes, data: bytes, checksum: int | None = None) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data) if checksum is None else checksum)


def png(width: int, height: int, *chunks: bytes, bits: int = 8, colour: int = 0) -> bytes:
    """A PNG by hand: the header, then *chunks*, then the end."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + chunk(b"IEND", b"")


def pixels(row_bytes: int, rows: int) -> bytes:
    """The pixel data of a picture that is all 0."""
    return chunk(b"IDAT", zlib.compress(bytes((row_bytes + 1) * rows), 1))


def wide_webp(width: int, height: int) -> bytes:
    """An extended WebP whose header claims a size."""
    body = b"WEBPVP8X" + struct.pack("<I", 10) + b"\0\0\0\0" + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body += saved(scene(), "WEBP")[12:]
    return b"RIFF" + struct.pack("<I", len(body)) + body


def exif(orientation: int = 1) -> Image.Exif:
    """What a telephone writes, with the place."""
    notes = Image.Exif()
    notes[0x0112] = orientation
    notes[0x010E] = PLACE
    notes.get_ifd(0x8825).update({1: "N", 2: (38.0, 42.0, 1.0), 3: "W", 4: (9.0, 8.0, 2.0), 27: PLACE.encode()})
    return notes


XMP = f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><dc:creator>{PLACE}</dc:creator></x:xmpmeta>'.encode()


def with_notes(kind: str) -> bytes:
    """A picture that says in every place its format has where it was taken."""
    if kind == "PNG":
        texts = PngImagePlugin.PngInfo()
        texts.add_text("Author", PLACE)
        texts.add_text("Comment", PLACE, zip=True)
        texts.add_itxt("XML:com.adobe.xmp", XMP.decode())
        return saved(scene(), "PNG", pnginfo=texts, exif=exif(), icc_profile=PLACE.encode())
    if kind == "WEBP":
        return saved(scene(), "WEBP", exif=exif(), xmp=XMP, icc_profile=PLACE.encode())
    return saved(scene(), "JPEG", exif=exif(), xmp=XMP, comment=PLACE.encode(), icc_profile=PLACE.encode())
