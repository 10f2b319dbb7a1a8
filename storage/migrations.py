"""The database's shape, as an append-only list of small functions. Never change one that has been released."""

from __future__ import annotations

from contextlib import closing

from sqlite_utils import Database, Migrations

migrations = Migrations("studio")


@migrations()
def m001_personas(db: Database) -> None:
    db.executescript(
        """
        CREATE TABLE personas (
            id          TEXT PRIMARY KEY NOT NULL,
            name        TEXT NOT NULL,               -- shown and exported; the author may rename
            renamed     INTEGER NOT NULL DEFAULT 0,  -- 1: the author chose the name, a new core stage does not change it
            language    TEXT NOT NULL,
            picture     TEXT,                        -- file name under uploads/
            options     TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(options)),
            job_id      TEXT,                        -- the job that writes it
            revision    INTEGER NOT NULL DEFAULT 1,
            created_at  TEXT NOT NULL,
            updated_at  TEXT NOT NULL
        ) STRICT;

        -- Every version of every stage; the current one has the highest version.
        CREATE TABLE stages (
            persona_id  TEXT NOT NULL REFERENCES personas(id) ON DELETE CASCADE,
            stage       TEXT NOT NULL,
            version     INTEGER NOT NULL,
            output      TEXT NOT NULL CHECK (json_valid(output)),
            output_hash TEXT NOT NULL,
            made_from   TEXT NOT NULL CHECK (json_valid(made_from)),  -- {needed stage: its output_hash}
            made_by     TEXT NOT NULL CHECK (made_by IN ('writer', 'author', 'import', 'restore')),
            instruction TEXT,
            model       TEXT,
            input_hash  TEXT,
            job_id      TEXT,
            created_at  TEXT NOT NULL,
            PRIMARY KEY (persona_id, stage, version)
        ) STRICT, WITHOUT ROWID;
        """
    )


@migrations()
def m002_journal(db: Database) -> None:
    db.executescript(
        """
        CREATE TABLE jobs (
            id          TEXT PRIMARY KEY NOT NULL,
            kind        TEXT NOT NULL,
            title       TEXT NOT NULL,
            status      TEXT NOT NULL CHECK (status IN ('queued', 'running', 'paused', 'done', 'failed', 'cancelled')),
            params      TEXT NOT NULL CHECK (json_valid(params)),
            priority    INTEGER NOT NULL,            -- lower goes first; 0 is a person waiting
            owner       TEXT,                        -- the process that runs it
            created_at  TEXT NOT NULL,
            started_at  TEXT,
            finished_at TEXT
        ) STRICT;
        CREATE INDEX jobs_by_status ON jobs(status, id);

        CREATE TABLE steps (
            job_id      TEXT NOT NULL REFERENCES jobs(id) ON DELETE CASCADE,
            item        TEXT NOT NULL,               -- what it is about: a persona's id, a tweet's id
            stage       TEXT NOT NULL,               -- what is done to it
            position    INTEGER NOT NULL,
            needs       TEXT NOT NULL CHECK (json_valid(needs)),  -- [[item, stage], ...] of the same job
            lane        TEXT NOT NULL,               -- which resource it takes: llm, image
            status      TEXT NOT NULL CHECK (status IN ('waiting', 'running', 'done', 'failed', 'cancelled')),
            attempts    INTEGER NOT NULL DEFAULT 0,
            fence       INTEGER NOT NULL DEFAULT 0,
            owner       TEXT,
            lease_until TEXT,
            input_hash  TEXT,
            error_kind  TEXT,
            error       TEXT,
            started_at  TEXT,
            finished_at TEXT,
            PRIMARY KEY (job_id, item, stage)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX steps_by_owner ON steps(owner) WHERE status = 'running';

        CREATE TABLE calls (
            id                INTEGER PRIMARY KEY,
            job_id            TEXT NOT NULL,
            item              TEXT NOT NULL,
            stage             TEXT NOT NULL,
            request_hash      TEXT NOT NULL,
            model             TEXT NOT NULL,
            answer            TEXT,                  -- as it came, before anything parsed it; NULL when the call failed
            finish_reason     TEXT,
            prompt_tokens     INTEGER NOT NULL DEFAULT 0,
            cached_tokens     INTEGER NOT NULL DEFAULT 0,
            completion_tokens INTEGER NOT NULL DEFAULT 0,
            http_status       INTEGER,
            error_kind        TEXT,
            error             TEXT,
            seconds           REAL NOT NULL,
            ended_at          TEXT NOT NULL
        ) STRICT;
        CREATE INDEX calls_by_step ON calls(job_id, item, stage);
        """
    )


@migrations()
def m003_retries(db: Database) -> None:
    """How often a failed step was begun anew on demand: stored answers of the rounds before do not count for the next."""
    db.execute("ALTER TABLE steps ADD COLUMN retries INTEGER NOT NULL DEFAULT 0")


def newer(db: Database) -> str | None:
    """The first migration that was applied to the database and is not known here: a newer version of the product has used it."""
    with closing(Database(memory=True)) as nothing:
        known = {migration.name for migration in migrations.pending(nothing)}
    return next((migration.name for migration in migrations.applied(db) if migration.name not in known), None)
