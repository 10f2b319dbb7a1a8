"""What a picture's file says of itself, read by programs that are not ours."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from PIL import Image

from gpu_pool import files
from gpu_pool.tasks import EngineInfo, ImageTask, Lora

SOURCE = "http://cv.iptc.org/newscodes/digitalsourcetype/"
SPACES = {
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "dc": "http://purl.org/dc/elements/1.1/",
    "ext": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    "core": "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/",
}
TEXT = 'Rye & <b>"bread"</b>, 面包 🍞'


def written(folder, info=None, **changes):
    task = ImageTask("one", "a bakery at night", folder, **{"width": 64, "height": 48, "steps": 4, "seed": 9, "alt": TEXT, **changes})
    return files.write(Image.new("RGB", (64, 48), "#553311"), task, info or EngineInfo("z-image", "Euler"))


def told(path):
    """(digital source type, alt text, description) as Python's own XML parser reads them, and as exiftool does where it is installed."""
    with Image.open(path) as picture:
        packet = ET.fromstring(picture.info["xmp"].decode().strip("\ufeff"))  # noqa: S314  our own file
    alternatives = "rdf:Alt/rdf:li[@{http://www.w3.org/XML/1998/namespace}lang='x-default']"
    places = (".//ext:DigitalSourceType", f".//core:AltTextAccessibility/{alternatives}", f".//dc:description/{alternatives}")
    parsed = tuple(packet.findtext(place, namespaces=SPACES) for place in places)
    if tool := shutil.which("exiftool"):
        answer = subprocess.run([tool, "-j", "-XMP:all", str(path)], check=True, capture_output=True, text=True).stdout
        (tags,) = json.loads(answer)
        assert (tags["DigitalSourceType"], tags["AltTextAccessibility"], tags["Description"]) == parsed
    return parsed


@pytest.mark.parametrize("source", ["trainedAlgorithmicMedia", "algorithmicMedia"])
def test_picture_and_thumbnail_carry_the_mark_of_their_making_and_words_for_who_does_not_see(tmp_path, source):
    made = written(tmp_path, EngineInfo("any", digital_source=source))
    assert told(made.path) == told(made.thumbnail) == (SOURCE + source, TEXT, TEXT)


def test_without_an_alt_text_the_tweet_stands_there_and_without_that_the_prompt(tmp_path):
    assert told(written(tmp_path, alt="", text="Rye again.").path)[1] == "Rye again."
    assert told(written(tmp_path, alt="").path)[1] == "a bakery at night"


def test_what_xml_or_a_chunk_cannot_hold_is_left_out(tmp_path):
    made = written(tmp_path, alt="a\x00b\x0c\ud800c", negative_prompt="x\x00y\ud800")
    assert told(made.path)[1] == "abc"
    with Image.open(made.path) as picture:
        assert "Negative prompt: xy\n" in picture.info["parameters"]


@pytest.mark.parametrize("prompt", ["a bakery at night", "夜里的面包店 🍞"])
def test_parameters_are_read_by_any_program_that_reads_them(tmp_path, prompt):
    info = EngineInfo("/srv/models/z-image", "Euler")
    task = ImageTask("one", prompt, tmp_path, "people, hands", 64, 48, 4, 1.5, 9, Lora("/srv/loras/sketch.safetensors", 0.8))
    made = files.write(Image.new("RGB", (64, 48)), task, info)
    expected = (
        f"{prompt} <lora:sketch:0.8>\nNegative prompt: people, hands\n"
        "Steps: 4, Sampler: Euler, CFG scale: 1.5, Seed: 9, Size: 64x48, Model: z-image, Version: Persona Studio"
    )
    with Image.open(made.path) as picture:
        assert picture.info["parameters"] == expected
    assert b"/srv/" not in made.path.read_bytes(), "where things lie on the server is nobody's business"
    if tool := shutil.which("exiftool"):
        answer = subprocess.run([tool, "-b", "-Parameters", str(made.path)], check=True, capture_output=True).stdout
        assert answer.decode() == expected


def test_a_model_of_the_hub_is_named_in_full(tmp_path):
    with Image.open(written(tmp_path, EngineInfo("Tongyi-MAI/Z-Image-Turbo")).path) as picture:
        assert "Model: Tongyi-MAI/Z-Image-Turbo," in picture.info["parameters"]


def test_the_same_picture_is_the_same_file_wherever_it_lies(tmp_path):
    assert written(tmp_path / "a").path.read_bytes() == written(Path(tmp_path / "b")).path.read_bytes()
