"""The tweets of a site, put there as jobs would, and what is looked for on the Gallery."""

from __future__ import annotations

from datetime import UTC, datetime

from pipeline.length import weighted_length
from storage import personas, tweets
from storage.clock import new_id
from storage.database import Store
from storage.tweets import Filters, NewTweet

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


class Shelf:
    """The site's database, written to as jobs would."""

    def __init__(self, site):
        self.site = site
        self.url = f"{site.url}gallery"
        self.store = Store(site.data)

    def person(self, name="Mara of the Night Bakery"):
        values = {"language": "English", "picture": None, "options": {}, "job_id": None, "now": NOW}
        persona_id = new_id()
        self.store.submit(lambda tx: personas.create(tx, persona_id, name=name, **values)).result()
        return persona_id

    def tweet(self, persona_id, text, **values):
        given = {"length": weighted_length(text), "date": "2026-12-01", "time": "08:15", "topic_type": "craft_tip", "mood": "wry", **values}
        return self.store.submit(tweets.save, NewTweet(persona_id=persona_id, text=text, **given), NOW).result()

    def get(self, tweet_id):
        return self.store.read(tweets.get, tweet_id)

    def statuses(self, **filters):
        return [tweet["status"] for tweet in self.store.read(tweets.page, Filters(**filters), limit=500)]


def card(page, tweet_id):
    return page.locator(f"article.card[data-id='{tweet_id}']")


def undo_offered(page, words):
    page.wait_for_selector(f".toast:has-text('{words}') #undo")
