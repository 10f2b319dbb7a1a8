"""Image workers killed at random under a Studio: the pool's part is tested where the pool is, this is about what is in the database."""

from __future__ import annotations

from bench.picture_kills import kill_and_draw


async def test_each_picture_is_in_the_database_once_however_many_workers_are_killed(tmp_path):
    outcome = await kill_and_draw(tmp_path / "data", rounds=10, tasks=40, workers=3, size="256x256")
    assert len(outcome.noticed) == outcome.restarts == 10
    assert outcome.saved == outcome.drawn == 40
    assert (outcome.lost, outcome.twice, outcome.broken, outcome.stray, outcome.alive) == ([], [], [], [], [])
