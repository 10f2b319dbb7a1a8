"""Zips that are made while they are sent."""

from __future__ import annotations

import io
import zipfile

from pipeline.formats.zips import Entry, zipped


def test_a_zip_grows_piece_by_piece_and_what_is_packed_is_stored_as_it_is():
    taken = []

    def pieces():
        for number in range(3):
            taken.append(number)
            yield b"x" * 200_000

    growing = zipped([Entry("a/one.txt", pieces()), Entry("two.png", [b"y" * 1000], packed=True), Entry("空.txt", [])])
    next(growing)
    assert taken == [0], "nothing is asked for before it can be sent"
    archive = zipfile.ZipFile(io.BytesIO(b"".join(zipped([Entry("a/one.txt", pieces()), Entry("two.png", [b"y" * 1000], packed=True)]))))
    assert archive.testzip() is None
    assert archive.read("a/one.txt") == b"x" * 600_000
    assert [(one.filename, one.compress_type) for one in archive.infolist()] == [
        ("a/one.txt", zipfile.ZIP_DEFLATED),
        ("two.png", zipfile.ZIP_STORED),
    ]


def test_no_entries_are_an_empty_zip():
    assert zipfile.ZipFile(io.BytesIO(b"".join(zipped([])))).namelist() == []
