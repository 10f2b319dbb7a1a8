"""Fixtures named after what they are."""

from __future__ import annotations

import pytest

from storage.database import Store


@pytest.fixture
def store(tmp_path):
    opened = Store(tmp_path / "data")
    yield opened
    opened.close()
