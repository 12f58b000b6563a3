"""Loggers that leave `logging` alone until somebody listens."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest

from isocenter import logs
from isocenter.logs import get_logger


def run(*lines: str) -> list[str]:
    """Run lines in a fresh interpreter; what it prints, stdout and stderr in one."""
    program = "import sys\nfrom isocenter.logs import get_logger, postpone\n" + "\n".join(lines)
    result = subprocess.run(
        [sys.executable, "-I", "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=30,
        check=True,
    )
    return result.stdout.splitlines()


SAY_WHETHER_LOADED = "sys.stderr.write(f\"{'logging' in sys.modules}\\n\")"


@pytest.mark.slow
def test_messages_below_warning_are_dropped_without_logging() -> None:
    assert run(
        "log = get_logger('a')",
        "assert not log.isEnabledFor(20)",
        "assert log.isEnabledFor(30)",
        "log.debug('x'); log.info('x'); log.log(20, 'x')",
        SAY_WHETHER_LOADED,
    ) == ["False"]


@pytest.mark.slow
def test_warning_is_shown_as_logging_would() -> None:
    assert run("get_logger('a').warning('so %s', 1)", SAY_WHETHER_LOADED) == ["so 1", "True"]


@pytest.mark.slow
def test_configuration_made_later_is_heeded() -> None:
    assert run(
        "log = get_logger('a.b')",
        "log.info('unseen')",
        "import logging",
        "logging.basicConfig(level=20, format='%(name)s %(lineno)d %(message)s')",
        "log.info('seen')",
    ) == ["a.b 7 seen"]


@pytest.mark.slow
def test_postponed_set_up_is_made_for_the_first_message_shown() -> None:
    assert run(
        "def configure():",
        "    import logging",
        "    logging.basicConfig(level=40, format='set up: %(message)s')",
        "postpone(40, configure)",
        "log = get_logger('a')",
        "log.warning('unseen')",
        SAY_WHETHER_LOADED,
        "log.error('seen')",
        "log.critical('too')",
    ) == ["False", "set up: seen", "set up: too"]


@pytest.mark.slow
def test_postponed_set_up_is_made_once_somebody_else_imported_logging() -> None:
    assert run(
        "postpone(40, lambda: print('set up'))",
        "import logging",
        "assert not get_logger('a').isEnabledFor(20)",
        "get_logger('b').info('unseen')",
    ) == ["set up"]


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error", "critical"])
def test_record_is_that_of_the_real_logger(level: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "isocenter.some.module")
    log = get_logger("isocenter.some.module")
    getattr(log, level)("%s and %s", "this", "that")
    (record,) = caplog.records
    assert record.getMessage() == "this and that"
    assert (record.levelname, record.name) == (level.upper(), "isocenter.some.module")
    assert record.filename == "test_logs.py"


def test_record_may_carry_an_exception(caplog: pytest.LogCaptureFixture) -> None:
    log = get_logger("isocenter.some.module")
    problem = ValueError("x")
    log.error("failed", exc_info=problem)
    try:
        raise problem
    except ValueError:
        log.exception("failed")
    for record in caplog.records:
        assert record.exc_info is not None
        assert record.exc_info[1] is problem
    assert len(caplog.records) == 2


def test_levels_are_those_of_logging() -> None:
    for name in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"):
        assert getattr(logs, name) == getattr(logging, name)
