"""What is logged in a worker stands in the log of the pool's process, and no secret with it."""

from __future__ import annotations

import logging

import pytest

import logs
from gpu_pool.problems import PoolError
from gpu_pool.tasks import WorkerState
from tests.gpu_pool.conftest import until_view

PASSWORD = "correct-horse"  # noqa: S105
KEY = "sk-proj-0123456789abcdef"
"""Looks like one, and nobody has said that it is."""


@pytest.fixture
def lines(caplog):
    """The records of this process, which keeps the password out of its log."""
    before = logging.getLogRecordFactory()
    logs.keep_out([PASSWORD])
    caplog.set_level(logging.INFO)
    yield caplog
    logging.setLogRecordFactory(before)


async def test_an_engine_that_logs_a_secret_is_told_with_its_worker_and_without_the_secret(makes, lines, capfd):
    pool = await makes.pool()
    await pool.submit(makes.task("one", f"log {PASSWORD} and {KEY}"))
    said = [record for record in lines.records if record.name == "some.package"]
    assert [record.getMessage() for record in said] == ["worker 0: it said [redacted] and [redacted]"]
    assert said[0].levelno == logging.WARNING
    assert "UserWarning: [redacted] and [redacted]" in lines.text
    assert not any(secret in written for secret in (PASSWORD, KEY) for written in (lines.text, *capfd.readouterr()))


async def test_a_traceback_comes_along_without_the_secret(makes, lines, capfd):
    pool = await makes.pool()
    with pytest.raises(PoolError):
        await pool.submit(makes.task("one", f"say wrong key {PASSWORD}"))
    assert "worker 0: could not draw one" in lines.text
    assert "Traceback" in lines.text
    assert "RuntimeError: wrong key [redacted]" in lines.text
    assert not any(PASSWORD in written for written in (lines.text, *capfd.readouterr()))


async def test_an_endless_line_is_cut_and_the_worker_lives_on(makes, lines):
    pool = await makes.pool()
    await pool.submit(makes.task("one", "log " + "\U0001f600" * 9000))
    said = next(record for record in lines.records if record.name == "some.package")
    assert 900 < len(said.getMessage()) < 1100
    assert (await pool.submit(makes.task("two"))).path.exists()


async def test_a_wrong_model_is_a_sentence_and_no_traceback(makes, lines):
    pool = await makes.pool(needs=str(makes.gate("model")))
    await until_view(pool, lambda view: view.workers[0].state is WorkerState.FAILED)
    assert "IMAGE_MODEL" in lines.text
    assert "Traceback" not in lines.text
