"""JSON that goes out is the same whichever way it is written, and is always written."""

import json

from hypothesis import given
from hypothesis import strategies as st

from pipeline.formats.json_out import as_json, as_line

PLAIN = st.none() | st.booleans() | st.integers() | st.text()
VALUES = st.dictionaries(st.text(), st.recursive(PLAIN, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20))


@given(VALUES)
def test_any_value_is_written_as_the_standard_library_writes_it(value):
    assert as_json(value) == (json.dumps(value, ensure_ascii=False, indent=2) + "\n").encode()
    assert json.loads(as_line(value)) == value
    assert as_line(value).count(b"\n") == 1


def test_what_the_fast_way_refuses_is_written_too():
    assert json.loads(as_json({"n": 10**30, "text": "half \ud83d"})) == {"n": 10**30, "text": "half ?"}
    assert json.loads(as_line({"n": 10**30, "text": "half \ud83d"})) == {"n": 10**30, "text": "half ?"}
