"""Clients and languages for the tests of the offline writer."""

import openai
import pytest
from asking import complete_languages


@pytest.fixture(params=complete_languages())
def language(request) -> str:
    return request.param


@pytest.fixture
async def client(writer_url):
    """Makes openai clients that do not retry, for the shared server or for the one at a given address."""
    opened = []

    def connect(url: str = writer_url, **settings) -> openai.AsyncOpenAI:
        http_client = openai.DefaultAsyncHttpxClient(trust_env=False)
        settings = {"api_key": "anything", "max_retries": 0, "timeout": 20, **settings}
        opened.append(openai.AsyncOpenAI(base_url=url, http_client=http_client, **settings))
        return opened[-1]

    yield connect
    for one in opened:
        await one.close()
