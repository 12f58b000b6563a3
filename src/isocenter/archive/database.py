"""The connection to an index's database: opened, checked for its version, made or migrated.

Owns engines and what SQLite needs to be told. Must not know statements about objects.

SQLite is in WAL mode: readers see the last commit and never wait for the writer. A reader's
statement is a transaction of its own, so that none is open for long and checkpoints get through.
Connections belong to the process that opened them: in a forked one new ones are made.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from urllib.parse import quote

from sqlalchemy import create_engine, event, inspect, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.pool import QueuePool

from isocenter.archive.tables import HEAD, METADATA, VERSION
from isocenter.errors import ArchiveError

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from sqlalchemy import Connection, Engine

__all__ = ["Database", "sqlite_url"]

_WAIT = 30_000  # milliseconds for a lock of another process
_READER_CACHE = 2 * 1024  # KiB of pages for each connection that reads
_WRITER_CACHE = 16 * 1024  # of that which writes
_KEPT_READERS = 4  # connections kept open; more are made when there are more threads


def sqlite_url(path: str) -> str:
    """Return the URL of a SQLite file."""
    return "sqlite:///" + quote(os.path.abspath(path), safe="/:")


class Database:
    """Engines of one index.

    Args:
        url: SQLAlchemy's.
        durable: a commit is on disk when it returns (SQLite: synchronous=FULL); otherwise a
            power failure may take the last ones, never the others.
        create: make the schema where there is none, and migrate an older one. False for those
            who only read: they refuse then.

    Raises:
        ArchiveError: the database is missing, locked, corrupted, of a newer version, or not ours.
    """

    def __init__(self, url: str, *, durable: bool = True, create: bool = True) -> None:
        """Open and check it."""
        try:
            self._url = make_url(url)
        except SQLAlchemyError as error:
            raise ArchiveError(url.partition("@")[0], "is no URL of a database") from error
        self.name = self._url.render_as_string(hide_password=True)
        if self.is_sqlite and self._url.database:
            self.name = self._url.database
        self._durable = durable
        self._engines: tuple[int, Engine, Engine] | None = None
        if self.is_sqlite and not create and not os.path.exists(self.name):
            raise ArchiveError(self.name, "there is no index")
        with self.explained():
            self._prepare(create=create)

    @property
    def is_sqlite(self) -> bool:
        """Whether it is a file of SQLite."""
        return self._url.get_backend_name() == "sqlite"

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Turn what the database says into an `ArchiveError`."""
        try:
            yield
        except DBAPIError as error:
            raise ArchiveError(self.name, _reason(error)) from error
        except (ArgumentError, ImportError) as error:
            raise ArchiveError(self.name, f"no driver for this database: {error}") from error

    def close(self) -> None:
        """Close the connections of this process."""
        if self._engines is not None and self._engines[0] == os.getpid():
            self._engines[1].dispose()
            self._engines[2].dispose()
        self._engines = None

    def _pair(self) -> tuple[int, Engine, Engine]:
        if self._engines is None or self._engines[0] != os.getpid():
            # Those of another process are left alone: closing them would speak for it.
            if self._engines is not None:
                _LEFT.append(self._engines)
            self._engines = (os.getpid(), self._engine(writes=False), self._engine(writes=True))
        return self._engines

    @property
    def reader(self) -> Engine:
        """Connections for reading; each statement is a transaction."""
        return self._pair()[1]

    @property
    def writer(self) -> Engine:
        """The connection for writing; its transactions wait for others before they begin."""
        return self._pair()[2]

    def _engine(self, *, writes: bool) -> Engine:
        if not self.is_sqlite:
            if writes:
                return create_engine(self._url, pool_size=1, max_overflow=1)
            return create_engine(self._url, isolation_level="AUTOCOMMIT", max_overflow=-1)
        engine = create_engine(
            self._url,
            poolclass=QueuePool,
            pool_size=1 if writes else _KEPT_READERS,
            max_overflow=-1,
            connect_args={"check_same_thread": False, "timeout": _WAIT / 1000},
        )
        synchronous = "FULL" if self._durable else "NORMAL"

        @event.listens_for(engine, "connect")
        def connected(connection: sqlite3.Connection, _: object) -> None:
            connection.isolation_level = None  # transactions begin where `began` says
            cursor = connection.cursor()
            cursor.execute(f"PRAGMA busy_timeout = {_WAIT}")
            if writes:
                cursor.execute("PRAGMA journal_mode = WAL")
                cursor.execute(f"PRAGMA synchronous = {synchronous}")
                cursor.execute("PRAGMA wal_autocheckpoint = 4000")
                cursor.execute("PRAGMA journal_size_limit = 67108864")
            cursor.execute(f"PRAGMA cache_size = -{_WRITER_CACHE if writes else _READER_CACHE}")
            cursor.execute("PRAGMA temp_store = MEMORY")
            cursor.close()

        @event.listens_for(engine, "begin")
        def began(connection: Connection) -> None:
            if writes:
                connection.exec_driver_sql("BEGIN IMMEDIATE")

        return engine

    def _prepare(self, *, create: bool) -> None:
        """Make sure that the schema is the one of this version."""
        with self.reader.connect() as connection:
            version = self._version(connection)
        if version == HEAD:
            return
        if version is None:
            if not create:
                raise ArchiveError(self.name, "is no index")
            self._create()
            return
        from isocenter.archive.migrations import KNOWN, upgrade

        if version not in KNOWN:
            raise ArchiveError(
                self.name, f"is of a newer version of isocenter (schema {version}, not {HEAD})"
            )
        if not create:
            raise ArchiveError(self.name, f"is of an older version (schema {version})")
        with self.writer.begin() as connection:
            upgrade(connection)

    def _version(self, connection: Connection) -> str | None:
        """Return the name of its last migration, None where nothing is there.

        Raises:
            ArchiveError: it holds something else.
        """
        tables = inspect(connection).get_table_names()
        if not tables:
            return None
        if VERSION.name not in tables:
            raise ArchiveError(self.name, "is a database of something else")
        return connection.execute(select(VERSION.c.version_num)).scalar() or ""

    def _create(self) -> None:
        with self.writer.begin() as connection:
            if self._version(connection) is not None:
                return  # somebody else was faster
            METADATA.create_all(connection)
            connection.execute(VERSION.insert().values(version_num=HEAD))

    def problems(self) -> list[str]:
        """Return what SQLite finds wrong with its file; reads all of it."""
        if not self.is_sqlite:
            return []
        try:
            with self.explained(), self.reader.connect() as connection:
                rows = connection.execute(text("PRAGMA integrity_check(20)"))
                found = [str(row[0]) for row in rows]
        except ArchiveError as error:
            return [error.reason]
        return [] if found == ["ok"] else found


_LEFT: list[tuple[int, Engine, Engine]] = []
"""Engines that a fork inherited: kept, so that nothing closes their connections."""


def _reason(error: DBAPIError) -> str:
    words = str(error.orig).split("\n")[0]
    if "not a database" in words or "malformed" in words:
        return f"is damaged: {words}"
    if "locked" in words:
        return "is locked by another process"
    return words
