from __future__ import annotations

import asyncio
import json

import pytest
from pydantic import BaseModel, Field
from scripted import failed, said

from errors import WriterError
from pipeline.llm.client import Caller
from pipeline.llm.structured import MOST_ANSWERS, ROOMY, Question, ask, find_object, was_cut_off


class Cat(BaseModel):
    name: str = Field(min_length=1)
    age: int
    toys: list[str]


CAT = {"name": "Mia", "age": 3, "toys": ["string", "box"]}
TEXT = json.dumps(CAT)
QUESTION = Question([{"role": "user", "content": "A cat?"}], Cat, "model")


async def cat_of(server, connect, caller, question=QUESTION):
    return (await ask(question, connect(server.url), caller)).model_dump()


# Finding the object in an answer


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        f"\n {TEXT} \n",
        f"```json\n{TEXT}\n```",
        f"```\n{TEXT}\n```",
        f"Here you are:\n```JSON\n{TEXT}\n```\nAnything else?",
        f"<think>Maybe {{}} or {{'a': 1}}?</think>\n{TEXT}",
        f"<think>\n<think>nested</think> more</think>{TEXT}",
        f"the opening tag was stripped </think> {TEXT}",
        f"<thinking>hm</thinking>{TEXT}",
        f"Sure! {TEXT} Hope this helps.",
        f"With {{braces}} before: {TEXT}",
        TEXT.replace("]}", "],}"),
        TEXT.replace('"age"', "age"),
        TEXT.replace('"Mia"', "'Mia'"),
        f"```json\n{TEXT[:-1]},\n}}\n```",
    ],
)
def test_the_object_is_found_wherever_it_stands(text):
    assert find_object(text, Cat.model_fields) == CAT


@pytest.mark.parametrize(
    "text", ["", "no", "[1, 2]", '"text"', "{}", '{"a": NaN}', '{"a": 1e999}', '{"a": "\\ud83d"}', "{{{{", '{"a":' * 60 + "1" + "}" * 60]
)
def test_what_is_no_object_or_breaks_later_is_none(text):
    assert find_object(text, mend=False) is None
    found = find_object(text)
    assert found is None or json.loads(json.dumps(found), parse_constant=pytest.fail) == found


def test_an_object_inside_one_that_needs_mending_is_not_taken_for_it():
    text = '{"name": "Mia", "home": {"street": "Elm"}, "age": 3,}'
    assert find_object(text, Cat.model_fields) == {"name": "Mia", "home": {"street": "Elm"}, "age": 3}


def test_of_several_objects_the_one_that_was_asked_for_is_taken():
    assert find_object(f'For example {{"x": 1}}. The answer: {TEXT}. Not {{"name": "Tom"}}.', Cat.model_fields) == CAT


@pytest.mark.parametrize("cut", range(1, len(TEXT)))
def test_an_answer_that_breaks_off_is_never_mended_into_data(cut):
    text = TEXT[:cut]
    assert was_cut_off(text)
    assert find_object(text, Cat.model_fields, mend=not was_cut_off(text)) is None


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "piece", ["<think>", "</think>", "```", "``` ", "{", "[", '{"a":', '{"a":[1,', "}", "{}", '"', "\\", "{'a':{", ' "{']
)
def test_a_hostile_answer_holds_up_nobody(piece):
    text = piece * (2_000_000 // len(piece))
    was_cut_off(text)
    find_object(text, ["a"])
    find_object("```" + " " * 200_000)
    find_object(piece * 8000, ["a"])


# Asking, and asking again


async def test_a_valid_answer_takes_one_call(start_server, connect, caller):
    server = await start_server(said(TEXT))
    assert await cat_of(server, connect, caller) == CAT
    (body,) = server.asked
    assert body["response_format"]["json_schema"]["schema"]["required"] == ["name", "age", "toys"]
    assert body["response_format"]["json_schema"]["strict"]


async def test_an_answer_that_breaks_a_rule_is_repaired_with_the_errors_quoted(start_server, connect, caller):
    wrong = {**CAT, "age": "three", "name": ""}
    server = await start_server(said(wrong), said(TEXT))
    assert await cat_of(server, connect, caller) == CAT
    first, second = (body["messages"] for body in server.asked)
    assert second[:1] == first, "the question stays, byte for byte, for the server's prompt cache"
    assert json.loads(second[1]["content"]) == wrong
    assert "`age`" in second[2]["content"]
    assert "three" in second[2]["content"]
    assert "`name`" in second[2]["content"]


async def test_a_thought_is_not_sent_back_with_a_repair(start_server, connect, caller):
    server = await start_server(said("<think>long and secret</think>" + json.dumps({"name": "Mia"})), said(TEXT))
    await cat_of(server, connect, caller)
    assert "secret" not in json.dumps(server.asked[1])


async def test_after_two_repairs_it_is_asked_from_the_beginning(start_server, connect, caller):
    server = await start_server(*[said({"name": "Mia"})] * 3, said(TEXT))
    assert await cat_of(server, connect, caller) == CAT
    assert [len(body["messages"]) for body in server.asked] == [1, 3, 3, 1]


async def test_a_repair_still_comes_after_an_answer_that_was_none(start_server, connect, caller):
    server = await start_server(said("What a nice cat."), said({"name": "Mia"}), said(TEXT))
    assert await cat_of(server, connect, caller) == CAT
    assert [len(body["messages"]) for body in server.asked] == [1, 1, 3]


async def test_it_gives_up_in_the_end_and_says_why(start_server, connect, caller):
    server = await start_server(said({"name": "Mia", "age": 3}))
    with pytest.raises(WriterError, match=r"invalid 6 times.*`toys`") as caught:
        await cat_of(server, connect, caller)
    assert (caught.value.kind, len(server.asked)) == ("invalid", MOST_ANSWERS)


async def test_a_repeated_question_has_another_seed(start_server, connect, caller):
    server = await start_server(said("no"), said(TEXT))
    await cat_of(server, connect, caller, Question(QUESTION.messages, Cat, "model", seed=7))
    assert [body["seed"] for body in server.asked] == [7, 8]


# An answer that was cut off


@pytest.mark.parametrize("finish", ["length", "stop"])
async def test_a_cut_off_answer_is_not_mended_but_asked_again_with_more_room(finish, start_server, connect, caller):
    server = await start_server(said(TEXT[:-8], finish=finish), said(TEXT))
    assert await cat_of(server, connect, caller) == CAT
    first, second = server.asked
    assert "max_tokens" not in first
    assert (second["max_tokens"], second["messages"]) == (ROOMY, first["messages"])


async def test_an_answer_cut_off_at_a_large_limit_gets_a_larger_one(start_server, connect, caller):
    server = await start_server(said(TEXT[:-8], finish="length", usage={"completion_tokens": 10_000}), said(TEXT))
    await cat_of(server, connect, caller)
    assert server.asked[1]["max_tokens"] == 20_000


async def test_a_server_that_names_the_limit_otherwise_is_asked_in_its_words(start_server, connect, caller):
    refusal = failed(400, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.", param="max_tokens")
    server = await start_server(said(TEXT[:-8], finish="length"), refusal, said(TEXT))
    assert await cat_of(server, connect, caller) == CAT
    assert "max_tokens" not in server.asked[2]
    assert server.asked[2]["max_completion_tokens"] == ROOMY


# Servers that can do less


async def test_the_ladder_goes_down_on_each_refusal(start_server, connect, caller):
    server = await start_server(failed(400, "unknown response_format"), failed(400, "no json mode", param="response_format"), said(TEXT))
    assert await cat_of(server, connect, caller) == CAT
    assert server.formats() == ["json_schema", "json_object", "none"]
    assert '"required"' in server.asked[2]["messages"][0]["content"], "the schema stands in the prompt then"


async def test_the_ladder_goes_down_when_the_format_was_ignored_twice(start_server, connect, caller):
    server = await start_server(said("I like cats."), said({"cat": "yes"}), said(TEXT))
    assert await cat_of(server, connect, caller) == CAT
    assert server.formats() == ["json_schema", "json_schema", "json_object"]


async def test_a_format_that_is_refused_below_one_that_is_ignored_is_left_for_the_prompt(start_server, connect, caller):
    server = await start_server(said("Cats!"), said("Cats!"), failed(400, "response_format must be json_schema or text"), said(TEXT))
    assert await cat_of(server, connect, caller) == CAT
    assert server.formats() == ["json_schema", "json_schema", "json_object", "none"]


async def test_what_a_server_can_do_is_learned_once_for_each_model(start_server, connect, caller):
    server = await start_server(failed(400, "unknown response_format"), said(TEXT))
    writer = connect(server.url)
    for _ in range(3):
        await ask(QUESTION, writer, caller)
    await ask(Question(QUESTION.messages, Cat, "another model"), writer, caller)
    assert server.formats() == ["json_schema", "json_object", "json_object", "json_object", "json_schema"]


async def test_two_who_learn_at_once_do_not_take_two_steps(start_server, connect, caller):
    def reply(request):
        knows = server.formats()[-1] != "json_schema"
        return said(TEXT)(request) if knows else failed(400, "unknown response_format")(request)

    server = await start_server(reply)
    writer = connect(server.url)
    await asyncio.gather(ask(QUESTION, writer, caller), ask(QUESTION, writer, caller))
    assert sorted(server.formats()) == ["json_object", "json_object", "json_schema", "json_schema"]


async def test_one_who_was_lucky_does_not_unlearn_what_others_learned(start_server, connect, caller):
    def reply(request):
        writer.profile("model").format = "json_object"  # somebody else learns it meanwhile
        return said(TEXT)(request)

    server = await start_server(reply)
    writer = connect(server.url)
    await ask(QUESTION, writer, caller)
    assert server.formats() == ["json_schema"]
    assert writer.profile("model").format == "json_object"


async def test_a_question_that_is_rejected_in_every_format_teaches_nothing(start_server, connect, caller):
    server = await start_server(failed(400, "unsupported image format"))
    writer = connect(server.url)
    with pytest.raises(WriterError, match="unsupported image format"):
        await ask(QUESTION, writer, caller)
    assert writer.profile("model").format == "json_schema"


async def test_a_parameter_the_server_does_not_take_is_left_out_from_then_on(start_server, connect, caller):
    refusal = failed(400, "Unsupported value: 'temperature' does not support 0.7", param="temperature")
    server = await start_server(refusal, said(TEXT))
    writer = connect(server.url)
    question = Question(QUESTION.messages, Cat, "model", temperature=0.7)
    await ask(question, writer, caller)
    await ask(question, writer, caller)
    assert ["temperature" in body for body in server.asked] == [True, False, False]
    assert server.formats() == ["json_schema"] * 3


# After a crash


@pytest.mark.parametrize("learned", ["json_schema", "prompt"])
async def test_a_redone_step_goes_through_its_stored_answers_whatever_format_they_came_in(learned, start_server, connect):
    server = await start_server(said("Cats!"), said("Cats!"), said({"name": "Mia"}), said({"name": "Mia", "age": 3}), said(TEXT))
    writer = connect(server.url)
    before = await ask(QUESTION, writer, Caller("job", "anna", "core"))
    asked = len(server.asked)
    again = connect(server.url)
    again.profile("model").format = learned
    assert await ask(QUESTION, again, Caller("job", "anna", "core", redo=True)) == before
    assert len(server.asked) == asked, "nothing was paid for twice"
