"""Calendars in files: whatever comes in is read or refused in one sentence, and what goes out comes back."""

from __future__ import annotations

import csv
import io
import json
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import icalendar
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from errors import UploadError
from pipeline.calendar import Calendar, Plan
from pipeline.formats.calendars import FIELDS, as_csv, as_ics, read_calendar
from pipeline.formats.json_out import as_json

PLAN = {
    "weekday": "Monday",
    "topic_type": "oven",
    "tweet_format": "standard",
    "recommended_time": "05:00",
    "mood": "dry",
    "theme": "The rye",
    "content_direction": "Begin with the crust.",
    "outfit_direction": "the apron",
    "keywords": ["rye", "crust"],
    "suggested_scene": "a loaf on the sill",
    "special_event": None,
    "strategic_flaw": "never replies by day",
}
BODY = {
    "persona_name": "Mara",
    "month": "2026-01",
    "generated_at": "2025-12-24T10:00:00+00:00",
    "monthly_strategy": "Bread, then boats.",
    "calendar": {"2026-01-05": PLAN, "2026-01-06": {**PLAN, "weekday": "Tuesday", "special_event": "Epiphany"}},
}


def read(value, name="plan.json"):
    content = value if isinstance(value, bytes) else json.dumps(value, ensure_ascii=False).encode()
    return read_calendar(content, name)


def sheet(*rows, delimiter=",", encoding="utf-8"):
    target = io.StringIO(newline="")
    csv.writer(target, delimiter=delimiter).writerows(rows)
    return target.getvalue().encode(encoding)


def plan_of(content, day="2026-01-05"):
    body, remarks = read(content)
    return body["calendar"][day], remarks


# JSON


def test_a_calendar_as_specified_is_read_without_a_word():
    assert read(BODY) == (BODY, [])


def test_a_bare_map_and_a_list_of_plans_are_calendars_too():
    days = BODY["calendar"]
    listed = [{"date": day, **plan} for day, plan in days.items()]
    for value in (days, listed, {"persona_name": "Mara", "days": listed}):
        body, remarks = read(value)
        assert body["calendar"] == days
        assert body["month"] == "2026-01"
        assert remarks == (['The days were found under "days".'] if "days" in value else [])


def test_unknown_keys_are_kept_at_every_level():
    odd = {**BODY, "x": {"y": [1, 2.5, None, True, 10**30]}, "calendar": {"2026-01-05": {**PLAN, "weather": {"wind": "W"}, "": 0}}}
    body, remarks = read(odd)
    assert (body, remarks) == (odd, [])
    assert read(as_json(body)) == (odd, [])
    bare, _ = read({**BODY["calendar"], "note": "hi", "meta": {"a": 1}})
    assert (bare["note"], bare["meta"]) == ("hi", {"a": 1})


def test_what_is_missing_is_empty_and_said_once_a_field():
    days = {(date(2026, 1, 1) + timedelta(days=nth)).isoformat(): {"theme": "x"} for nth in range(5)}
    body, remarks = read(days)
    assert body["calendar"]["2026-01-01"] == {**Plan().model_dump(), "theme": "x", "weekday": "Thursday"}
    assert "There is no mood for 2026-01-01, 2026-01-02, 2026-01-03, ... (5); it stays empty." in remarks
    assert len(remarks) == 8


def test_a_wrong_weekday_is_corrected_and_said_and_a_right_one_in_another_language_stays():
    assert plan_of({"2026-01-05": {**PLAN, "weekday": "Friday"}}) == (
        PLAN,
        ['2026-01-05 is a Monday, not "Friday"; that was corrected.'],
    )
    for right in ("周一", "星期一", "月曜日", "mon", "MONDAY"):
        assert plan_of({"2026-01-05": {**PLAN, "weekday": right}}) == ({**PLAN, "weekday": right}, [])
    assert plan_of({"2026-01-05": {**PLAN, "weekday": "星期五"}})[0]["weekday"] == "Monday"


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("9:05", "09:05"),
        ("9.30 pm", "21:30"),
        ("09:30:00", "09:30"),
        ("下午3点半", "15:30"),
        ("晚上8点", "20:00"),
        ("上午 9：15", "09:15"),
        ("12 am", "00:00"),
        ("晚上12点", "00:00"),
        ("中午12点", "12:00"),
        ("7pm", "19:00"),
        ("0730", "07:30"),
        ("7h45", "07:45"),
        ("evening", "19:00"),
        ("2026-01-05T18:30:00", "18:30"),
    ],
)
def test_times_are_normalised_and_said(given, meant):
    plan, remarks = plan_of({"2026-01-05": {**PLAN, "recommended_time": given}})
    assert plan["recommended_time"] == meant
    assert remarks == [f'2026-01-05: the time "{given}" was read as {meant}.']


@pytest.mark.parametrize("given", ["25:00", "soon", "9:75", "half past", "🕘"])
def test_what_is_no_time_is_left_out_and_said(given):
    plan, remarks = plan_of({"2026-01-05": {**PLAN, "recommended_time": given}})
    assert plan["recommended_time"] == ""
    assert remarks == [f'2026-01-05: "{given}" is no time of day; it was left out.']


@pytest.mark.parametrize(
    "given", ["2026/1/5", "2026.01.05", "20260105", "2026年1月5日", "5 Jan 2026", "January 5th, 2026", "Mon, 5 Jan 2026"]
)
def test_dates_are_read_as_people_write_them(given):
    body, remarks = read({given: PLAN})
    assert body["calendar"] == {"2026-01-05": PLAN}
    assert remarks == [f'The date "{given}" was read as 2026-01-05.']


def test_days_first_or_months_first_is_found_out_from_the_others():
    body, _ = read([{"date": "5/1/2026", **PLAN}, {"date": "25/1/2026", **PLAN}])
    assert list(body["calendar"]) == ["2026-01-05", "2026-01-25"]
    body, _ = read([{"date": "1/5/2026", **PLAN}, {"date": "1/25/2026", **PLAN}])
    assert list(body["calendar"]) == ["2026-01-05", "2026-01-25"]


def test_dates_that_mean_two_days_or_none_are_refused_one_by_one():
    value = [{"date": "5/1/2026"}, {"date": "2026-02-30"}, {"theme": "x"}, "text", {"date": "2026-01-05", **PLAN}, {"date": "2026-01-05"}]
    body, remarks = read(value)
    assert body["calendar"] == {"2026-01-05": PLAN}
    assert remarks == [
        "1 entries of the list are no plans and were left out.",
        'Entry 1 was left out: "5/1/2026" can mean two days. Write dates as 2026-01-31.',
        'Entry 2 was left out: "2026-02-30" is no date that can be read. Write dates as 2026-01-31.',
        "Entry 3 has no date and was left out.",
        "2026-01-05 stands in the file more than once; the first plan was kept.",
    ]


def test_keys_that_stand_twice_are_said():
    body, remarks = read(b'{"2026-01-05": {"theme": "a", "theme": "b"}, "2026-01-05": {"theme": "c"}}')
    assert body["calendar"]["2026-01-05"]["theme"] == "c"
    assert remarks[:2] == [f'"{key}" stands twice in one object of the file; the last one holds.' for key in ("theme", "2026-01-05")]


def test_values_of_another_type_are_kept_as_text_and_said():
    plan, remarks = plan_of({"2026-01-05": {**PLAN, "theme": 7, "mood": ["a"], "keywords": "rye, crust", "special_event": "none"}})
    assert (plan["theme"], plan["mood"], plan["keywords"], plan["special_event"]) == ("7", '["a"]', ["rye", "crust"], None)
    assert len(remarks) == 3


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"   ",
        b"\x00",
        b"{}",
        b"[]",
        b"[1]",
        b'{"a": 1}',
        b'{"calendar": {}}',
        b'{"calendar": []}',
        b'{"calendar": {"tomorrow": {}}}',
        b'{"2026-01-05": 7}',
        b'{"2026-01-05": {"theme": NaN}}',
        b'{"2026-01-05": {"theme": 1e999}}',
        b'{"2026-01-05": {"theme": "\\ud800"}}',
        b'{"2026-01-05": {"\\udfff": 1}}',
        b'{"2026-01-05": {"theme": "cut',
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b'{"2026-01-05":' + b'{"a":' * 70 + b"1" + b"}" * 71,
        b'{"2026-01-05": {"theme": "\xff"}}',
        b"9" * 10_000,
        b'{"2026-01-05": {"n": ' + b"9" * 10_000 + b"}}",
        b"PK\x03\x04" + b"\x00" * 50,
        b"%PDF-1.7 \xe2\xe3\xcf\xd3",
        b"a,b\n1,2\n",
        b"date\n",
        b"date,theme\nsoon,x\n",
        b'date,theme\n2026-01-05,"never closed\n' * 3,
        b"," * 2_000_000,
        b"date," + b"x," * 500 + b"\n2026-01-05," + b"y," * 500,
        b"date,theme\n2026-01-05," + b"x" * 200_000,
        b"date\n" + b"2026-01-05\n" * 2001,
        json.dumps([{"date": "2026-01-05"}] * 2001).encode(),
        b" " * (2 << 20) + b"{}",
    ],
)
def test_what_is_no_calendar_is_refused_in_one_sentence(content):
    with pytest.raises(UploadError) as refused:
        read_calendar(content, "plan.json")
    sentence = str(refused.value)
    assert "plan.json" in sentence
    assert len(sentence) < 250
    assert "\n" not in sentence


# CSV


def test_a_sheet_with_chinese_names_in_any_encoding_and_delimiter():
    rows = [["日期", "星期", "话题", "格式", "时间", "心情", "主题", "内容方向", "穿搭", "关键词", "场景", "特殊事件", "缺点"]]
    rows += [
        [
            "2026-01-05",
            "周一",
            "早餐",
            "standard",
            "07:30",
            "平静",
            "第一行\n第二行，“引号”",
            "直说",
            "围裙",
            "茶，雨",
            "窗台",
            "",
            "爱迟到",
        ]
    ]
    for delimiter in ",;\t|":
        for encoding in ("utf-8", "utf-8-sig", "gb18030", "utf-16"):
            body, remarks = read(sheet(*rows, delimiter=delimiter, encoding=encoding), "计划.csv")
            plan = body["calendar"]["2026-01-05"]
            assert plan["theme"] == "第一行\n第二行，“引号”"
            assert (plan["weekday"], plan["keywords"], plan["special_event"], plan["strategic_flaw"]) == (
                "周一",
                ["茶", "雨"],
                None,
                "爱迟到",
            )
            assert remarks == (["计划.csv is not in UTF-8; it was read as gb18030."] if encoding == "gb18030" else [])


def test_a_western_sheet_from_excel():
    content = "sep=;\r\nDate;Topic;Title;Owner\r\n05.01.2026;café;Brötchen für alle;Zoë\r\n".encode("cp1252")
    body, remarks = read(content, "plan.csv")
    plan = body["calendar"]["2026-01-05"]
    assert (plan["topic_type"], plan["theme"], plan["Owner"]) == ("café", "Brötchen für alle", "Zoë")
    assert remarks == [
        "plan.csv is not in UTF-8; it was read as cp1252.",
        'The column "Owner" is not one of ours; it was kept as it is.',
        f"There are no columns for {', '.join(key for key in FIELDS if key not in ('topic_type', 'theme'))}; they stay empty.",
        'The date "05.01.2026" was read as 2026-01-05.',
    ]


def test_bad_rows_are_named_by_their_number_in_the_sheet():
    content = sheet(
        ["Plan for January"], [], ["date", "theme"], ["2026-01-05", "a"], ["", ""], ["31.2.2026", "b"], ["", "c"], ["2026-01-05", "d"]
    )
    body, remarks = read(content)
    assert list(body["calendar"]) == ["2026-01-05"]
    assert body["calendar"]["2026-01-05"]["theme"] == "a"
    assert remarks[0] == "The 2 rows above the names of the columns were left out."
    assert remarks[2:] == [
        'Row 6 was left out: "31.2.2026" is no date that can be read. Write dates as 2026-01-31.',
        "Row 7 has no date and was left out.",
        "2026-01-05 stands in the file more than once; the first plan was kept.",
    ]


def test_columns_without_a_name_or_with_the_same_one_are_kept():
    plan, remarks = plan_of(sheet(["date", "owner", "owner", ""], ["2026-01-05", "a", "b", "c"]))
    assert (plan["owner"], plan["owner (2)"], plan["column 4"]) == ("a", "b", "c")
    assert 'Two columns are called "owner"; the later one was kept as "owner (2)".' in remarks
    assert 'Column 4 has no name; it was kept as "column 4".' in remarks


def test_the_exact_name_of_a_column_comes_before_others_that_mean_it():
    plan, _ = plan_of(sheet(["date", "title", "theme"], ["2026-01-05", "a", "b"]))
    assert (plan["theme"], plan["title"]) == ("b", "a")


@pytest.mark.parametrize(
    "formula", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "＝1", "'=1", "''=1", "=cmd|'/c calc'!A0", "-\n"]
)
def test_no_cell_is_a_formula_and_reading_it_back_is_exact(formula):
    body = {**BODY, "calendar": {"2026-01-05": {**PLAN, "theme": formula, "keywords": [formula.strip()], formula.strip(): formula}}}
    content = as_csv(body)
    for row in csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")):
        assert not any(cell.lstrip()[:1] in tuple("=+-@＝") and cell for cell in row)
    assert read(content)[0]["calendar"] == body["calendar"]


def test_an_apostrophe_that_guards_nothing_stays():
    plan, _ = plan_of(sheet(["date", "theme"], ["2026-01-05", "'tis late"]))
    assert plan["theme"] == "'tis late"


@pytest.mark.parametrize(
    "words", [["a, b", "c"], ["a;b"], ["a\nb"], ['["x"]'], [" a "], [""], ["a"], [], ["=1", "@x"], ["茶，雨"], ["a|b"]]
)
def test_keywords_come_back_whatever_is_in_them(words):
    body = {**BODY, "calendar": {"2026-01-05": {**PLAN, "keywords": words}}}
    assert read(as_csv(body))[0]["calendar"] == body["calendar"]


def test_a_sheet_of_ours_is_read_back_without_a_word():
    body, remarks = read(as_csv(BODY))
    assert (body["calendar"], remarks) == (BODY["calendar"], [])


# Round trips

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
DAYS = st.dates(date(1990, 1, 1), date(2100, 1, 1))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


def known(key):
    """Keys that mean a field of ours are taken for it, which is another test's business."""
    from pipeline.formats.calendars import _MEANT  # noqa: PLC0415
    from pipeline.formats.sheets import column_key  # noqa: PLC0415

    return column_key(key) in _MEANT


@st.composite
def calendars(draw, others=JSON, keys=TEXT):
    body = {"persona_name": draw(TEXT), "month": "2026-01", "generated_at": draw(TEXT), "monthly_strategy": draw(TEXT), "calendar": {}}
    for day in sorted(draw(st.sets(DAYS, min_size=1, max_size=4))):
        plan = {key: draw(TEXT) for key in FIELDS} | {
            "weekday": day.strftime("%A"),
            "recommended_time": draw(st.sampled_from(["", "00:00", "07:30", "23:59"])),
            "keywords": draw(st.lists(TEXT, max_size=3)),
            "special_event": draw(st.none() | st.sampled_from(["fair", "=1", "a\r\nb"])),
            "strategic_flaw": None,
        }
        body["calendar"][day.isoformat()] = plan | draw(st.dictionaries(keys.filter(lambda key: not known(key)), others, max_size=2))
    return body


@settings(deadline=None)
@given(calendars())
def test_json_out_and_in_is_the_identity(body):
    assert read(as_json(body)) == (body, [])


@settings(deadline=None)
@given(calendars(others=TEXT.filter(bool), keys=st.text("abcxyz=+ _-", min_size=1).map(str.strip).filter(bool)))
def test_csv_out_and_in_is_the_identity(body):
    again, _ = read(as_csv(body))
    strip = {key: {name: value for name, value in plan.items() if name != ""} for key, plan in body["calendar"].items()}
    assert again["calendar"] == strip


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300) | TEXT.map(str.encode))
@example(b"\xff\xfe")
@example(b"\xef\xbb\xbf")
@example(b"sep=,\n")
@example(b"date\x00,theme\n2026-01-05,\x00")
def test_whatever_comes_in_is_read_or_refused(content):
    try:
        body, remarks = read_calendar(content, "x")
    except UploadError:
        return
    Calendar.model_validate(body)
    assert all(remarks)


HEADERS = st.sampled_from(["date", "日期", "theme", "time", "weekday", "keywords", "Owner", "", "=x"]) | TEXT
CELLS = st.sampled_from(["2026-01-05", "5/1/2026", "13.1.2026", "9:5", "a; b", "", "周一", '{"a": 1}']) | TEXT


@settings(max_examples=300, deadline=None)
@given(st.lists(HEADERS, max_size=6), st.lists(st.lists(CELLS, max_size=7), max_size=5), st.sampled_from(",;\t|"))
def test_whatever_stands_in_a_sheet_is_read_or_refused(header, rows, delimiter):
    content = sheet(header, *rows, delimiter=delimiter, encoding="utf-8-sig")
    try:
        body, _ = read_calendar(content, "x")
    except UploadError:
        return
    assert read(as_json(body)) == (body, [])


@settings(max_examples=300, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["2026-01-05", "5.1.2026", "calendar", "days", "month", "note"]),
        JSON | st.dictionaries(st.sampled_from([*FIELDS, "date", "topic", "x"]), JSON),
        max_size=4,
    )
)
def test_whatever_stands_in_an_object_is_read_or_refused(value):
    try:
        body, _ = read(value)
    except UploadError:
        return
    assert read(as_json(body)) == (body, [])


# ICS


def events(content):
    return list(icalendar.Calendar.from_ical(content).walk("VEVENT"))


def test_events_are_half_an_hour_in_the_time_zone_of_the_persona_and_block_nobody():
    content = as_ics(BODY, zone="Europe/Stockholm", key="01ABC")
    first, second = events(content)
    assert first.decoded("dtstart") == datetime(2026, 1, 5, 5, tzinfo=ZoneInfo("Europe/Stockholm"))
    assert first.decoded("duration") == timedelta(minutes=30)
    assert (str(first["transp"]), str(first["summary"]), str(second["summary"])) == ("TRANSPARENT", "The rye", "The rye")
    assert b"TZID:Europe/Stockholm" in content
    assert b"DTSTART;TZID=Europe/Stockholm:20260105T050000" in content
    assert content.count(b"BEGIN:VTIMEZONE") == 1
    assert first["categories"].cats == ["oven", "rye", "crust"]
    assert "special_event: Epiphany" in str(second["description"])


def test_summer_time_is_in_the_rules_that_the_file_brings():
    body = {**BODY, "calendar": {"2026-03-28": PLAN, "2026-03-30": PLAN}}
    zones = icalendar.Calendar.from_ical(as_ics(body, zone="Europe/Berlin")).walk("VTIMEZONE")
    assert zones[0].to_tz() is not None
    before, after = (event.decoded("dtstart").utcoffset() for event in events(as_ics(body, zone="Europe/Berlin")))
    assert (before, after) == (timedelta(hours=1), timedelta(hours=2))


def test_without_a_time_zone_the_times_float_and_without_a_time_a_plan_takes_the_day():
    content = as_ics({**BODY, "calendar": {"2026-01-05": PLAN, "2026-01-06": {"theme": "x"}}})
    assert b"DTSTART:20260105T050000\r\n" in content
    assert b"DTSTART;VALUE=DATE:20260106\r\n" in content
    assert b"VTIMEZONE" not in content


def test_in_utc_the_times_say_so():
    assert b"DTSTART:20260105T050000Z\r\n" in as_ics(BODY, zone="UTC")


def test_the_same_calendar_gives_the_same_file_and_another_one_other_ids():
    assert as_ics(BODY, zone="Asia/Shanghai", key="a") == as_ics(BODY, zone="Asia/Shanghai", key="a")
    ids = {str(event["uid"]) for key in ("a", "b") for event in events(as_ics(BODY, key=key))}
    assert len(ids) == 4


@settings(deadline=None)
@given(calendars(), TEXT)
@example(
    {**BODY, "persona_name": "a\r\nBEGIN:VEVENT", "calendar": {"2026-01-05": {**PLAN, "theme": "x\r\nEND:VEVENT\r\nBEGIN:VALARM"}}}, "k"
)
@example({**BODY, "calendar": {"2026-01-05": {**PLAN, "theme": "\x00\x1b\u2028;,\\n", "keywords": ["a,b;c\nd"]}}}, "k")
def test_no_text_breaks_out_of_its_line(body, key):
    content = as_ics(body, zone="Asia/Tokyo", key=key)
    assert content.count(b"\r\nBEGIN:VEVENT\r\n") == len(body["calendar"])
    assert len(events(content)) == len(body["calendar"])
    assert all(len(line) <= 75 for line in content.split(b"\r\n"))
    assert not set(content) & (set(range(32)) - {9, 10, 13})
