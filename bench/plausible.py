"""Tweets of plausible variety, for benches that need many: lengths, words, topics and badges as real batches have them."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from storage.tweets import NewTweet


@dataclass(frozen=True)
class Words:
    """What a language's tweets are put together from (choices, with ``|`` between them), what stands between words and ends sentences."""

    opening: str
    subject: str
    verb: str
    object: str
    tail: str
    rare: str
    space: str
    stop: str


WORDS: Mapping[str, Words] = {
    "English": Words(
        opening="""Nobody told me that|Third attempt:|Small victory:|Reminder to myself:|Honestly,|At 5 a.m.|Every autumn|Turns out
            Overheard:|I keep thinking that|Between two trains,|My neighbour swears that|Confession:|After eleven years""",
        subject="""the old tram|a jar of rye starter|the lighthouse log|this broken joystick|my grandmother's coffee grinder|the bee hive
            a library card from 1974|the night market|our tiny greenhouse|the harbour crane|a borrowed telescope|the bakery window
            that one streetlamp|a bag of tomato seeds|the tide table|my left boot|the ferry's second engine""",
        verb="""smells of|has taught me more about|is the only place for|sounds like|survives on|still runs on|reminds me of
            was repaired with|is haunted by|gets better with|refuses|deserves""",
        object="""warm cardamom|patience|copper wire and hope|a little less sugar|salt wind|second chances|quiet people|cold coffee
            the sound of gulls|borrowed tools|bad weather|good bread|rain on tin roofs|letters nobody sent|forty small repairs""",
        tail="""What would you have kept?|More tomorrow.|I wrote it down so that I believe it.|The kettle agrees.|No filter, no plan.
            Ask me again in spring.|You can laugh, I did.|Photo when my hands are dry.|It took eleven years.|||""",
        rare="palimpsest|quokka|sextant|marzipan|gasometer",
        space=" ",
        stop=".",
    ),
    "中文": Words(
        opening="""没人告诉我|第三次尝试：|小小的胜利：|提醒自己：|说真的，|凌晨五点，|每年秋天|原来|我一直在想，|两班电车之间，
            邻居坚持说|今天听到的：|坦白：|下雨之前，|十一年以后，""",
        subject="""老电车|一罐黑麦酵种|灯塔日志|这个坏掉的摇杆|外婆的咖啡磨|屋顶的蜂箱|一张旧借书证|夜市|我们的小温室
            港口的吊车|借来的望远镜|面包店的橱窗|那盏路灯|一包番茄种子|潮汐表|我的左靴子|渡轮的第二台引擎""",
        verb="闻起来像|教会我更多关于|只适合|听起来像|靠着|让我想起|是用|越来越像|拒绝了|值得拥有",
        object="""温热的豆蔻|耐心|铜线和希望|少一点糖|咸咸的海风|第二次机会|安静的人|冷掉的咖啡|海鸥的叫声|借来的工具
            坏天气|好面包|铁皮屋顶上的雨|没寄出的信|四十次小修补""",
        tail="换作你会留下什么？|明天继续。|写下来才敢相信。|水壶也同意。|春天再问我。|想笑就笑吧。|等手干了再拍照。|||",
        rare="萤火|枇杷|藤椅|邮戳|芦苇",
        space="",
        stop="。",
    ),
}
TOPICS = (
    *("daily_life", "work_in_progress", "question", "opinion", "memory", "behind_the_scenes", "humour", "recommendation"),
    *("weather", "gratitude", "craft_tip", "announcement"),
)
TAGS = ("slowcraft", "dailynotes", "咖啡", "夜班", "harbour")
BADGES = {"near_duplicate": 0.04, "over_limit": 0.03, "hashtag_spam": 0.02, "contradicts": 0.01, "too_long": 0.005, "empty": 0.001}
THREADS, PICTURES, RARE, TWO_SENTENCES = 0.05, 0.8, 0.005, 0.6
"""Shares of all tweets."""


def _choices(listed: str) -> list[str]:
    return [one.strip() for line in listed.splitlines() for one in line.split("|")]


_WORDS = {name: {key: _choices(listed) for key, listed in vars(words).items()} for name, words in WORDS.items()}


def text(language: str, chance: random.Random) -> str:
    """What one tweet says, in ``English`` or ``中文``."""
    words, listed = WORDS[language], _WORDS[language]
    first = [chance.choice(listed[key]) for key in ("opening", "subject", "verb", "object")]
    if chance.random() < RARE:
        first.insert(3, chance.choice(listed["rare"]))
    sentences = [words.space.join(first) + words.stop]
    if chance.random() < TWO_SENTENCES:
        second = words.space.join(chance.choice(listed[key]) for key in ("subject", "verb", "object"))
        sentences.append(second + words.stop)
    if tail := chance.choice(listed["tail"]):
        sentences.append(tail)
    return words.space.join(sentences)


def tweet(number: int, persona_id: str, language: str, chance: random.Random) -> NewTweet:
    """The tweet with this *number* of all, as a batch would save it: ten jobs of ten thousand, a year of days."""
    said = text(language, chance)
    parts = [said, text(language, chance)] if chance.random() < THREADS else []
    topic = chance.choices(TOPICS, range(len(TOPICS), 0, -1))[0]
    day = date(2026, 1, 1) + timedelta(days=number * 330 // 100_000 + chance.randrange(15))
    scene = f"{said[:60]}, soft window light, 35 mm, muted colours, grain, no text, a person seen from behind, hands at work, {number}"
    picture = {
        "scene_hint": said[:60],
        "positive_prompt": scene,
        "generation_params": {"width": 1024, "height": 1024, "steps": 9, "cfg": 0},
    }
    return NewTweet(
        persona_id=persona_id,
        text="\n\n".join(parts) or said,
        length=min(len(said) * (1 if language == "English" else 2), 280),
        job_id=f"job{number // 10_000:02d}",
        slot=number,
        date=day.isoformat(),
        time=f"{chance.randrange(6, 23):02d}:{chance.choice((0, 15, 30, 45)):02d}",
        parts=parts,
        topic_type=topic,
        mood=chance.choice(("calm", "wry", "tired but happy", "curious")),
        time_segment=chance.choice(("morning", "noon", "evening", "night")),
        tweet_format="thread" if parts else "standard",
        hashtags=chance.sample(TAGS, chance.randrange(3)),
        alt_text=f"A photo: {said[:80]}",
        image=picture if chance.random() < PICTURES else {},
        plan={"weekday": f"{day:%A}", "topic_type": topic, "theme": said[:30], "content_direction": scene, "keywords": said.split()[:4]},
        badges=[{"kind": kind, "detail": f"{number}"} for kind, share in BADGES.items() if chance.random() < share],
    )
