"""Uploads: a bad one is one sentence, a good one becomes three clean files."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import signal
import struct
import subprocess
import sys
import time
import zipfile
import zlib
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import pytest
from pictures import PLACE, chunk, exif, pixels, png, saved, scene, wide_webp, with_notes
from PIL import Image

from errors import UploadError
from pipeline import uploads
from storage.files import Files

ROOT = Path(__file__).resolve().parents[2]
NOT_USABLE = "is not a picture that can be used here. Use PNG, JPEG or WebP."
BROKEN = "cannot be decoded: it is damaged, cut off or not what it claims to be."
LIMITS = "takes too much time or memory to decode. Save it anew as a smaller PNG, JPEG or WebP."
PIXELS = r"has \d+ x \d+ pixels; the limit is 40 megapixels\."


@pytest.fixture
def files(tmp_path):
    return Files(tmp_path / "uploads")


@pytest.fixture
def upload(tmp_path, files):
    """Hands in *content* under *name* and returns what became of it."""

    async def upload(content: bytes, name="picture.png", **options):
        source = tmp_path / "handed in"
        source.write_bytes(content)
        return await uploads.clean(source, name, files, **({"limit_mb": 20} | options))

    return upload


async def refused(uploading) -> str:
    """The sentence with which an upload is refused."""
    with pytest.raises(UploadError) as caught:
        await uploading
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert sentence.endswith(".")
    return sentence


def shown(files, name) -> Image.Image:
    with Image.open(files.path(name)) as image:
        image.load()
        return image


def stored(files):
    return [file for file in files.folder.rglob("*") if file.is_file()]


def children() -> set[str]:
    """The processes that this one has started and that were not waited for."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            parent = (process / "stat").read_text().rpartition(")")[2].split()[1]
            if int(parent) == os.getpid():
                found.add(process.name)
    return found


# Bad files


def zipped() -> bytes:
    target = BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("picture.png", saved(scene(), "PNG"))
    return target.getvalue()


def cut(kind: str, share: float) -> bytes:
    content = saved(scene(), kind)
    return content[: int(len(content) * share)]


def flipped(content: bytes, place: int) -> bytes:
    return content[:place] + bytes([content[place] ^ 255]) + content[place + 1 :]


def claiming(jpeg: bytes) -> bytes:
    """The same JPEG, with another size in its header."""
    place = jpeg.index(b"\xff\xc0\0\x11\x08") + 5
    return jpeg[:place] + b"\xdc\xdc\xdc\xdc" + jpeg[place + 4 :]


def zipped_bomb(size: int = 64 * 2**20) -> bytes:
    return zlib.compress(bytes(size), 9)


GIF = saved(scene("P"), "GIF")
JPEG = saved(scene(), "JPEG")
PNG = saved(scene(), "PNG")
WEBP = saved(scene(), "WEBP")
BAD = {
    "empty": (b"", "is empty."),
    "text": (b"Dear Mara, here is my picture.", NOT_USABLE),
    "nothing but zeros": (bytes(10_000), NOT_USABLE),
    "noise": (os.urandom(10_000), NOT_USABLE),
    "html": (b"<!doctype html><title>403</title><script>alert(1)</script>", NOT_USABLE),
    "svg": (b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>', NOT_USABLE),
    "json": (b'{"spec": "chara_card_v2", "data": {}}', NOT_USABLE),
    "pdf": (b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\n%%EOF", NOT_USABLE),
    "postscript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n(/etc/passwd) run\n", NOT_USABLE),
    "gif": (GIF, NOT_USABLE),
    "bmp": (saved(scene(), "BMP"), NOT_USABLE),
    "tiff": (saved(scene(), "TIFF"), NOT_USABLE),
    "ico": (saved(scene(), "ICO"), NOT_USABLE),
    "jpeg 2000": (b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(200), NOT_USABLE),
    "heic": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(500), NOT_USABLE),
    "avif": (b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf" + bytes(500), NOT_USABLE),
    "video": (b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(500), NOT_USABLE),
    "zip": (zipped(), NOT_USABLE),
    "program": (Path(sys.executable).resolve().read_bytes()[:50_000], NOT_USABLE),
    "signature of a png and no more": (PNG[:8], BROKEN),
    "png cut in its header": (PNG[:20], BROKEN),
    "png cut early": (cut("PNG", 0.2), BROKEN),
    "png cut in the middle": (cut("PNG", 0.5), BROKEN),
    "png cut near its end": (cut("PNG", 0.97), BROKEN),
    "jpeg cut in its header": (JPEG[:30], BROKEN),
    "jpeg cut early": (cut("JPEG", 0.3), BROKEN),
    "jpeg cut in the middle": (cut("JPEG", 0.6), BROKEN),
    "jpeg cut near its end": (cut("JPEG", 0.97), BROKEN),
    "progressive jpeg cut": (saved(scene(), "JPEG", progressive=True)[:1500], BROKEN),
    "webp cut in its header": (WEBP[:16], BROKEN),
    "webp cut in the middle": (cut("WEBP", 0.5), BROKEN),
    "webp cut near its end": (cut("WEBP", 0.97), BROKEN),
    "png with a wrong checksum in its header": (flipped(PNG, 30), BROKEN),
    "png without pixels": (png(10, 10), BROKEN),
    "png whose pixels are not compressed": (png(10, 10, chunk(b"IDAT", b"not zlib at all")), BROKEN),
    "png of width 0": (png(0, 10, pixels(1, 10)), BROKEN),
    "png of height 0": (png(10, 0, pixels(1, 10)), BROKEN),
    "png with an impossible bit depth": (png(10, 10, pixels(10, 10), bits=7), BROKEN),
    "png with an unknown chunk of 2 GB": (PNG[:33] + struct.pack(">I", 2**31 - 1) + b"tEXt" + PNG[33:], BROKEN),
    "png bomb of 13000 x 13000": (png(13_000, 13_000, pixels(1625, 13_000), bits=1), PIXELS),
    "png just above the limit": (png(8_001, 5_000, pixels(1001, 5_000), bits=1), PIXELS),
    "png that claims 2^31 pixels a row": (png(2**31 - 1, 2**31 - 1, pixels(1, 1)), PIXELS),
    "webp that claims 16384 x 16384": (wide_webp(16_384, 16_384), r"has more than 80 megapixels; the limit is 40 megapixels\."),
    "webp that claims 2^24 x 2^8": (wide_webp(2**24, 2**8), r"has more than 80 megapixels; the limit is 40 megapixels\."),
    "jpeg that claims 56540 x 56540": (claiming(JPEG), PIXELS),
    "png with a text bomb": (lambda: png(10, 10, chunk(b"zTXt", b"Comment\0\0" + zipped_bomb()), pixels(10, 10)), BROKEN),
    "png with an international text bomb": (lambda: png(10, 10, chunk(b"iTXt", b"x\0\1\0\0\0" + zipped_bomb()), pixels(10, 10)), BROKEN),
    "png as tall as there is memory": (lambda: png(1, 40_000_000, pixels(2, 40_000_000), colour=4), LIMITS),
}


@pytest.mark.parametrize("case", BAD)
async def test_a_bad_file_is_one_sentence_that_names_it(upload, files, case):
    content, expected = BAD[case]
    content = content() if callable(content) else content
    sentence = await refused(upload(content, "holiday.jpg"))
    assert sentence.startswith("holiday.jpg ")
    assert re.fullmatch(expected if expected.endswith(r"\.") else re.escape(expected), sentence.removeprefix("holiday.jpg "))
    assert not stored(files)


ANY = re.compile(rf"x.png (?:{re.escape(BROKEN)}|{re.escape(NOT_USABLE)}|{PIXELS}|{re.escape(LIMITS)})")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
async def test_a_damaged_file_is_refused_or_shown_but_never_more(upload, kind):
    content = saved(scene(), kind)
    middle = len(content) // 2
    damaged = [flipped(content, place) for place in range(0, len(content), len(content) // 12)]
    damaged += [content[:middle] + os.urandom(middle), content[:middle] + b"\xff\xd9" + os.urandom(3000), content[:middle] * 2]
    for upload_number, bad in enumerate(damaged):
        try:
            assert (await upload(bad, "x.png")).width > 0
        except UploadError as error:
            assert ANY.fullmatch(str(error)), upload_number  # noqa: PT017  either outcome is right


async def test_a_file_above_the_limit_is_told_both_sizes(tmp_path, files):
    source = tmp_path / "big.png"
    source.touch()
    os.truncate(source, 20 * 2**20 + 1)
    assert await refused(uploads.clean(source, "big.png", files, limit_mb=20)) == (
        "big.png has 20.1 MB; the limit is 20 MB (MAX_UPLOAD_MB)."
    )
    os.truncate(source, 200 * 2**20)
    assert "has 200.0 MB; the limit is 0.5 MB" in await refused(uploads.clean(source, "big.png", files, limit_mb=0.5))


async def test_a_file_of_exactly_the_limit_is_looked_at(upload):
    content = JPEG + bytes(2**20 - len(JPEG))
    assert (await upload(content, limit_mb=1)).width == 120


def leave_missing(place: Path) -> None:
    assert not place.exists()


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda place: place.mkdir(), "x.png is not a file."),
        (leave_missing, "x.png cannot be read. Choose it again."),
        (os.mkfifo, "x.png is not a file."),
        (lambda place: place.symlink_to("/dev/zero"), "x.png is not a file."),
        (lambda place: place.symlink_to("/nowhere"), "x.png cannot be read. Choose it again."),
        (lambda place: place.symlink_to(place), "x.png cannot be read. Choose it again."),
    ],
    ids=["a folder", "missing", "a pipe", "a device", "a dangling link", "a link to itself"],
)
async def test_what_is_no_file_is_never_waited_for(tmp_path, files, make, expected):
    make(tmp_path / "x.png")
    async with asyncio.timeout(2):
        assert await refused(uploads.clean(tmp_path / "x.png", "x.png", files, limit_mb=20)) == expected


async def test_a_path_that_cannot_be_one_is_a_sentence(files):
    assert await refused(uploads.clean(Path("x\0y"), "x", files, limit_mb=20)) == "x cannot be read. Choose it again."
    assert await refused(uploads.clean(Path("x" * 5000), "x", files, limit_mb=20)) == "x cannot be read. Choose it again."


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\ann\\cat.png", "cat.png"),
        ("/", "The file"),
        ("", "The file"),
        ("a\nb\r\x1b[31m\0.png", "ab[31m.png"),
        ("<img src=x onerror=alert(1)>.png", "<img src=x onerror=alert(1)>.png"),  # text; whoever shows it escapes it
        ("{name} {0} %s.png", "{name} {0} %s.png"),
        ("cat\u202egnp.exe", "catgnp.exe"),
        ("夜のパン屋.png", "夜のパン屋.png"),
        ("x" * 300 + ".png", "x" * 60 + "…" + "x" * 15 + ".png"),
    ],
)
async def test_a_hostile_name_is_one_short_line(upload, name, said):
    assert await refused(upload(b"no picture", name)) == f"{said} {NOT_USABLE}"


async def test_bad_files_do_not_hold_up_good_ones(tmp_path, files):
    handed_in = []
    for number, content in enumerate([PNG, b"", JPEG, GIF, cut("PNG", 0.5), WEBP]):
        (tmp_path / str(number)).write_bytes(content)
        handed_in.append(uploads.clean(tmp_path / str(number), f"{number}.png", files, limit_mb=20))
    outcomes = await asyncio.gather(*handed_in, return_exceptions=True)
    assert [isinstance(outcome, UploadError) for outcome in outcomes] == [False, True, False, True, True, False]


# Good files


GOOD = {
    "png": PNG,
    "jpeg": JPEG,
    "webp": WEBP,
    "webp without loss": saved(scene(), "WEBP", lossless=True),
    "progressive jpeg": saved(scene(), "JPEG", progressive=True),
    "grey jpeg": saved(scene("L"), "JPEG"),
    "cmyk jpeg": saved(scene("CMYK"), "JPEG"),
    "palette png": saved(scene("P"), "PNG"),
    "grey png with alpha": saved(scene("LA"), "PNG"),
    "png with alpha": saved(scene("RGBA"), "PNG"),
    "webp with alpha": saved(scene("RGBA"), "WEBP"),
    "black and white png": saved(scene("1"), "PNG"),
    "grey png of 16 bits": saved(scene("L").convert("I;16"), "PNG"),
    "colour png of 16 bits": png(120, 80, pixels(720, 80), bits=16, colour=2),
    "jpeg with rubbish behind its end": JPEG + os.urandom(5000),
    "jpeg with damaged notes": saved(scene(), "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff rubbish"),
    "jpeg named as a png": JPEG,
}


@pytest.mark.parametrize("case", GOOD)
async def test_a_good_file_becomes_three_jpeg_files(upload, files, case):
    picture = await upload(GOOD[case])
    assert (picture.width, picture.height) == (120, 80)
    for name in (picture.kept, picture.seen, picture.thumb):
        image = shown(files, name)
        assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (120, 80))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "CMYK"])
async def test_colours_stay_what_they_are(upload, files, mode):
    kind = "JPEG" if mode == "CMYK" else "PNG"
    image = shown(files, (await upload(saved(scene(mode), kind))).kept)
    left, right = image.getpixel((15, 40)), image.getpixel((105, 40))
    assert left[0] > 170
    assert left[2] < 90
    assert right[2] > 170
    assert right[0] < 90


async def test_sixteen_bits_of_grey_keep_their_brightness(upload, files):
    rows = b"".join(b"\0" + struct.pack(">2H", 0x2000, 0xC000) for _ in range(2))
    image = shown(files, (await upload(png(2, 2, chunk(b"IDAT", zlib.compress(rows)), bits=16))).kept)
    assert abs(image.getpixel((0, 0))[0] - 0x20) < 12
    assert abs(image.getpixel((1, 0))[0] - 0xC0) < 12


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
async def test_what_is_transparent_becomes_white(upload, files, mode):
    image = Image.new("RGBA", (40, 40), (0, 0, 0, 0)).convert(mode) if mode != "P" else Image.new("P", (40, 40), 0)
    content = saved(image, "PNG", **({"transparency": 0} if mode == "P" else {}))
    assert shown(files, (await upload(content)).kept).getpixel((20, 20)) == (255, 255, 255)


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
async def test_of_an_animation_the_first_frame_is_kept(upload, files, kind):
    frames = [Image.new("RGB", (40, 40), colour) for colour in ("red", "lime", "blue")]
    content = saved(
        frames[0], kind, save_all=True, append_images=frames[1:], duration=100, **({"lossless": True} if kind == "WEBP" else {})
    )
    red, green, blue = shown(files, (await upload(content)).kept).getpixel((20, 20))
    assert red > 240
    assert max(green, blue) < 20


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
async def test_a_picture_is_turned_upright_as_its_camera_noted(upload, files, kind, orientation):
    upright = scene()
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # what a camera that was held like this stores: Image.Transpose
    turned = upright.transpose(Image.Transpose(undo[orientation])) if orientation > 1 else upright
    picture = await upload(saved(turned, kind, exif=exif(orientation)))
    assert (picture.width, picture.height) == (120, 80)
    left, right = (shown(files, picture.kept).getpixel((x, 40)) for x in (15, 105))
    assert left[0] > 170 > left[2]
    assert right[2] > 170 > right[0]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
async def test_nothing_of_what_a_file_says_beside_its_pixels_is_kept(upload, files, kind):
    content = with_notes(kind)
    assert content.count(PLACE.encode()) >= 3, "the test hides it in several places"
    picture = await upload(content)
    for name in (picture.kept, picture.seen, picture.thumb):
        kept = files.path(name).read_bytes()
        for trace in (PLACE.encode(), b"Exif", b"http://ns.adobe.com", b"xmpmeta", b"ICC_PROFILE", b"\xff\xfe"):
            assert trace not in kept.split(b"\xff\xda")[0], trace  # before the pixels begin
        assert PLACE.encode() not in kept
        image = shown(files, name)
        assert not image.getexif()
        assert set(image.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}


async def test_large_pictures_are_kept_seen_and_listed_in_three_sizes(upload, files):
    picture = await upload(saved(scene(size=(3000, 2000)), "JPEG"))
    assert (picture.width, picture.height) == (2048, 1365)
    assert [shown(files, name).size for name in (picture.kept, picture.seen, picture.thumb)] == [(2048, 1365), (1024, 683), (320, 213)]


@pytest.mark.parametrize("size", [(1, 40_000), (40_000, 1), (1, 1)])
async def test_a_picture_of_any_shape_is_taken(upload, size):
    picture = await upload(saved(Image.new("RGB", size), "PNG"))
    assert max(picture.width, picture.height) == min(2048, max(size))
    assert min(picture.width, picture.height) == 1


async def test_a_picture_that_compresses_badly_is_taken(upload):
    noise = Image.merge("RGB", [Image.frombytes("L", (2048, 1500), os.urandom(2048 * 1500)) for _ in range(3)])
    assert (await upload(saved(noise, "JPEG", quality=95))).width == 2048


def on_canvas(width: int, height: int) -> bytes:
    """An animated WebP with alpha whose small frames lie on a canvas of this size."""
    frames = [Image.new("RGBA", (40, 40), (0, 120, 120, alpha)) for alpha in (90, 200)]
    content = saved(frames[0], "WEBP", save_all=True, append_images=frames[1:], duration=100)
    assert content[12:16] == b"VP8X"
    return content[:24] + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little") + content[30:]


LARGEST = {
    "png with alpha": lambda: png(8000, 5000, pixels(32_000, 5000), colour=6),
    "grey png of 16 bits": lambda: png(8000, 5000, pixels(16_000, 5000), bits=16),
    "animated webp with alpha": lambda: on_canvas(8000, 5000),
    "progressive jpeg": lambda: saved(Image.new("RGB", (8000, 5000), "teal"), "JPEG", progressive=True),
}


@pytest.mark.parametrize("case", LARGEST)
async def test_a_picture_at_the_limit_of_40_megapixels_is_taken(upload, case):
    picture = await upload(LARGEST[case]())
    assert (picture.width, picture.height) == (2048, 1280)


async def test_what_was_decoded_once_is_remembered_by_its_content(upload, monkeypatch):
    known = {}
    first = await upload(PNG, "one.png", known=known)
    monkeypatch.setattr(uploads, "DECODER", Path("/nowhere"))
    assert await upload(PNG, "another name.png", known=known) == first
    assert len(known) == 1


async def test_only_so_much_is_remembered(upload, monkeypatch):
    monkeypatch.setattr(uploads, "REMEMBERED", 2)
    known = {}
    pictures = [await upload(saved(Image.new("L", (10, 10), shade), "PNG"), known=known) for shade in (0, 100, 200)]
    assert list(known.values()) == pictures[1:]


async def test_what_was_refused_is_not_remembered(upload):
    known = {}
    await refused(upload(GIF, known=known))
    assert known == {}


# The decoder's limits


async def test_its_memory_is_limited(upload, monkeypatch):
    content = png(7000, 5000, pixels(21_000, 5000), colour=2)
    assert (await upload(content)).width == 2048
    monkeypatch.setattr(uploads, "MEMORY", 200 * 2**20)
    assert await refused(upload(content, "big.png")) == f"big.png {LIMITS}"


async def test_its_time_is_limited_and_it_is_not_left_behind(upload, monkeypatch):
    before = children()
    monkeypatch.setattr(uploads, "SECONDS", 0.3)
    began = time.monotonic()
    assert await refused(upload(png(7000, 5000, pixels(21_000, 5000), colour=2), "slow.png")) == f"slow.png {LIMITS}"
    assert time.monotonic() - began < 2
    assert children() <= before


def test_its_processor_time_is_limited_by_the_kernel():
    spins = """
import io
from pipeline import decoding
decoding._three_sizes = lambda _: [0 for _ in iter(int, 1)]
decoding._main(io.BytesIO(), 1 << 30, 1)
"""
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", spins], cwd=ROOT, check=False, capture_output=True, timeout=20)
    assert done.returncode in (-signal.SIGKILL, -signal.SIGXCPU)
    assert uploads._how_it_died(done.returncode, b"") == "limits"
    assert time.monotonic() - began < 10


async def test_an_upload_that_is_given_up_leaves_no_decoder_behind(upload):
    before = children()
    uploading = asyncio.ensure_future(upload(png(7000, 5000, pixels(21_000, 5000), colour=2)))
    await asyncio.sleep(0.2)
    assert not uploading.done()
    assert not children() <= before
    uploading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await uploading
    assert children() <= before


async def test_a_decoder_that_crashes_over_a_file_blames_the_file(upload, tmp_path, monkeypatch):
    decoder = tmp_path / "crashes.py"
    decoder.write_text("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    monkeypatch.setattr(uploads, "DECODER", decoder)
    assert await refused(upload(PNG, "x.png")) == f"x.png {BROKEN}"


async def test_a_decoder_that_does_not_work_at_all_does_not_blame_the_file(upload, tmp_path, monkeypatch, caplog):
    decoder = tmp_path / "broken.py"
    decoder.write_text("import there_is_no_pillow_here")
    monkeypatch.setattr(uploads, "DECODER", decoder)
    with caplog.at_level(logging.ERROR):
        sentence = await refused(upload(PNG, "x.png"))
    assert sentence == "x.png could not be looked at, because the decoder of pictures does not work here. The log says why."
    assert "there_is_no_pillow_here" in caplog.text


async def test_the_decoder_imports_nothing_from_where_it_runs_or_from_the_environment(upload, tmp_path, monkeypatch):
    (tmp_path / "PIL.py").write_text("raise SystemExit('not this one')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PYTHONSTARTUP", str(tmp_path / "PIL.py"))
    monkeypatch.chdir(tmp_path)
    assert (await upload(PNG)).width == 120
