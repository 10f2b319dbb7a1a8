"""Files that a job on tweets is begun with: the job takes them in, whoever runs it."""

from __future__ import annotations

import asyncio
import json
import threading

import pytest
import seven_outputs
from tweeting import finished

from pipeline.formats import cards
from pipeline.formats.json_out import as_json
from pipeline.job_files import JobFiles
from pipeline.tweet_steps import Source

DAYS = {f"2026-07-0{day}": {"topic_type": "daily", "theme": f"the sea on day {day}", "recommended_time": "09:00"} for day in (1, 2, 3)}


@pytest.fixture
def file(tmp_path):
    """Writes a file and returns its path."""

    def file(name, value):
        path = tmp_path / "files" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(value if isinstance(value, bytes) else json.dumps(value).encode())
        return path

    return file


def person(name, **data):
    outputs = {**seven_outputs.outputs(), "core": seven_outputs.core(name=name)}
    made = cards.card_v2(outputs, name=name, persona_id=f"elsewhere-{name}", disclosure="AI", language="English")
    made["data"] |= data
    return as_json(made)


async def ordered(studio, files, count=2):
    orders = await studio.files.orders(files, count)
    return orders, await finished(studio, await studio.tweets.start(orders))


def states(batch):
    return {row["name"]: (row["file"], row["tweets"]["done"], row["failed"]) for row in batch["personas"]}


async def test_a_job_takes_its_files_in_and_writes_from_them(open_studio, file, writer_url):
    files = [(file("a.json", person("Ada")), file("days.json", {"calendar": DAYS})), (file("b.json", person("Bea")), None)]
    async with open_studio(writer_url) as studio:
        orders, batch = await ordered(studio, files)
        assert [order.source for order in orders] == [Source(str(files[0][0]), str(files[0][1])), Source(str(files[1][0]))]
        assert (batch["status"], batch["title"], states(batch)) == (
            "done",
            "2 personas, 4 tweets",
            {"Ada": ("done", 2, 0), "Bea": ("done", 2, 0)},
        )
        assert (batch["total"], batch["done"]) == (5, 5), "four tweets and a calendar: what was taken in is no work"
        written = json.loads(await studio.files.tweets_of_job(batch["id"], orders[0].persona_id, 2))
        assert [tweet["date"] for tweet in written["tweets"]] == ["2026-07-01", "2026-07-02"]


async def test_what_was_taken_in_is_known_again_and_of_equal_files_each_is_a_persona_of_its_own(open_studio, file, writer_url):
    same = [(file(f"{number}.json", person("Mara")), None) for number in range(6)]
    files = [*same, (file("other.json", person("Mara", odd=1)), None)]
    async with open_studio(writer_url) as studio:
        (first, _), (again, batch) = await ordered(studio, files, 1), await ordered(studio, files, 1)
        assert len({order.persona_id for order in first}) == 7
        assert [order.source for order in again] == [None] * 7
        assert {order.persona_id for order in again[:6]} == {order.persona_id for order in first[:6]}
        assert again[6].persona_id == first[6].persona_id
        assert {row["file"] for row in batch["personas"]} == {None}
        (order,) = await studio.files.orders([(files[6][0], file("days.json", {"calendar": DAYS}))], 1)
        assert (order.persona_id, order.source.persona) == (first[6].persona_id, ""), "its calendar alone is taken in"
        assert (await finished(studio, await studio.tweets.start([order])))["status"] == "done"


async def test_bad_files_fail_alone_with_a_reason_and_can_be_put_right(open_studio, file, writer_url):
    good, days = file("good.json", person("Ada")), file("days.json", {"calendar": DAYS})
    broken, gone, bad_days = file("broken.json", b"{nonsense"), file("gone.json", person("Gil")), file("bad days.json", [])
    huge = file("huge.json", bytes(2 << 20))
    whose = file("whose.json", person("Wil"))
    async with open_studio(writer_url, max_upload_mb=1) as studio:
        orders = await studio.files.orders([(good, days), (broken, None), (gone, None), (whose, bad_days), (huge, None)], 2)
        gone.unlink()
        batch = await finished(studio, await studio.tweets.start(orders))
        assert batch["status"] == "failed"
        assert states(batch) == {
            "Ada": ("done", 2, 0),
            **dict.fromkeys(("broken.json", "gone.json", "whose.json", "huge.json"), ("failed", 0, 1)),
        }
        assert batch["tweets"] == {"total": 10, "done": 2, "failed": 0, "running": 0, "blocked": 8}
        assert {failure["name"]: (failure["what"], failure["kind"]) for failure in batch["failures"]} == {
            "broken.json": ("intake", "persona"),
            "gone.json": ("intake", "persona"),
            "whose.json": ("intake", "calendar file"),
            "huge.json": ("intake", "persona"),
        }
        reasons = {failure["name"]: failure["reason"] for failure in batch["failures"]}
        assert reasons["gone.json"] == "gone.json is not a file."
        assert reasons["whose.json"].startswith("bad days.json ")
        assert reasons["huge.json"] == "huge.json has 2.0 MB; the limit is 1 MB (MAX_UPLOAD_MB)."
        assert len(await studio.personas()) == 1, "nobody is half there"

        for path, name in ((broken, "Bob"), (gone, "Gil"), (huge, "Hal")):
            path.write_bytes(person(name))
        bad_days.write_bytes(days.read_bytes())
        assert await studio.resume(batch["id"])
        batch = await finished(studio, batch["id"])
        assert (batch["status"], batch["tweets"]["done"]) == ("done", 10)
        assert set(states(batch)) == {"Ada", "Bob", "Gil", "Wil", "Hal"}


async def test_what_a_stopped_process_has_not_taken_in_is_taken_in_by_the_next(open_studio, file, offline_server):
    server = offline_server("--latency", "0.2")
    files = [(file(f"{number}.json", person(f"Mara {number}")), file("days.json", {"calendar": DAYS})) for number in range(12)]
    async with open_studio(server.url) as studio:
        orders = await studio.files.orders(files, 2)
        job_id = await studio.tweets.start(orders)
        async for event in studio.watch(job_id):
            if (event.kind, event.stage, event.status) == ("step", "intake", "done"):
                break
        await studio.drain(0)
        before = await studio.tweets.batch(job_id)
        left = [row["name"] for row in before["personas"] if row["file"] != "done"]
        assert (len(before["personas"]), before["status"]) == (12, "running")
        assert left, "else nothing is tested"
        assert all(name.endswith(".json") for name in left)
    async with open_studio(server.url) as studio:
        assert await studio.resume(job_id)
        batch = await finished(studio, job_id)
        assert (batch["status"], batch["tweets"]["done"]) == ("done", 24)
        assert sorted(states(batch)) == sorted(f"Mara {number}" for number in range(12))
        assert [row["id"] for row in batch["personas"]] == [order.persona_id for order in orders]


async def test_a_persona_that_is_deleted_while_its_calendar_is_taken_in_is_gone(open_studio, file, writer_url, monkeypatch):
    ada, days = file("a.json", person("Ada")), file("days.json", {"calendar": DAYS})
    reading, deleted = threading.Event(), threading.Event()
    content = JobFiles._content

    def slowly(self, path):
        if path == days:
            reading.set()
            assert deleted.wait(10)
        return content(self, path)

    async with open_studio(writer_url) as studio:
        await ordered(studio, [(ada, None)], 1)
        orders = await studio.files.orders([(ada, days)], 1)
        monkeypatch.setattr(JobFiles, "_content", slowly)
        job_id = await studio.tweets.start(orders)
        assert await asyncio.to_thread(reading.wait, 10)
        await studio.people.delete(orders[0].persona_id)
        deleted.set()
        batch = await finished(studio, job_id)
        assert (batch["status"], batch["personas"], batch["failures"]) == ("cancelled", [], [])
        assert await studio.personas() == []
