"""The tweets of a site, put there as jobs would, and what is looked for on the Gallery."""

from __future__ import annotations

from datetime import UTC, datetime

from pipeline.length import weighted_length
from pipeline.stages import STAGES
from storage import personas, tweets
from storage.clock import new_id
from storage.database import Store
from storage.personas import StageVersion, output_hash
from storage.tweets import Filters, NewTweet
from tests.pipeline import seven_outputs

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


class Shelf:
    """The site's database, written to as jobs would; *page* is where it is looked at."""

    def __init__(self, site, page="gallery"):
        self.site = site
        self.url = f"{site.url}{page}"
        self.store = Store(site.data)

    def person(self, name="Mara of the Night Bakery", outputs=()):
        """A persona with the stages of *outputs*."""
        persona_id, made = new_id(), dict(outputs)
        if "core" in made:
            made["core"] = {**made["core"], "name": name}

        def save(tx):
            personas.create(tx, persona_id, name=name, language="English", picture=None, options={}, job_id=None, now=NOW)
            for stage in STAGES:
                if stage.key in made:
                    hashes = {need: output_hash(made[need]) for need in stage.needs if need in made}
                    personas.save_stage(tx, StageVersion(persona_id, stage.key, made[stage.key], hashes), NOW)

        self.store.submit(save).result()
        return persona_id

    def whole(self, name="Mara Lindqvist", outputs=None):
        """A persona with all seven stages, or with others."""
        return self.person(name, seven_outputs.outputs() if outputs is None else outputs)

    def tweet(self, persona_id, text, **values):
        given = {"length": weighted_length(text), "date": "2026-12-01", "time": "08:15", "topic_type": "craft_tip", "mood": "wry", **values}
        return self.store.submit(tweets.save, NewTweet(persona_id=persona_id, text=text, **given), NOW).result()

    def get(self, tweet_id):
        return self.store.read(tweets.get, tweet_id)

    def statuses(self, **filters):
        return [tweet["status"] for tweet in self.store.read(tweets.page, Filters(**filters), limit=500)]


def persona_page(shelf, open_page, ready):
    """Opens the page of one persona, which is there when *ready* is: ``opened(persona_id)``."""

    def opened(persona_id, **options):
        page = open_page(f"{shelf.url}?persona={persona_id}", **options)
        page.wait_for_selector(ready)
        return page

    return opened


def card(page, tweet_id):
    return page.locator(f"article.card[data-id='{tweet_id}']")


def undo_offered(page, words):
    page.wait_for_selector(f".toast:has-text('{words}') #undo")
