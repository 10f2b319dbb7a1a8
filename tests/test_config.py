"""Settings: each with its default, from the environment, from .env, and what is said of a wrong one."""

from __future__ import annotations

import os
import re
from itertools import pairwise
from pathlib import Path

import pytest
from pydantic import SecretStr

from config import Settings, load_settings
from errors import ConfigError
from pipeline import checks

EXAMPLE = Path(__file__).parents[1] / ".env.example"

DEFAULTS = {
    "OPENAI_API_KEY": None,
    "OPENAI_BASE_URL": None,
    "OPENAI_MODEL": "gpt-5-mini",
    "OPENAI_VISION_MODEL": None,
    "MAX_CONCURRENT": 20,
    "REQUEST_TIMEOUT": 120,
    "RETRY_BUDGET": 600,
    "TEMPERATURE": None,
    "PRICE_INPUT": None,
    "PRICE_OUTPUT": None,
    "STAGE_ORDER": "graph",
    "OFFLINE_LATENCY": 0.4,
    "IMAGE_ENGINE": "auto",
    "IMAGE_MODEL": None,
    "IMAGE_SIZE": "1024x1024",
    "IMAGE_STEPS": 9,
    "IMAGE_GUIDANCE": 0,
    "NUM_GPUS": None,
    "CPU_WORKERS": 1,
    "IMAGE_TIMEOUT": 300,
    "GPU_POOL": "local",
    "RAY_ADDRESS": None,
    "DATA_DIR": Path("data"),
    "HOST": "127.0.0.1",
    "PORT": 7860,
    "ROOT_PATH": "",
    "AUTH": {},
    "ALLOWED_HOSTS": (),
    "FORWARDED_ALLOW_IPS": "127.0.0.1,::1",
    "MAX_UPLOAD_MB": 20,
    "DISCLOSURE": "Fictional AI persona. Any likeness to a real person is coincidental.",
    "NETWORKS": (),
    "UI_LANGUAGE": "auto",
}
OTHERS = {
    "OPENAI_API_KEY": ("sk-a", SecretStr("sk-a")),
    "OPENAI_BASE_URL": ("http://127.0.0.1:8000/v1/", "http://127.0.0.1:8000/v1"),
    "OPENAI_MODEL": ("qwen", "qwen"),
    "OPENAI_VISION_MODEL": ("qwen-vl", "qwen-vl"),
    "MAX_CONCURRENT": ("200", 200),
    "REQUEST_TIMEOUT": ("2.5", 2.5),
    "RETRY_BUDGET": ("0", 0),
    "TEMPERATURE": ("0.7", 0.7),
    "PRICE_INPUT": ("0.25", 0.25),
    "PRICE_OUTPUT": ("2", 2),
    "STAGE_ORDER": ("sequential", "sequential"),
    "OFFLINE_LATENCY": ("0", 0),
    "IMAGE_ENGINE": ("preview", "preview"),
    "IMAGE_MODEL": ("/models/z", "/models/z"),
    "IMAGE_SIZE": ("768x1152", "768x1152"),
    "IMAGE_STEPS": ("4", 4),
    "IMAGE_GUIDANCE": ("3.5", 3.5),
    "NUM_GPUS": ("2", 2),
    "CPU_WORKERS": ("3", 3),
    "IMAGE_TIMEOUT": ("60", 60),
    "GPU_POOL": ("ray", "ray"),
    "RAY_ADDRESS": ("ray://head:10001", "ray://head:10001"),
    "DATA_DIR": ("/srv/studio", Path("/srv/studio")),
    "HOST": ("0.0.0.0", "0.0.0.0"),  # noqa: S104  a value, nothing listens
    "PORT": ("0", 0),
    "ROOT_PATH": ("/studio/", "/studio"),
    "AUTH": ("ann:pw:1, bob:x", {"ann": SecretStr("pw:1"), "bob": SecretStr("x")}),
    "ALLOWED_HOSTS": ("Studio.example.com, *.lan", ("studio.example.com", "*.lan")),
    "FORWARDED_ALLOW_IPS": ("10.0.0.7,172.16.0.0/12", "10.0.0.7,172.16.0.0/12"),
    "MAX_UPLOAD_MB": ("0.5", 0.5),
    "DISCLOSURE": ("Made up.", "Made up."),
    "NETWORKS": ("Bluesky, threads", ("bluesky", "threads")),
    "UI_LANGUAGE": ("zh", "zh"),
}
OLD_NAMES = {"API_KEY": "OPENAI_API_KEY", "API_BASE": "OPENAI_BASE_URL", "MODEL": "OPENAI_MODEL", "ZIMAGE_MODEL_PATH": "IMAGE_MODEL"}
WRONG = [
    ("OPENAI_BASE_URL", "127.0.0.1:8000"),
    ("OPENAI_BASE_URL", "ftp://host/v1"),
    ("OPENAI_BASE_URL", "http://"),
    ("OPENAI_BASE_URL", "http://host:port/v1"),
    ("OPENAI_BASE_URL", "http://[::1/v1"),
    ("MAX_CONCURRENT", "0"),
    ("MAX_CONCURRENT", "many"),
    ("MAX_CONCURRENT", "2.5"),
    ("REQUEST_TIMEOUT", "-1"),
    ("REQUEST_TIMEOUT", "inf"),
    ("RETRY_BUDGET", "-1"),
    ("TEMPERATURE", "3"),
    ("TEMPERATURE", "nan"),
    ("STAGE_ORDER", "random"),
    ("OFFLINE_LATENCY", "-1"),
    ("IMAGE_ENGINE", "dalle"),
    ("IMAGE_SIZE", "1024"),
    ("IMAGE_SIZE", "0x512"),
    ("IMAGE_SIZE", "１０２４x１０２４"),
    ("IMAGE_STEPS", "0"),
    ("IMAGE_GUIDANCE", "31"),
    ("NUM_GPUS", "-1"),
    ("CPU_WORKERS", "0"),
    ("IMAGE_TIMEOUT", "0"),
    ("GPU_POOL", "slurm"),
    ("DATA_DIR", "~nobody-has-this-name/data"),
    ("PORT", "70000"),
    ("PORT", "http"),
    ("ROOT_PATH", "studio"),
    ("AUTH", "just-a-name"),
    ("AUTH", "ann:,bob:x"),
    ("ALLOWED_HOSTS", "https://studio.example.com"),
    ("ALLOWED_HOSTS", "studio.example.com:8443"),
    ("ALLOWED_HOSTS", "studio.*"),
    ("FORWARDED_ALLOW_IPS", "proxy"),
    ("FORWARDED_ALLOW_IPS", "127.0.0.1,"),
    ("MAX_UPLOAD_MB", "0"),
    ("NETWORKS", "bluesky,myspace"),
    ("UI_LANGUAGE", "fr"),
]


@pytest.fixture(autouse=True)
def empty_house(monkeypatch, tmp_path):
    """No .env, and none of our variables in the environment."""
    for name in list(os.environ):
        if name.upper() in {*DEFAULTS, *OLD_NAMES}:
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def value_of(settings: Settings, variable: str) -> object:
    return getattr(settings, variable.lower())


def test_the_table_above_names_every_setting():
    assert {name.upper() for name in Settings.model_fields} == set(DEFAULTS) == set(OTHERS)


@pytest.mark.parametrize("variable", DEFAULTS)
def test_without_anything_set_every_setting_has_its_default(variable):
    assert value_of(load_settings(), variable) == DEFAULTS[variable]


@pytest.mark.parametrize("variable", DEFAULTS)
def test_the_environment_sets_it(monkeypatch, variable):
    text, value = OTHERS[variable]
    monkeypatch.setenv(variable, text)
    assert value_of(load_settings(), variable) == value


@pytest.mark.parametrize("variable", DEFAULTS)
def test_the_file_sets_it(empty_house, variable):
    text, value = OTHERS[variable]
    (empty_house / ".env").write_text(f"{variable}={text}\n")
    assert value_of(load_settings(), variable) == value


@pytest.mark.parametrize("blank", ["", "  "])
@pytest.mark.parametrize("variable", DEFAULTS)
def test_an_empty_value_means_the_default(monkeypatch, variable, blank):
    monkeypatch.setenv(variable, blank)
    assert value_of(load_settings(), variable) == DEFAULTS[variable]


@pytest.mark.parametrize("old", OLD_NAMES)
def test_old_names_still_work(monkeypatch, old):
    text, value = OTHERS[OLD_NAMES[old]]
    monkeypatch.setenv(old, text)
    assert value_of(load_settings(), OLD_NAMES[old]) == value


def test_a_new_name_wins_over_its_old_one(monkeypatch):
    monkeypatch.setenv("OPENAI_MODEL", "new")
    monkeypatch.setenv("MODEL", "old")
    assert load_settings().openai_model == "new"


@pytest.mark.parametrize(
    ("in_environment", "in_file"), [("OPENAI_MODEL", "OPENAI_MODEL"), ("MODEL", "OPENAI_MODEL"), ("OPENAI_MODEL", "MODEL")]
)
def test_the_environment_wins_over_the_file_by_either_name(monkeypatch, empty_house, in_environment, in_file):
    monkeypatch.setenv(in_environment, "environment")
    (empty_house / ".env").write_text(f"{in_file}=file\n")
    assert load_settings().openai_model == "environment"


def test_a_flag_wins_over_both(monkeypatch, empty_house):
    monkeypatch.setenv("MODEL", "environment")
    (empty_house / ".env").write_text("OPENAI_MODEL=file\n")
    assert load_settings(openai_model="flag", temperature=None).openai_model == "flag"


def test_variables_of_other_programs_in_the_file_are_left_alone(empty_house):
    (empty_house / ".env").write_text("# a comment\nSOMETHING_ELSE=1\nexport PORT='8080'\n")
    assert load_settings().port == 8080


def test_a_key_loses_the_line_break_that_a_secrets_file_ends_with(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-a\n")
    key = load_settings().openai_api_key
    assert key is not None
    assert key.get_secret_value() == "sk-a"


@pytest.mark.parametrize(("variable", "text"), WRONG)
def test_a_wrong_value_is_one_sentence_that_names_the_variable(monkeypatch, variable, text):
    monkeypatch.setenv(variable, text)
    with pytest.raises(ConfigError) as caught:
        load_settings()
    sentence = str(caught.value)
    assert sentence.startswith(f"{variable}: ")
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert ". " not in sentence, "one sentence"
    assert "alue error" not in sentence


def test_a_wrong_value_in_the_file_is_the_same_sentence(empty_house):
    (empty_house / ".env").write_text("MAX_CONCURRENT=lots\n")
    with pytest.raises(ConfigError, match=r"^MAX_CONCURRENT: .*'lots'\)\.$"):
        load_settings()


def test_a_wrong_value_under_an_old_name_names_what_to_set(monkeypatch):
    monkeypatch.setenv("API_BASE", "nowhere")
    with pytest.raises(ConfigError, match=r"^OPENAI_BASE_URL: "):
        load_settings()


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("AUTH", "hunter2"),
        ("AUTH", "ann:hunter2,bob"),
        ("OPENAI_BASE_URL", "hunter2"),
        ("OPENAI_BASE_URL", "htps://ann:hunter2@host/v1"),
        ("OPENAI_BASE_URL", "https://ann:hunter2/3@host/v1"),
        ("OPENAI_BASE_URL", "https://ann:hunter2@ho\u2100st/v1"),
    ],
)
def test_a_secret_is_never_repeated(monkeypatch, variable, text):
    monkeypatch.setenv(variable, text)
    with pytest.raises(ConfigError) as caught:
        load_settings()
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_settings_do_not_show_secrets_when_printed(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-hunter2")
    monkeypatch.setenv("AUTH", "ann:hunter2")
    settings = load_settings()
    assert "hunter2" not in f"{settings!r} {settings} {settings.model_dump()}"


def test_what_must_not_reach_a_log_is_the_key_the_passwords_and_what_an_address_holds():
    settings = load_settings(openai_api_key="sk-a", openai_base_url="https://me:pw1@host/v1?key=k2", auth="ann:pw3,bob:pw4")
    assert set(settings.secrets) == {"sk-a", "me", "pw1", "k2", "pw3", "pw4"}
    assert load_settings().secrets == ()


def test_a_site_that_is_open_and_for_this_machine_alone_is_asked_for_as_localhost():
    assert load_settings().hosts == ("localhost",)
    assert load_settings(host="::1").hosts == ("localhost",)
    assert load_settings(host="0.0.0.0").hosts == (), "the names of a machine in its network are not known"  # noqa: S104
    assert load_settings(auth="ann:pw").hosts == (), "a stranger's page has no cookie"
    assert load_settings(allowed_hosts="studio.example.com").hosts == ("studio.example.com",)


def test_the_networks_that_can_be_chosen_are_those_that_the_checks_know():
    chosen = tuple(network for network in checks.NETWORKS if network != "x")
    assert load_settings(networks=",".join(chosen)).networks == chosen
    with pytest.raises(ConfigError, match=r"^NETWORKS: .*'bluesky'.* \(it is 'x'\)\.$"):
        load_settings(networks="x")


def test_a_long_wrong_value_is_shortened(monkeypatch):
    monkeypatch.setenv("NUM_GPUS", "9" * 3 + "x" * 5000)
    with pytest.raises(ConfigError) as caught:
        load_settings()
    assert len(str(caught.value)) < 250


def test_a_file_that_is_not_text_is_a_sentence(empty_house):
    (empty_house / ".env").write_bytes(b"MODEL=\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"^\.env is not a UTF-8 text file\.$"):
        load_settings()


def test_the_offline_writer_answers_exactly_when_neither_key_nor_address_is_set():
    assert load_settings().offline
    assert not load_settings(openai_api_key="sk-a").offline
    assert not load_settings(openai_base_url="http://127.0.0.1:8000/v1").offline


def test_pictures_are_shown_to_the_model_that_writes_unless_another_is_named():
    assert load_settings(openai_model="a").vision_model == "a"
    assert load_settings(openai_model="a", openai_vision_model="b").vision_model == "b"


def test_a_home_folder_may_be_written_with_a_tilde(monkeypatch):
    monkeypatch.setenv("HOME", "/home/ann")
    monkeypatch.setenv("DATA_DIR", "~/studio")
    assert load_settings().data_dir == Path("/home/ann/studio")


# .env.example


def test_the_example_file_lists_exactly_the_settings_each_with_its_default_and_meaning():
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    listed = {}
    for before, line in pairwise(lines):
        if match := re.fullmatch(r"# ([A-Z_]+)=(.*)", line):
            listed[match[1]] = match[2]
            assert re.match(r"# \w", before), f"{match[1]} is explained above it"
    assert list(listed) == [name.upper() for name in Settings.model_fields]
    for variable, text in listed.items():
        default = DEFAULTS[variable]
        assert text == ("" if default in (None, {}, ()) else str(default))


def test_the_example_file_as_it_is_changes_nothing_and_uncommented_neither(empty_house):
    example = EXAMPLE.read_text(encoding="utf-8")
    for text in (example, re.sub(r"(?m)^# ([A-Z_]+=)", r"\1", example)):
        (empty_house / ".env").write_text(text)
        assert load_settings() == Settings()
        assert {name: value_of(load_settings(), name) for name in DEFAULTS} == DEFAULTS


def test_the_example_file_names_the_old_names():
    example = EXAMPLE.read_text(encoding="utf-8")
    assert all(f"Old name: {old})" in example for old in OLD_NAMES)
