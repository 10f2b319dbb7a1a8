"""Who may come in: passwords, how often an address may guess, and sessions in signed cookies."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ipaddress
import os
import secrets
import time
import unicodedata
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock
from itsdangerous import BadSignature, URLSafeTimedSerializer

LIFETIME = 14 * 86400
"""Seconds after which a session ends by itself."""
FAILURES = 5
WINDOW = 60.0
"""So many wrong passwords an address may send in so many seconds."""
MOST_ADDRESSES = 10_000
"""Of so many addresses failures are remembered before those that are past are looked for."""
KEY_BYTES = 32


class Passwords:
    """Compares passwords with hashes (scrypt) that are made once. *logins* has each user's password."""

    def __init__(self, logins: Mapping[str, str]) -> None:
        self._salt = secrets.token_bytes(16)
        self._hashes = {user: self._hash(password) for user, password in logins.items()}
        self._nobodys = secrets.token_bytes(len(self._hash("")))
        self._one_at_a_time = asyncio.Lock()

    async def right(self, user: str, password: str) -> bool:
        """Whether *password* is the user's. Takes as long for a user who does not exist."""
        async with self._one_at_a_time:  # a hash takes 16 MiB and a core for some 50 ms
            given = await asyncio.to_thread(self._hash, password)
        return hmac.compare_digest(given, self._hashes.get(user, self._nobodys))

    def _hash(self, password: str) -> bytes:
        return hashlib.scrypt(unicodedata.normalize("NFC", password).encode("utf-8", "replace"), salt=self._salt, n=2**14, r=8, p=1)


class Throttle:
    """So many failures an address in so many seconds; see :data:`FAILURES`. *clock* gives seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures: dict[str, deque[float]] = {}

    def enter(self, address: str) -> float:
        """Seconds until *address* may try again; with 0 it may now, and the try counts as failed until :meth:`forgive` says otherwise."""
        now = self._clock()
        if len(self._failures) >= MOST_ADDRESSES:
            self._failures = {known: times for known, times in self._failures.items() if times[-1] > now - WINDOW}
        failures = self._failures.setdefault(_network(address), deque(maxlen=FAILURES))
        if len(failures) == FAILURES and (wait := failures[0] + WINDOW - now) > 0:
            return wait
        failures.append(now)
        return 0

    def forgive(self, address: str) -> None:
        """The last try of *address* was right."""
        failures = self._failures.get(_network(address))
        if failures:
            failures.pop()
            if not failures:
                del self._failures[_network(address)]


def _network(address: str) -> str:
    """Whose guesses are counted together: an IPv4 address, or all of IPv6 that one customer has."""
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(known, ipaddress.IPv6Address):
        return str(known.ipv4_mapped or ipaddress.ip_network((known, 64), strict=False))
    return str(known)


@dataclass(frozen=True)
class Session:
    """Who is logged in, and the id of this login."""

    user: str
    id: str


class Sessions:
    """Sessions that live in cookies, signed with a key that *folder* keeps, so that they survive a restart.

    A session ends after :data:`LIFETIME`, when the user logs out (the folder then has a file with its id, seen by every server on the same
    data), or when the user's password is changed.
    """

    def __init__(self, folder: Path, logins: Mapping[str, str]) -> None:
        key = _key(folder)
        self._ended = folder / "ended"
        self._marks = {user: _mark(key, user, password) for user, password in logins.items()}
        self._signer = URLSafeTimedSerializer(key, salt="session", signer_kwargs={"digest_method": hashlib.sha256})
        self.cookie = f"studio_session_{hashlib.sha256(key).hexdigest()[:8]}"
        """Its name: cookies do not know ports, and another studio may run on the same host."""
        self._forget_the_old()

    def begin(self, user: str) -> str:
        """The value of the cookie of a new session."""
        return str(self._signer.dumps([user, secrets.token_hex(16), self._marks[user]]))

    def read(self, value: str) -> Session | None:
        """The session of a cookie, None where it is not ours or has ended."""
        try:
            user, session_id, mark = self._signer.loads(value, max_age=LIFETIME)
        except BadSignature:
            return None
        if not hmac.compare_digest(mark, self._marks.get(user, "")) or (self._ended / session_id).exists():
            return None
        return Session(user, session_id)

    def end(self, session: Session) -> None:
        """From now on the cookie is worth nothing, whoever has a copy."""
        (self._ended / session.id).touch()

    def _forget_the_old(self) -> None:
        self._ended.mkdir(exist_ok=True)
        for file in self._ended.iterdir():
            if time.time() - file.stat().st_mtime > LIFETIME:
                file.unlink(missing_ok=True)


def _mark(key: bytes, user: str, password: str) -> str:
    """Something that changes with the password, and tells nothing of it to those who do not have the key."""
    return hmac.digest(key, f"{user}\0{password}".encode("utf-8", "replace"), "sha256").hex()[:32]


def _key(folder: Path) -> bytes:
    """The key in *folder*, made the first time; nobody else on the machine may read it."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = folder / "key"
    with FileLock(folder / "lock"):
        if not file.exists() or file.stat().st_size != KEY_BYTES:
            new = folder / "key.new"
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as written:
                written.write(secrets.token_bytes(KEY_BYTES))
                os.fsync(written.fileno())
            new.replace(file)
        return file.read_bytes()
