"""Whatever JSON Schema is asked for, the answer follows it. Judged by the package jsonschema."""

import json
import re

import pytest
from asking import response_format
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from pipeline.offline import schema_check, writer
from pipeline.offline.strings import Unwritable

NAMES = st.sampled_from(
    [
        "name",
        "title",
        "text",
        "mood",
        "date",
        "age",
        "tags",
        "friends",
        "hashtags",
        "entries",
        "city",
        "colour",
        "score",
        "is_open",
        "水",
        "x1",
    ]
) | st.from_regex(r"[a-z]{1,8}(_[a-z]{1,6})?", fullmatch=True)
DESCRIPTIONS = st.sampled_from(["", "2 to 4", "Exactly 3", "one or two sentences", "A colour", "HH:MM", "3 至 5 个", "in two paragraphs"])
PATTERNS = st.sampled_from(
    [
        r"^\d{4}-\d{2}$",
        r"^[A-Z]{2,3}$",
        r"^#[0-9a-f]{6}$",
        r"^(morning|noon|night)$",
        r"^[a-z]+(_[a-z]+)*$",
        r"\d",
        r"^([01]\d|2[0-3]):[0-5]\d$",
        r"^@\w{1,15}$",
        r"^\S+$",
        r"^[^aeiou]{3}$",
    ]
)


def described(schema: st.SearchStrategy[dict]) -> st.SearchStrategy[dict]:
    return st.builds(lambda one, told: {**one, "description": told} if told else one, schema, DESCRIPTIONS)


def between(low: int, high: int) -> st.SearchStrategy[tuple[int, int]]:
    return st.tuples(st.integers(low, high), st.integers(low, high)).map(lambda pair: (min(pair), max(pair)))


strings = st.one_of(
    st.just({"type": "string"}),
    between(0, 300).map(lambda pair: {"type": "string", "minLength": pair[0], "maxLength": pair[1]}),
    PATTERNS.map(lambda pattern: {"type": "string", "pattern": pattern}),
    st.sampled_from(["date", "time", "date-time", "email", "uuid", "uri", "ipv4"]).map(lambda form: {"type": "string", "format": form}),
)
numbers = st.one_of(
    st.sampled_from([{"type": "integer"}, {"type": "number"}]),
    between(-50, 500).map(lambda pair: {"type": "integer", "minimum": pair[0], "maximum": pair[1]}),
    between(-50, 500).map(lambda pair: {"type": "number", "exclusiveMinimum": pair[0], "exclusiveMaximum": pair[1] + 1}),
    st.integers(2, 9).map(lambda step: {"type": "integer", "multipleOf": step, "minimum": 0, "maximum": 100}),
)
enums = st.lists(st.one_of(st.text(max_size=12), st.integers(-(2**53), 2**53), st.booleans(), st.none()), min_size=1, max_size=6).map(
    lambda some: {"enum": some}
)
constants = st.one_of(st.text(max_size=5), st.integers(-(2**53), 2**53)).map(lambda value: {"const": value})
leaves = described(st.one_of(strings, numbers, enums, constants, st.just({"type": "boolean"}), st.just({"type": ["string", "null"]})))


def objects(inner: st.SearchStrategy[dict]) -> st.SearchStrategy[dict]:
    def closed(properties: dict[str, dict], optional: set[int]) -> dict:
        required = [name for place, name in enumerate(properties) if place not in optional]
        return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}

    return st.builds(closed, st.dictionaries(NAMES, inner, max_size=6), st.sets(st.integers(0, 5), max_size=2))


def arrays(inner: st.SearchStrategy[dict]) -> st.SearchStrategy[dict]:
    return st.one_of(
        inner.map(lambda items: {"type": "array", "items": items}),
        st.builds(lambda items, pair: {"type": "array", "items": items, "minItems": pair[0], "maxItems": pair[1]}, inner, between(0, 7)),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"type": "array", "prefixItems": parts, "items": False}),
        st.builds(lambda low: {"type": "array", "items": {"type": "string"}, "uniqueItems": True, "minItems": low}, st.integers(0, 8)),
    )


def maps(inner: st.SearchStrategy[dict]) -> st.SearchStrategy[dict]:
    return st.builds(
        lambda values, pair: {"type": "object", "additionalProperties": values, "minProperties": pair[0], "maxProperties": pair[1]},
        inner,
        between(0, 6),
    )


def alternatives(inner: st.SearchStrategy[dict]) -> st.SearchStrategy[dict]:
    return st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda options: {"anyOf": [*options, {"type": "null"}]}),
        st.lists(inner, min_size=1, max_size=3).map(lambda options: {"anyOf": options}),
    )


schemas = st.recursive(leaves, lambda inner: described(objects(inner) | arrays(inner) | maps(inner) | alternatives(inner)), max_leaves=14)

TREE = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "children": {"type": "array", "items": {"$ref": "#"}}},
    "required": ["name", "children"],
}
LINKED = {
    "$defs": {
        "node": {"type": "object", "properties": {"next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}}, "required": ["next"]}
    },
    "$ref": "#/$defs/node",
}
MERGED = {
    "allOf": [
        {"type": "object", "properties": {"a": {"type": "integer", "minimum": 3}}, "required": ["a"]},
        {"properties": {"b": {"const": "yes"}}, "required": ["b"]},
    ]
}


def answer(schema: dict, language: str, seed: int = 0) -> object:
    messages = [{"role": "system", "content": f"Write every text in {language}."}, {"role": "user", "content": "Fill this in."}]
    return json.loads(writer.write(messages, response_format("anything", schema), seed, []).text)


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(schema=schemas, seed=st.integers(0, 5))
@example(schema=TREE, seed=0)
@example(schema=LINKED, seed=0)
@example(schema=MERGED, seed=0)
@example(schema={"type": "object", "properties": {"calendar": {"type": "object"}}}, seed=0)
def test_every_answer_follows_its_schema(schema, seed):
    schema_check.check(schema)
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(answer(schema, "English", seed))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(schema=schemas)
def test_the_same_schema_and_seed_give_the_same_answer(schema):
    assert answer(schema, "English", 3) == answer(schema, "English", 3)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "pattern": "^a$", "minLength": 5},
        {"type": "integer", "minimum": 5, "maximum": 4},
        {"type": "array", "items": {"enum": ["a", "b"]}, "uniqueItems": True, "minItems": 3},
        {"$ref": "#/$defs/nowhere"},
        {"$ref": "https://example.org/schema.json"},
        {"$defs": {"loop": {"$ref": "#/$defs/loop"}}, "$ref": "#/$defs/loop"},
        {"type": "object", "properties": {"self": {"$ref": "#"}}, "required": ["self"]},
    ],
    ids=lambda schema: json.dumps(schema)[:40],
)
def test_what_nothing_can_follow_is_refused(schema):
    with pytest.raises((Unwritable, RecursionError)):
        answer(schema, "English")


@pytest.mark.parametrize(
    ("schema", "where"),
    [
        ({"type": "text"}, "/type"),
        ({"properties": []}, "/properties"),
        ({"properties": {"a": {"items": 3}}}, "/properties/a/items"),
        ({"anyOf": []}, "/anyOf"),
        ({"required": "name"}, "/required"),
        ({"minLength": "3"}, "/minLength"),
        ({"maximum": None}, "/maximum"),
        ([], "an object"),
    ],
)
def test_what_is_no_schema_is_named_with_its_place(schema, where):
    with pytest.raises(schema_check.BadSchema, match=re.escape(where)):
        schema_check.check(schema)
