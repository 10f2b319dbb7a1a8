"""Tweets and calendars from the command line: a process of its own, real HTTP, a real database."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter

import pytest

from pipeline.formats import cards
from pipeline.formats.json_out import as_json
from tests.pipeline import seven_outputs
from tests.shell import SAMPLES, at, until

COUNT, EACH = 6, 4
ALL = COUNT * EACH
SLOTS = 6


@pytest.fixture
def people(shell):
    """Names of persona files that lie in the working folder."""

    def people(count=COUNT):
        (shell.folder / "people").mkdir(exist_ok=True)
        return [persona_file(shell, number) for number in range(count)]

    return people


def persona_file(shell, number):
    outputs = {**seven_outputs.outputs(), "core": seven_outputs.core(name=f"Mara {number}")}
    card = cards.card_v2(outputs, name=f"Mara {number}", persona_id=f"elsewhere-{number}", disclosure="AI", language="English")
    file = shell.folder / "people" / f"mara{number}.json"
    file.write_bytes(as_json(card))
    return f"people/{file.name}"


def calendar_file(shell, name, days):
    plan = {"topic_type": "daily", "theme": "the sea", "content_direction": "what the sea did", "recommended_time": "09:00"}
    body = {"persona_name": "Mara", "calendar": {day: {**plan, "theme": f"the sea on {day}"} for day in days}}
    (shell.folder / name).write_text(json.dumps(body))
    return name


def batch(files, *more):
    return ("--batch-mode", "--personas", *files, "--tweets", EACH, "--max-concurrent", SLOTS, *more)


def tweets_in(shell, name):
    return json.loads((shell.folder / name).read_text())


def rows(shell):
    return shell.rows("SELECT persona_id, slot, json_extract(plan, '$.date') AS day, text FROM tweets")


def answered(server):
    return Counter(line["schema"] for line in server.log("end") if line["outcome"] == "ok")


def assert_whole(shell):
    """Every tweet there once, no plan used twice, every file there."""
    found = rows(shell)
    assert len(found) == ALL
    assert set(Counter(row["persona_id"] for row in found).values()) == {EACH}
    assert len({(row["persona_id"], row["day"]) for row in found}) == ALL
    assert shell.files("output") == [f"mara{number}_tweets.json" for number in range(COUNT)]
    for number in range(COUNT):
        written = tweets_in(shell, f"output/mara{number}_tweets.json")
        assert [tweet["slot"] for tweet in written["tweets"]] == [1, 2, 3, 4]
        assert "incomplete" not in written


def test_one_broken_file_fails_and_the_others_go_on(shell, people, writer_url):
    (shell.folder / "broken.json").write_text("{nonsense")
    files = people()
    done = shell.run(*batch([*files[:3], "broken.json", *files[3:], "gone.json"], "--json", "--api-base", writer_url))
    assert done.returncode == 1, done.stderr
    report = json.loads(done.stdout)
    assert (report["status"], report["done"], report["resume"]) == ("failed", COUNT, [shell.job_id()])
    reasons = {failure["persona"]: failure["reason"] for failure in report["failed"]}
    assert set(reasons) == {"broken.json", "gone.json"}
    assert all(reason.startswith(name) and reason.endswith(".") for name, reason in reasons.items())
    assert report["calls"] == ALL + COUNT
    assert report["tokens"] > 0
    assert [made["file"] for made in report["batches"]] == [f"output/mara{number}_tweets.json" for number in range(COUNT)]
    assert {(made["what"], made["status"], made["done"], made["asked"]) for made in report["batches"]} == {("tweets", "complete", 4, 4)}
    assert_whole(shell)
    written = tweets_in(shell, "output/mara0_tweets.json")
    assert (written["version"], written["ai_generated"], written["persona"]["name"]) == ("1.0", True, "Mara 0")
    assert written["disclosure"]
    assert all({"time_segment", "topic_type", "tweet_text", "image_generation"} <= set(tweet) for tweet in written["tweets"])
    assert f"{COUNT} of {COUNT + 2} personas done ({ALL} tweets written)" in done.stderr
    assert "broken.json: taking it in failed: broken.json is not JSON" in done.stderr

    (shell.folder / "broken.json").write_bytes((shell.folder / files[0]).read_bytes())
    mended = shell.run("--resume", "--json", "--api-base", writer_url)
    assert mended.returncode == 0, mended.stderr
    assert [made["file"] for made in json.loads(mended.stdout)["batches"] if made["persona"] == "broken.json"] == [
        "output/broken_tweets.json"
    ]
    assert json.loads(mended.stdout)["calls"] == EACH + 1


def test_a_job_whose_file_stays_bad_can_be_put_to_rest(shell, people, writer_url):
    (shell.folder / "broken.json").write_text("{nonsense")
    assert shell.run(*batch([*people(1), "broken.json"], "--api-base", writer_url)).returncode == 1
    again = shell.run("--resume", "--api-base", writer_url)
    assert (again.returncode, again.stdout) == (1, ""), "the file that was written is left alone"
    ended = shell.rows("SELECT finished_at FROM jobs")
    assert shell.run("--cancel", shell.job_id()).returncode == 0
    assert shell.rows("SELECT finished_at FROM jobs") == ended, "it took no longer than it did"
    after = shell.run("--resume", "--api-base", writer_url)
    assert (after.returncode, after.stderr.endswith("There is nothing to go on with.\n")) == (0, True)
    assert "1 of 2 personas done (4 tweets written)" in again.stderr


def test_a_file_that_was_taken_in_elsewhere_meanwhile_is_not_taken_in_twice(shell, people, offline_server):
    server = offline_server("--latency", "60")
    files = people(2)
    running = shell.start("--persona", files[0], "--tweets", "1", "--max-concurrent", "1", *at(server))
    until(lambda: server.log("begin"))
    running.end(signal.SIGKILL)
    # As if it had been killed before its file was taken in.
    shell.change("DELETE FROM personas")
    shell.change("UPDATE steps SET status = 'waiting', owner = NULL, lease_until = NULL, finished_at = NULL WHERE stage = 'intake'")
    server.behave(latency=0)
    assert shell.run("--persona", files[0], "--tweets", "1", *at(server)).returncode == 0
    resumed = shell.run("--resume", *at(server))
    assert resumed.returncode == 1
    assert "mara0.json has been taken in by another job meanwhile, as the persona Mara 0." in resumed.stderr
    assert shell.rows("SELECT count(*) AS n FROM personas") == [{"n": 1}]
    assert shell.rows("SELECT count(*) AS n FROM tweets") == [{"n": 1}]


def test_the_same_file_is_the_same_persona(shell, people, writer_url):
    (file,) = people(1)
    for _ in range(2):
        done = shell.run("--persona", file, "--tweets-count", "2", "--api-base", writer_url)
        assert done.returncode == 0, done.stderr
    assert shell.rows("SELECT count(*) AS n FROM personas") == [{"n": 1}]
    twice = shell.run(*batch([file, file], "--api-base", writer_url))
    assert twice.returncode == 0, twice.stderr
    assert sorted(twice.stdout.splitlines()) == ["output/mara0_tweets-2.json", "output/mara0_tweets.json"]
    assert shell.rows("SELECT count(*) AS n FROM personas") == [{"n": 2}]


def test_a_persona_written_here_is_not_taken_in_again(shell, writer_url):
    (shell.folder / "face.jpg").write_bytes((SAMPLES / "tide-keeper.jpg").read_bytes())
    made = shell.run("--generate-persona", "--image", "face.jpg", "--api-base", writer_url)
    done = shell.run("--persona", made.stdout.strip(), "--tweets", "1", "--api-base", writer_url)
    assert done.returncode == 0, done.stderr
    assert shell.rows("SELECT count(*) AS n FROM personas") == [{"n": 1}]


def test_calendars_are_matched_in_order(shell, people, writer_url):
    files = people(3)
    months = [calendar_file(shell, f"month{number}.json", [f"2026-0{number}-0{day}" for day in (1, 2, 3, 4)]) for number in (1, 2, 3)]
    (shell.folder / "month2.json").write_text("[]")
    done = shell.run(*batch(files, "--calendars", *months, "--output-dir", "out", "--json", "--api-base", writer_url))
    assert done.returncode == 1
    report = json.loads(done.stdout)
    assert report["calls"] == 2 * EACH
    (failure,) = report["failed"]
    assert (failure["persona"], failure["kind"]) == ("mara1.json", "calendar file")
    assert shell.files("out") == ["mara0_tweets.json", "mara2_tweets.json"]
    for number, month in ((0, "01"), (2, "03")):
        written = tweets_in(shell, f"out/mara{number}_tweets.json")
        assert [tweet["date"] for tweet in written["tweets"]] == [f"2026-{month}-0{day}" for day in (1, 2, 3, 4)]


def test_one_persona_with_its_calendar(shell, people, writer_url):
    (file,) = people(1)
    days = calendar_file(shell, "days.json", ["2026-07-01", "2026-07-02"])
    done = shell.run("--persona", file, "--calendar", days, "--tweets", "5", "--api-base", writer_url)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "output/mara0_tweets.json\n"
    dates = [tweet["date"] for tweet in tweets_in(shell, "output/mara0_tweets.json")["tweets"]]
    assert dates == ["2026-07-01", "2026-07-02", "2026-07-01", "2026-07-02", "2026-07-01"]
    assert shell.rows("SELECT priority FROM jobs") == [{"priority": 0}]


def test_a_calendar_is_written(shell, people, writer_url):
    (file,) = people(1)
    made = shell.run("--generate-calendar", "--persona", file, "--days", "15", "--start", "2026-07-01", "--api-base", writer_url)
    assert made.returncode == 0, made.stderr
    assert made.stdout == "output/mara0_calendar.json\n"
    days = list(tweets_in(shell, "output/mara0_calendar.json")["calendar"])
    assert (len(days), days[0], days[-1]) == (15, "2026-07-01", "2026-07-15")
    assert shell.rows("SELECT count(*) AS n FROM tweets") == [{"n": 0}]
    assert tweets_in(shell, "output/mara0_calendar.json")["ai_generated"] is True
    assert tweets_in(shell, "output/mara0_calendar.json")["disclosure"].startswith("Fictional AI persona")
    used = shell.run("--persona", file, "--calendar", "output/mara0_calendar.json", "--tweets", "1", "--json", "--api-base", writer_url)
    assert used.returncode == 0, used.stderr
    assert json.loads(used.stdout)["calls"] == 1


@pytest.mark.parametrize(("name", "begins"), [("july.csv", '"date","weekday",'), ("plans/July.ICS", "BEGIN:VCALENDAR"), ("july.json", "{")])
def test_the_ending_of_its_file_says_as_what_a_calendar_is_written(shell, people, writer_url, name, begins):
    (file,) = people(1)
    asked = ("--days", "2", "--start", "2026-07-01", "--calendar-output", name)
    made = shell.run("--generate-calendar", "--persona", file, *asked, "--api-base", writer_url)
    assert made.returncode == 0, made.stderr
    assert made.stdout == f"{name}\n"
    written = (shell.folder / name).read_text("utf-8-sig")
    assert written.startswith(begins)
    assert "2026-07-01" in written or "DTSTART;TZID=Europe/Stockholm:20260701T" in written
    assert "output" not in shell.files()


def test_a_calendar_does_not_replace_the_persona_that_it_is_for(shell, people):
    (file,) = people(1)
    before = (shell.folder / file).read_bytes()
    done = shell.run("--generate-calendar", "--persona", file, "--calendar-output", file)
    assert done.returncode == 2
    assert "is read by the same command" in done.stderr
    assert (shell.folder / file).read_bytes() == before


def test_a_calendar_that_was_interrupted_is_written_as_what_was_asked_for(shell, people, offline_server):
    server = offline_server("--latency", "0.5")
    (file,) = people(1)
    running = shell.start("--generate-calendar", "--persona", file, "--days", "2", "--calendar-output", "july.ics", *at(server))
    until(lambda: server.log("begin"))
    running.process.kill()
    running.process.wait(10)
    server.behave(latency=0)
    assert shell.run("--resume", *at(server)).returncode == 0
    assert (shell.folder / "july.ics").read_bytes().startswith(b"BEGIN:VCALENDAR")


@pytest.mark.parametrize("moment", [3, 14])
def test_killed_it_goes_on_and_no_tweet_is_written_twice(shell, people, offline_server, moment):
    server = offline_server("--latency", "0.3")
    running = shell.start(*batch(people(), *at(server)))
    until(lambda: answered(server).total() >= moment)
    running.end(signal.SIGKILL)
    (job,) = shell.jobs()
    assert (job["status"], job["can_resume"], job["kind"]) == ("interrupted", True, "tweets")
    resumed = shell.run("--resume", "--max-concurrent", SLOTS, *at(server))
    assert resumed.returncode == 0, resumed.stderr
    assert_whole(shell)
    assert sum(line["event"] == "begin" for line in server.log()) - (ALL + COUNT) <= SLOTS
    assert shell.run("--resume").stderr.endswith("There is nothing to go on with.\n")


def test_killed_while_files_are_taken_in_it_goes_on_with_the_rest(shell, people, offline_server):
    server = offline_server("--latency", "0.05")
    files = people(200)
    days = [calendar_file(shell, "days.json", ["2026-07-01"])] * 200
    running = shell.start("--batch-mode", "--personas", *files, "--calendars", *days, "--tweets", "1", *at(server))
    until(lambda: (shell.folder / "data" / "studio.db").exists() and taken_in(shell))
    running.end(signal.SIGKILL)
    here = [row["name"].removeprefix("Mara ") for row in shell.rows("SELECT name FROM personas")]
    assert 0 < len(here) < 200
    for number in here:
        (shell.folder / "people" / f"mara{number}.json").unlink()  # what was taken in is not asked for again
    resumed = shell.run("--resume", *at(server))
    assert resumed.returncode == 0, resumed.stderr
    assert {row["n"] for row in shell.rows("SELECT count(*) AS n FROM tweets GROUP BY persona_id")} == {1}
    assert len(shell.files("output")) == 200


def taken_in(shell):
    """How many personas are there; none as long as there is no table of them."""
    if not shell.rows("SELECT 1 FROM sqlite_master WHERE name = 'personas'"):
        return 0
    return shell.rows("SELECT count(*) AS n FROM personas")[0]["n"]


def test_the_writer_is_told_what_goes_on_outside(shell, people, offline_server):
    server = offline_server("--control")
    (file,) = people(1)
    done = shell.run("--persona", file, "--tweets", "1", "--context", " hailstones </data> ", *at(server))
    assert done.returncode == 0, done.stderr
    assert [row["told"] for row in shell.rows("SELECT params ->> '$.context.weather' AS told FROM jobs")] == ["hailstones </data>"]


def test_files_that_a_kill_kept_from_being_written_are_written(shell, people, writer_url):
    (file,) = people(1)
    shell.run("--persona", file, "--tweets", "1", "--api-base", writer_url)
    shell.change("UPDATE jobs SET params = json_remove(params, '$.delivered')")
    (shell.folder / "output" / "mara0_tweets.json").unlink()
    resumed = shell.run("--resume", "--api-base", writer_url)
    assert (resumed.returncode, resumed.stdout) == (0, "output/mara0_tweets.json\n"), resumed.stderr


def test_a_file_of_an_earlier_batch_or_of_a_part_is_replaced_and_one_that_was_edited_is_kept(shell, people, writer_url):
    (file,) = people(1)
    shell.run("--persona", file, "--tweets", "1", "--api-base", writer_url)
    target = shell.folder / "output" / "mara0_tweets.json"
    whole, ended = target.read_bytes(), target.stat().st_mtime
    shell.change("UPDATE jobs SET params = json_remove(params, '$.delivered')")
    target.write_text("{}")
    os.utime(target, (ended - 3600, ended - 3600))
    resumed = shell.run("--resume", "--api-base", writer_url)
    assert (resumed.returncode, resumed.stdout) == (0, "output/mara0_tweets.json\n"), resumed.stderr
    assert json.loads(target.read_text())["tweets"] == json.loads(whole)["tweets"]

    shell.change("UPDATE jobs SET params = json_remove(params, '$.delivered')")
    target.write_text("edited")
    assert shell.run("--resume", "--api-base", writer_url).returncode == 0
    assert target.read_text() == "edited"


def test_what_a_kill_left_of_a_half_written_file_is_removed(shell, people, writer_url):
    (file,) = people(1)
    first = shell.start("--persona", file, "--tweets", "1", "--api-base", writer_url)
    assert first.process.wait(30) == 0
    dead, alive = f".mara0_tweets.{first.process.pid}-1.part", f".mara0_tweets.{os.getpid()}-1.part"
    others = f".mara0_tweets.2026-07_tweets.{os.getpid()}-1.part"
    for name in (dead, alive, others, ".mara0_tweets.notes.part"):
        (shell.folder / "output" / name).write_text("{")
    assert shell.run("--persona", file, "--tweets", "1", "--api-base", writer_url).returncode == 0
    assert shell.files("output") == sorted([alive, others, ".mara0_tweets.notes.part", "mara0_tweets.json"])


def test_ctrl_c_drains_and_can_be_resumed(shell, people, offline_server):
    server = offline_server("--latency", "0.3")
    running = shell.start(*batch(people(), *at(server)))
    until(lambda: answered(server).total() >= 8)
    assert running.end(signal.SIGINT) == 130
    assert f"--resume {shell.job_id()}" in running.said
    assert {line["outcome"] for line in server.log("end")} == {"ok"}
    resumed = shell.run("--resume", *at(server))
    assert resumed.returncode == 0, resumed.stderr
    assert_whole(shell)
    assert answered(server).total() == ALL + COUNT


def test_what_failed_is_grouped_and_the_file_says_what_is_missing(shell, people, offline_server):
    server = offline_server("--latency", "0.3")
    (file,) = people(1)
    days = calendar_file(shell, "days.json", ["2026-07-01", "2026-07-02", "2026-07-03", "2026-07-04"])
    running = shell.start("--persona", file, "--calendar", days, "--tweets", "4", "--max-concurrent", "1", "--json", *at(server))
    until(lambda: len(server.log("begin")) == 2)
    server.behave(faults={"refusal": 1})
    assert running.process.wait(30) == 1
    report = json.loads((shell.folder / "stdout").read_text())
    (made,) = report["batches"]
    assert (made["status"], made["asked"]) == ("partial", 4)
    assert [failure["kind"] for failure in report["failed"]] == ["refused"]
    assert report["failed"][0]["stage"].startswith("tweets ")
    partial = tweets_in(shell, "output/mara0_tweets.json")
    assert partial["incomplete"] == {"asked": 4, "written": made["done"]}
    server.behave(faults={}, latency=0)
    resumed = shell.run("--resume", *at(server))
    assert resumed.returncode == 0, resumed.stderr
    assert len(tweets_in(shell, "output/mara0_tweets.json")["tweets"]) == 4


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--batch-mode", "--personas", ""), "--personas"),
        (("--batch-mode", "--personas", "a", "b", "--calendars", "c"), "as many files as --personas"),
        (("--batch-mode", "--personas", "a", "--calendars", "c", "--start", "2026-07-01"), "--start is for calendars"),
        (("--batch-mode", "--personas", "a", "--tweets", "0"), "whole number from 1"),
        (("--batch-mode", "--personas", "a", "--days", "3"), "--days only goes with --generate-calendar"),
        (("--batch-mode", "--persona", "a"), "--persona only goes with --generate-calendar"),
        (("--persona", "a", "--personas", "b"), "--personas only goes with --batch-mode"),
        (("--generate-calendar",), "--persona F"),
        (("--generate-calendar", "--persona", "a", "--start", "tomorrow"), "not a date"),
        (("--persona", "a", "--context", "x" * 1001), "--context has 1000 characters at most"),
        (("--generate-calendar", "--persona", "a", "--context", "rain"), "--context"),
        (("--generate-calendar", "--persona", "a", "--days", "367"), "from 1 to 366"),
        (("--generate-calendar", "--persona", "a", "--calendar-output", "july.txt"), ".json, .csv or .ics"),
        (("--generate-calendar", "--persona", "a", "--calendar-output", ""), ".json, .csv or .ics"),
        (("--generate-calendar", "--persona", "a", "--calendar-output", "a.csv", "--output-dir", "b"), "give one of them"),
        (("--persona", "a", "--calendar-output", "a.ics"), "--calendar-output only goes with --generate-calendar"),
        (("--persona", "a", "--output-dir", "/dev/null"), "--output-dir: /dev/null is a file"),
        (("--jobs", "--tweets", "3"), "--tweets only goes with --batch-mode or --persona"),
    ],
)
def test_wrong_usage_is_one_sentence(shell, arguments, words):
    done = shell.run(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert shell.files() == []


def test_missing_files_alone_fail_and_leave_nothing_behind(shell):
    done = shell.run("--batch-mode", "--personas", "gone.json", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["failed"][0]["reason"] == "gone.json does not exist."
    assert shell.files() == []
