"""What the tests of the offline writer ask: pictures as a client sends them, the seven stages' questions, small schemas."""

import base64
import json
from functools import cache
from pathlib import Path

from pipeline.llm.schema import wire_schema
from pipeline.offline import shelves, writer
from pipeline.stages import BY_KEY, STAGES, Material, Wishes, messages

SAMPLES = sorted((Path(__file__).resolve().parents[3] / "assets" / "samples").glob("*.jpg"))
LANGUAGES = {"en": "English", "zh": "中文"}

NOTE = {
    "type": "object",
    "properties": {"title": {"type": "string"}, "mood": {"enum": ["calm", "cross", "merry"]}, "hours": {"type": "integer", "minimum": 1}},
    "required": ["title", "mood", "hours"],
    "additionalProperties": False,
}
HELLO = [{"role": "system", "content": "Write every text in English."}, {"role": "user", "content": "Write a note about your day."}]


def response_format(name: str, schema: dict) -> dict:
    return {"type": "json_schema", "json_schema": {"name": name, "strict": True, "schema": schema}}


AS_NOTE = response_format("note", NOTE)
FENCED = f"Follow this JSON Schema:\n```json\n{json.dumps(NOTE)}\n```"
WITH_SCHEMA_IN_PROMPT = [HELLO[0], {"role": "user", "content": f"{HELLO[1]['content']}\n\n{FENCED}"}]


@cache
def data_uri(path: Path) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(path.read_bytes()).decode()


def complete_languages() -> list[str]:
    """The languages whose folder has every shared file that English has, and some lives."""
    wanted = {path.name for path in (shelves.FOLDER / "en").glob("*.toml")}
    return sorted(
        folder.name
        for folder in shelves.FOLDER.iterdir()
        if folder.is_dir() and wanted <= {path.name for path in folder.glob("*.toml")} and len(list((folder / "lives").glob("*.toml"))) >= 5
    )


def question(key: str, outputs: dict, picture: str | None, wishes: Wishes) -> tuple[list, dict]:
    """The messages and the response_format of one stage, as the product sends them."""
    stage = BY_KEY[key]
    asked = messages(stage, Material(wishes, outputs, picture if stage.sees_image else None))
    return asked, response_format(stage.key, wire_schema(stage.writes))


@cache
def persona(picture: Path, language: str, seed: int = 7) -> dict[str, dict]:
    """All seven stages of a persona, each valid for its model, written as the product asks for them."""
    outputs: dict[str, dict] = {}
    for stage in STAGES:
        asked, shape = question(stage.key, outputs, data_uri(picture), Wishes(language=LANGUAGES[language]))
        written = writer.write(asked, shape, seed, writer.sights(asked))
        outputs[stage.key] = stage.writes.model_validate_json(written.text).model_dump(mode="json")
    return outputs
