"""What the pages that show pictures may ask for: everything about one, another one like it, and which of them is its tweet's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any

from pydantic import Field

from pages.components.asked import Answer, Asked
from pages.tweet_filters import Id
from pipeline.picture_desk import MOST_VARIANTS
from pipeline.studio import Studio

SHOWN = ("id", "tweet_id", "persona_name", "tweet_text", "file", "thumbnail", "width", "height", "seed", "engine", "seconds", "worker")
TOLD = ("asked", "created_at", "chosen", "variant", "job_id")
Seed = Annotated[int, Field(ge=0, le=2**53 - 1)]


class OnePicture(Asked):
    id: Id


class PictureAgain(OnePicture):
    seed: Seed | None = None


class PictureVariations(OnePicture):
    count: Annotated[int, Field(ge=1, le=MOST_VARIANTS)]


class PictureCalls:
    """Their answers; the scripts of `picture_view.js` ask."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio

    def pairs(self) -> list[tuple[type[Asked], Callable[[Any], Awaitable[Answer]]]]:
        """What is sent, and the work that takes it, for :func:`pages.components.asked.answering_all`."""
        return [(OnePicture, self.picture), (PictureAgain, self.again), (PictureVariations, self.vary), (OnePicture, self.choose)]

    async def picture(self, asked: OnePicture) -> Answer:
        """Everything about a picture, and the others of its tweet."""
        image = await self.studio.pictures.image(asked.id)
        others = await self.studio.pictures.of_tweet(image["tweet_id"]) if image["tweet_id"] else [image]
        return {
            "image": {**narrow(image), **{key: image[key] for key in TOLD}},
            "others": [{**narrow(other), "chosen": other["chosen"]} for other in others],
        }

    async def again(self, asked: PictureAgain) -> Answer:
        """Draw the same once more, with another seed or the one that is given."""
        return {"job": await self.studio.pictures.again(asked.id, asked.seed)}

    async def vary(self, asked: PictureVariations) -> Answer:
        """Draw more of the same with other seeds."""
        return {"job": await self.studio.pictures.vary(asked.id, asked.count)}

    async def choose(self, asked: OnePicture) -> Answer:
        """Make it its tweet's picture."""
        await self.studio.pictures.choose(asked.id)
        return await self.picture(asked)


def narrow(image: Mapping[str, Any]) -> Answer:
    """What a tile needs of a picture."""
    return {key: image[key] for key in SHOWN}
