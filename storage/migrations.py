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


@migrations()
def m004_tweets(db: Database) -> None:
    db.executescript(
        """
        CREATE TABLE calendars (
            id          TEXT PRIMARY KEY NOT NULL,
            persona_id  TEXT NOT NULL REFERENCES personas(id) ON DELETE CASCADE,
            title       TEXT NOT NULL,
            source      TEXT NOT NULL CHECK (source IN ('writer', 'upload')),
            body        TEXT NOT NULL CHECK (json_valid(body)),  -- {persona_name, month, generated_at, calendar: {date: plan}, ...}
            first_day   TEXT NOT NULL,               -- YYYY-MM-DD
            last_day    TEXT NOT NULL,
            days        INTEGER NOT NULL,
            job_id      TEXT,                        -- the job that wrote it
            revision    INTEGER NOT NULL DEFAULT 1,
            created_at  TEXT NOT NULL
        ) STRICT;
        CREATE INDEX calendars_by_persona ON calendars(persona_id, id);
        CREATE UNIQUE INDEX calendars_by_job ON calendars(job_id, persona_id) WHERE job_id IS NOT NULL;

        CREATE TABLE tweets (
            number       INTEGER PRIMARY KEY,        -- the order in which they were saved; pages and the search go by it
            id           TEXT NOT NULL UNIQUE,
            persona_id   TEXT NOT NULL REFERENCES personas(id) ON DELETE CASCADE,
            status       TEXT NOT NULL DEFAULT 'draft' CHECK (status IN ('draft', 'approved', 'rejected')),
            text         TEXT NOT NULL,              -- of a thread: its parts, an empty line between them
            parts        TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(parts)),  -- the texts of a thread, else []
            poll         TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(poll)),
            date         TEXT,                       -- YYYY-MM-DD in the persona's time zone
            time         TEXT,                       -- HH:MM in the persona's time zone
            topic_type   TEXT NOT NULL DEFAULT '',
            mood         TEXT NOT NULL DEFAULT '',
            time_segment TEXT NOT NULL DEFAULT '',
            tweet_format TEXT NOT NULL DEFAULT '',
            hashtags     TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(hashtags)),
            alt_text     TEXT NOT NULL DEFAULT '',
            length       INTEGER NOT NULL,           -- weighted, of the longest part
            badges       TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(badges)),  -- [{kind, detail}], what the checks found
            image        TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(image)),   -- how its picture is asked for; {}: none is wanted
            with_image   INTEGER NOT NULL DEFAULT 0, -- 1: image is not {}
            plan         TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(plan)),    -- the day's plan that it was written from
            extra        TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(extra)),   -- what an import had that we do not know
            calendar_id  TEXT,
            job_id       TEXT,
            slot         INTEGER NOT NULL DEFAULT 0, -- which of the persona's tweets in that job it is
            made_by      TEXT NOT NULL,              -- of the current version
            reviewed_by  TEXT,                       -- who approved or rejected it
            version      INTEGER NOT NULL DEFAULT 1,
            revision     INTEGER NOT NULL DEFAULT 1,
            created_at   TEXT NOT NULL,
            updated_at   TEXT NOT NULL
        ) STRICT;
        -- Every filter of the gallery, and the text for LIKE: any combination is answered in order and without reading a tweet.
        CREATE INDEX tweets_by_number ON tweets(number, status, persona_id, topic_type, date, with_image, job_id, text);
        -- The filters within one persona; the deletion of a persona needs it too.
        CREATE INDEX tweets_by_persona ON tweets(persona_id, number, status, topic_type, date, with_image, job_id);
        -- For the counts beside the filters.
        CREATE INDEX tweets_by_topic ON tweets(topic_type, status);
        -- A job writes each slot of a persona once, however often it is resumed.
        CREATE UNIQUE INDEX tweets_by_job ON tweets(job_id, persona_id, slot) WHERE job_id IS NOT NULL;

        -- The badges of the current versions, for the filter.
        CREATE TABLE tweet_badges (
            number      INTEGER NOT NULL REFERENCES tweets(number) ON DELETE CASCADE,
            kind        TEXT NOT NULL,
            PRIMARY KEY (number, kind)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX tweet_badges_by_kind ON tweet_badges(kind, number);

        -- Every version of every tweet; the current one has the highest version.
        CREATE TABLE tweet_versions (
            tweet_id    TEXT NOT NULL REFERENCES tweets(id) ON DELETE CASCADE,
            version     INTEGER NOT NULL,
            text        TEXT NOT NULL,
            parts       TEXT NOT NULL CHECK (json_valid(parts)),
            fields      TEXT NOT NULL CHECK (json_valid(fields)),  -- everything else that an edit may change
            made_by     TEXT NOT NULL CHECK (made_by IN ('writer', 'author', 'import', 'restore')),
            instruction TEXT,
            created_at  TEXT NOT NULL,
            PRIMARY KEY (tweet_id, version)
        ) STRICT, WITHOUT ROWID;

        CREATE VIRTUAL TABLE tweets_fts USING fts5(text, content = 'tweets', content_rowid = 'number', tokenize = 'trigram');
        CREATE TRIGGER tweets_fts_insert AFTER INSERT ON tweets BEGIN
            INSERT INTO tweets_fts(rowid, text) VALUES (new.number, new.text);
        END;
        CREATE TRIGGER tweets_fts_delete AFTER DELETE ON tweets BEGIN
            INSERT INTO tweets_fts(tweets_fts, rowid, text) VALUES ('delete', old.number, old.text);
        END;
        CREATE TRIGGER tweets_fts_update AFTER UPDATE OF number, text ON tweets BEGIN
            INSERT INTO tweets_fts(tweets_fts, rowid, text) VALUES ('delete', old.number, old.text);
            INSERT INTO tweets_fts(rowid, text) VALUES (new.number, new.text);
        END;
        """
    )


@migrations()
def m005_persona_desk(db: Database) -> None:
    db.executescript(
        """
        -- A persona has several jobs over its life: which of them works on it?
        CREATE INDEX steps_by_item ON steps(item);

        -- Cards that personas were imported from, as they were: an export begins with them.
        CREATE TABLE cards (
            persona_id  TEXT PRIMARY KEY NOT NULL REFERENCES personas(id) ON DELETE CASCADE,
            kind        TEXT NOT NULL,               -- v1, v2, v3, data, eliza
            card        TEXT NOT NULL CHECK (json_valid(card)),
            created_at  TEXT NOT NULL
        ) STRICT, WITHOUT ROWID;
        """
    )


@migrations()
def m006_images(db: Database) -> None:
    db.executescript(
        """
        -- Every picture that was drawn; the files lie in the folder images/. One of a tweet's pictures is the chosen one.
        CREATE TABLE images (
            id          TEXT PRIMARY KEY NOT NULL,   -- a ULID: sorts by time
            tweet_id    TEXT REFERENCES tweets(id) ON DELETE CASCADE,
            persona_id  TEXT REFERENCES personas(id) ON DELETE CASCADE,
            job_id      TEXT REFERENCES jobs(id) ON DELETE SET NULL,
            item        TEXT NOT NULL,               -- the step of the job that drew it
            variant     INTEGER NOT NULL DEFAULT 1,  -- which of the pictures of the same it is
            chosen      INTEGER NOT NULL DEFAULT 0 CHECK (chosen IN (0, 1)),
            file        TEXT NOT NULL,               -- names in the folder images/
            thumbnail   TEXT NOT NULL,
            width       INTEGER NOT NULL,            -- pixels
            height      INTEGER NOT NULL,
            seed        INTEGER NOT NULL,
            asked       TEXT NOT NULL CHECK (json_valid(asked)),  -- prompt, steps, guidance, LoRA ...: all that it takes to draw it again
            engine      TEXT NOT NULL,
            seconds     REAL NOT NULL,
            worker      INTEGER NOT NULL,
            created_at  TEXT NOT NULL
        ) STRICT, WITHOUT ROWID;
        CREATE UNIQUE INDEX images_by_step ON images(job_id, item) WHERE job_id IS NOT NULL;
        CREATE UNIQUE INDEX images_chosen ON images(tweet_id) WHERE chosen = 1;
        CREATE INDEX images_by_tweet ON images(tweet_id, id);
        """
    )


@migrations()
def m007_files(db: Database) -> None:
    """Which personas were made of a file? Asked for every file of a batch."""
    db.execute("CREATE INDEX personas_by_file ON personas(options ->> '$.file') WHERE options ->> '$.file' IS NOT NULL")


def newer(db: Database) -> str | None:
    """The first migration that was applied to the database and is not known here: a newer version of the product has used it."""
    with closing(Database(memory=True)) as nothing:
        known = {migration.name for migration in migrations.pending(nothing)}
    return next((migration.name for migration in migrations.applied(db) if migration.name not in known), None)
