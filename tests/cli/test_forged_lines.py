"""No name of a file, and nothing within one, begins a line of the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from isocenter.cli import options_storescu
from isocenter.cli.explain import as_text
from isocenter.cli.explain_contexts import no_context_for_file
from isocenter.cli.explain_transfer import store_failed
from isocenter.cli.hints import context_hint
from isocenter.cli.main import main
from tests.support.ports import free_port

if TYPE_CHECKING:
    from pathlib import Path

CT = "1.2.840.10008.5.1.4.1.1.2"
LITTLE = "1.2.840.10008.1.2.1"
FORGED = "a\nF: forged"
SHOWN = "a\\x0aF: forged"


@pytest.mark.parametrize(
    "lines",
    [
        store_failed(FORGED, 0xA700),
        no_context_for_file(FORGED, CT, LITTLE, (), tool=options_storescu.TOOL),
    ],
)
def test_explanation_shows_the_newline_of_a_path(lines: tuple[str, ...]) -> None:
    text = as_text(lines)
    assert SHOWN in text
    assert text.count("\n") == len(lines) - 1


def test_hint_stays_one_line_whatever_a_file_says_it_is() -> None:
    assert context_hint((FORGED, FORGED), ()).startswith(f"hint: {SHOWN} in {SHOWN} was")


@pytest.mark.parametrize("sink", ["file", "stderr"])
def test_file_with_a_newline_in_its_name_writes_one_line(
    sink: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / FORGED).write_bytes(b"no DICOM")
    arguments = ["storescu", "--auto-contexts", "+sd", "127.0.0.1", str(free_port()), str(folder)]
    log = tmp_path / "log"
    if sink == "file":
        config = tmp_path / "log.cfg"
        config.write_text(
            "log4cplus.rootLogger = INFO, A\n"
            "log4cplus.appender.A = log4cplus::FileAppender\n"
            f"log4cplus.appender.A.File = {log}\n"
            "log4cplus.appender.A.ImmediateFlush = true\n"
            "log4cplus.appender.A.layout = log4cplus::PatternLayout\n"
            "log4cplus.appender.A.layout.ConversionPattern = %P: %m%n\n"
        )
        arguments[1:1] = ["--log-config", str(config)]
    assert main(arguments) != 0
    text = log.read_text() if sink == "file" else capsys.readouterr().err
    assert SHOWN in text
    assert [line for line in text.splitlines() if "forged" in line and SHOWN not in line] == []
