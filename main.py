"""The command line: the same jobs as the pages run, with progress, files and exit codes.

Exit codes: 0 all was done; 1 something failed (the rest is kept and reported); 2 wrong usage; 130 and 143 stopped by SIGINT and
SIGTERM. stdout carries what programs read (paths, a table, or with ``--json`` one object), stderr what people read.
"""

from __future__ import annotations

import argparse
import gc
import shlex
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any, NoReturn

import logs
from cli.orders import BatchOrder, CalendarOrder, CancelOrder, ImagesOrder, JobsOrder, Order, PersonaOrder, ResumeOrder
from config import load_settings
from errors import ConfigError, NotFoundError, StudioError

VERSION = "0.1.0"
EXAMPLES = """\
examples:
  python main.py --generate-persona --image photo.jpg
  python main.py --generate-persona --image photo.jpg --language 中文 --location Lisbon --persona-output her.json
  python main.py --generate-persona --images pictures/*.jpg --persona-output personas/ --custom-instructions "works at night"
  python main.py --batch-mode --personas personas/*.json --tweets 10 --max-concurrent 20
  python main.py --batch-mode --personas a.json b.json --calendars a.csv b.json --output-dir july
  python main.py --persona her.json --calendar july.json --tweets 5
  python main.py --generate-calendar --persona her.json --days 15 --start 2026-07-01
  python main.py --generate-calendar --persona her.json --calendar-output july.ics
  python main.py --generate-images --tweets-batch output/her_tweets.json --num-gpus 8
  python main.py --jobs
  python main.py --resume                      go on with everything that was interrupted, paused or failed
  python main.py --resume 01K9ZQ3V5YQ8N0V4B1R7  go on with one job
  python main.py --cancel 01K9ZQ3V5YQ8N0V4B1R7

A real LLM: set OPENAI_API_KEY, and OPENAI_BASE_URL for any OpenAI-compatible server. With neither, an offline demo writer answers.

exit codes: 0 all was done, 1 something failed, 2 wrong usage, 130 stopped with Ctrl-C, 143 stopped by SIGTERM (--resume goes on)"""

GENERATE, BATCH, ONE, CALENDAR, IMAGES = "--generate-persona", "--batch-mode", "--persona", "--generate-calendar", "--generate-images"
JOBS, RESUME, CANCEL = "--jobs", "--resume", "--cancel"
GOES_WITH = {
    **dict.fromkeys(
        ("image", "images", "persona_output", "language", "location", "business_goal", "custom_instructions", "stage_order", "seed"),
        (GENERATE,),
    ),
    "personas": (BATCH,),
    "calendars": (BATCH,),
    "calendar": (ONE,),
    "tweets": (BATCH, ONE),
    "context": (BATCH, ONE),
    "start": (BATCH, ONE, CALENDAR),
    "output_dir": (BATCH, ONE, CALENDAR),
    "days": (CALENDAR,),
    "calendar_output": (CALENDAR,),
    "persona": (ONE, CALENDAR),
    **dict.fromkeys(("tweets_batch", "num_gpus", "image_output_dir", "start_slot", "max_images", "image_model"), (IMAGES,)),
}
"""The modes with which each flag goes. ``--persona`` without another mode is one."""
LARGEST_SEED = 2**63 - 1
MOST_TWEETS = 10_000
MOST_DAYS = 366
LONGEST_CONTEXT = 1000
CALENDAR_ENDINGS = (".json", ".csv", ".ics")
MOST_GPUS = 64
MOST_IMAGES = 20_000


class Parser(argparse.ArgumentParser):
    """Wrong usage is one sentence on stderr and exit code 2."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message.rstrip('.')}. See {self.prog} --help.\n")


def parser() -> argparse.ArgumentParser:
    """Flags as SPEC 12 names them. What is not given is ``None``, so that it can be told apart."""
    made = Parser(
        prog="main.py",
        description="Write fictional AI personas from pictures, their calendars, tweets and the tweets' pictures, and go on with what was "
        "interrupted.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    made.add_argument("--version", action="version", version=f"Persona Studio {VERSION}")
    modes = made.add_argument_group("modes (one of them, or --persona)").add_mutually_exclusive_group()
    modes.add_argument("--generate-persona", action="store_true", help="write a persona from each picture")
    modes.add_argument("--batch-mode", action="store_true", help="write tweets for many personas at once")
    modes.add_argument("--generate-calendar", action="store_true", help="write a calendar for one persona")
    modes.add_argument("--generate-images", action="store_true", help="draw the pictures of the tweets in a batch file")
    modes.add_argument("--jobs", action="store_true", help="list what ran and what can go on")
    modes.add_argument("--resume", nargs="?", const="", metavar="JOB", help="go on with a job, or with all that can go on")
    modes.add_argument("--cancel", metavar="JOB", help="stop a job for good; what is done stays")
    _add_persona_flags(made.add_argument_group("with --generate-persona"))
    _add_tweet_flags(made.add_argument_group("with --batch-mode, --persona and --generate-calendar"))
    _add_image_flags(made.add_argument_group("with --generate-images"))
    _add_common_flags(made.add_argument_group("common"))
    return made


def _add_persona_flags(group: argparse._ArgumentGroup) -> None:
    pictures = group.add_mutually_exclusive_group()
    pictures.add_argument("--image", metavar="F", help="one picture: PNG, JPEG or WebP")
    pictures.add_argument("--images", nargs="+", metavar="F", help="several pictures: a persona is written from each")
    group.add_argument(
        "--persona-output",
        metavar="F",
        help="where the persona goes: a file, or a folder for several (default: personas/<image name>_persona.json); "
        "a file that is there is replaced",
    )
    group.add_argument("--language", metavar="NAME", help="language of the persona: English, 中文, 日本語, or any other (default: English)")
    group.add_argument("--location", metavar="TEXT", help="where the persona lives (default: the writer chooses)")
    group.add_argument("--business-goal", metavar="TEXT", help="what the account is for")
    group.add_argument("--custom-instructions", metavar="TEXT", help="anything else the writer is to heed")
    group.add_argument(
        "--stage-order",
        choices=("graph", "sequential"),
        help="graph: a stage starts when what it needs is done (default); sequential: one after the other",
    )
    group.add_argument("--seed", type=_seed, metavar="N", help="passed to the writer: the same seed may give the same persona again")


def _add_tweet_flags(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--personas", nargs="+", metavar="F", help="persona files: ours, character cards as JSON or PNG, elizaOS characters")
    group.add_argument("--calendars", nargs="+", metavar="F", help="a calendar for each, in the same order (default: they are written)")
    group.add_argument("--persona", metavar="F", help="one persona's file: alone it is a mode, and writes tweets")
    group.add_argument("--calendar", metavar="F", help="that persona's calendar, JSON or CSV (default: it is written)")
    group.add_argument("--tweets", "--tweets-count", type=_up_to(MOST_TWEETS), metavar="N", help="tweets of each persona (default: 5)")
    group.add_argument("--context", metavar="TEXT", help="what goes on outside while they tweet: weather, season, news")
    group.add_argument("--days", type=_up_to(MOST_DAYS), metavar="N", help="days of the calendar (default: 15)")
    group.add_argument(
        "--calendar-output",
        metavar="F",
        help="file of the calendar, .json, .csv or .ics: its ending says as what it is written (default: JSON in --output-dir); "
        "a file that is there is replaced",
    )
    group.add_argument("--start", type=_day, metavar="DATE", help="first day of a calendar that is written, 2026-07-01 (default: tomorrow)")
    group.add_argument(
        "--output-dir",
        metavar="DIR",
        help="folder of the files, <persona file>_tweets.json or <persona file>_calendar.json (default: output); files there are replaced",
    )


def _add_image_flags(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--tweets-batch", metavar="F", help="batch of tweets, JSON version 1.0 or 2.0")
    group.add_argument("--num-gpus", type=_up_to(MOST_GPUS), metavar="N", help="GPUs that draw (NUM_GPUS, default: all that are seen)")
    group.add_argument(
        "--image-output-dir",
        metavar="DIR",
        help="folder of the pictures, <batch file>_<slot>.png (default: output_images); files there are replaced",
    )
    group.add_argument("--start-slot", type=_from_zero, metavar="N", help="leave out tweets whose slot is lower (default: 0)")
    group.add_argument("--max-images", type=_up_to(MOST_IMAGES), metavar="N", help="draw no more than this many (default: all)")
    group.add_argument("--image-model", metavar="NAME", help="folder or hub id of a diffusers pipeline (IMAGE_MODEL)")


def _add_common_flags(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--api-key", metavar="KEY", help="key of the LLM server; others can read it in ps: prefer OPENAI_API_KEY")
    group.add_argument("--api-base", metavar="URL", help="address of an OpenAI-compatible server, with its /v1 (OPENAI_BASE_URL)")
    group.add_argument("--model", metavar="NAME", help="model that writes (OPENAI_MODEL)")
    group.add_argument("--temperature", type=float, metavar="T", help="sampling temperature, 0 to 2 (TEMPERATURE)")
    group.add_argument("--max-concurrent", type=int, metavar="N", help="LLM calls at once (MAX_CONCURRENT, default: 20)")
    group.add_argument("--data-dir", metavar="DIR", help="folder of the database (DATA_DIR, default: data)")
    group.add_argument("--json", action="store_true", help="print the summary as one JSON object on stdout, and nothing else there")
    group.add_argument("--quiet", action="store_true", help="no progress and no summary on stderr; what failed is still said")


def _seed(text: str) -> int:
    number = int(text) if text.isdecimal() and len(text) < 20 else -1
    if not 0 <= number <= LARGEST_SEED:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 to {LARGEST_SEED}")
    return number


def _from_zero(text: str) -> int:
    if not text.isdecimal() or len(text) > 9:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 on")
    return int(text)


def _up_to(most: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        given = int(text) if text.isdecimal() and len(text) < 20 else 0
        if not 1 <= given <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to {most}")
        return given

    return number


def _day(text: str) -> str:
    try:
        return date.fromisoformat(text.strip()).isoformat()
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a date such as 2026-07-01") from None


def _mode(given: argparse.Namespace) -> str | None:
    flags = {
        GENERATE: given.generate_persona,
        BATCH: given.batch_mode,
        CALENDAR: given.generate_calendar,
        IMAGES: given.generate_images,
        JOBS: given.jobs,
        RESUME: given.resume is not None,
        CANCEL: given.cancel is not None,
        ONE: given.persona is not None,
    }
    return next((flag for flag, there in flags.items() if there), None)


def read_order(made: argparse.ArgumentParser, given: argparse.Namespace) -> Order:
    """What is to be done. Ends the process with exit code 2 where the flags do not fit together."""
    mode = _mode(given)
    if mode is None:
        made.error(f"one of {GENERATE}, {BATCH}, {ONE}, {CALENDAR}, {IMAGES}, {JOBS}, {RESUME}, {CANCEL} is required")
    for name, modes in GOES_WITH.items():
        if getattr(given, name) is not None and mode not in modes:
            flag = f"--{name.replace('_', '-')}"
            made.error(f"{flag} only goes with {' or '.join(other for other in modes if other != flag)}")
    if mode == CANCEL:
        return CancelOrder(_job(made, given.cancel, CANCEL))
    if mode in (JOBS, RESUME):
        return JobsOrder() if mode == JOBS else ResumeOrder(_job(made, given.resume, RESUME) if given.resume else "")
    if mode == IMAGES:
        return _images_order(made, given)
    return _persona_order(made, given) if mode == GENERATE else _files_order(made, given, mode)


def _images_order(made: argparse.ArgumentParser, given: argparse.Namespace) -> ImagesOrder:
    if not given.tweets_batch:
        made.error(f"{IMAGES} needs a batch of tweets: --tweets-batch F")
    if given.image_output_dir == "":
        made.error("--image-output-dir must name a folder")
    return ImagesOrder(Path(given.tweets_batch), given.image_output_dir or "output_images", given.start_slot or 0, given.max_images)


def _files_order(made: argparse.ArgumentParser, given: argparse.Namespace, mode: str) -> BatchOrder | CalendarOrder:
    several = mode == BATCH
    personas = given.personas if several else [given.persona]
    calendars = given.calendars if several else [given.calendar] if given.calendar is not None else None
    if not personas or not all(personas):
        made.error(f"{mode} needs {'persona files: --personas F...' if several else 'a persona file: --persona F'}")
    if calendars is not None and not all(calendars):
        made.error(f"{'--calendars' if several else '--calendar'} must name a file")
    if calendars is not None and len(calendars) != len(personas):
        made.error(f"--calendars takes as many files as --personas, and {len(calendars)} are not {len(personas)}")
    if calendars is not None and given.start is not None:
        made.error("--start is for calendars that are written; those given have their own days")
    if given.output_dir == "":
        made.error("--output-dir must name a folder")
    folder, start = given.output_dir or "output", given.start or ""
    if mode == CALENDAR:
        return CalendarOrder(Path(personas[0]), folder, given.days or 15, start, _calendar_output(made, given))
    files = tuple(Path(persona) for persona in personas)
    context = (given.context or "").encode("utf-8", "replace").decode()  # as bytes that are no UTF-8 reach us, they cannot be stored
    if len(context) > LONGEST_CONTEXT:
        made.error(f"--context has {LONGEST_CONTEXT} characters at most")
    days = tuple(Path(calendar) for calendar in calendars or ())
    return BatchOrder(files, folder, given.tweets or 5, days, start, context, several=several)


def _calendar_output(made: argparse.ArgumentParser, given: argparse.Namespace) -> str:
    output = given.calendar_output
    if output is None:
        return ""
    if given.output_dir is not None:
        made.error("--calendar-output and --output-dir both say where the calendar goes; give one of them")
    if Path(output).suffix.lower() not in CALENDAR_ENDINGS:
        made.error(f"--calendar-output must name a file that ends in {', '.join(CALENDAR_ENDINGS[:-1])} or {CALENDAR_ENDINGS[-1]}")
    return output


def _persona_order(made: argparse.ArgumentParser, given: argparse.Namespace) -> PersonaOrder:
    images = [given.image] if given.image is not None else given.images
    if not images or not all(images):
        made.error("--generate-persona needs a picture: --image F or --images F")
    if given.persona_output == "":
        made.error("--persona-output must name a file or a folder")
    language = (given.language if given.language is not None else "English").strip()
    if not language:
        made.error("--language must name a language")
    return PersonaOrder(
        images=tuple(Path(image) for image in images),
        output=given.persona_output,
        language=language,
        location=given.location or "",
        goal=given.business_goal or "",
        instructions=given.custom_instructions or "",
        seed=given.seed,
    )


def _job(made: argparse.ArgumentParser, text: str, flag: str) -> str:
    job = text.strip().upper()
    if not job.isalnum():
        made.error(f"{flag} takes the id of a job; --jobs lists them")
    return job


def read_settings(given: argparse.Namespace) -> dict[str, Any]:
    """The settings that the flags override; an empty flag counts as not given."""
    return {
        "openai_api_key": given.api_key or None,
        "openai_base_url": given.api_base or None,
        "openai_model": given.model or None,
        "temperature": given.temperature,
        "max_concurrent": given.max_concurrent,
        "data_dir": given.data_dir or None,
        "stage_order": given.stage_order,
        "num_gpus": given.num_gpus,
        "image_model": given.image_model or None,
    }


def _again(given: argparse.Namespace) -> str:
    """How to call the command again on the same data and writer (the key is never repeated)."""
    repeated = {"--data-dir": given.data_dir, "--api-base": given.api_base, "--model": given.model, "--image-model": given.image_model}
    return shlex.join(["python", "main.py", *(word for flag, value in repeated.items() if value for word in (flag, value))])


def main(arguments: list[str] | None = None) -> int:
    """Run the command line. Returns the exit code."""
    made = parser()
    given = made.parse_args(arguments)
    order = read_order(made, given)
    try:
        settings = load_settings(**read_settings(given))
        logs.keep_out(settings.secrets)
        from cli import modes  # noqa: PLC0415  the Studio takes a second to load; help and wrong usage answer at once

        gc.freeze()  # what was imported stays: collecting garbage among it took a tenth of all CPU
        gc.set_threshold(5_000, 10, 10)  # and looking for it seven times less often another twentieth
        return modes.run(order, settings, modes.Manner(json=given.json, quiet=given.quiet, again=_again(given)))
    except StudioError as error:
        print(f"{made.prog}: {error}", file=sys.stderr)
        return 2 if isinstance(error, ConfigError | NotFoundError) else 1
    except KeyboardInterrupt:  # before the Studio was up
        return 130


if __name__ == "__main__":
    sys.exit(main())
