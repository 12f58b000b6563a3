"""Accept lists at work: connections, requests, names that nobody knows, files read anew."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from isocenter.errors import ConfigurationError
from isocenter.security.access_control import AccessControl, AccessFile
from isocenter.security.access_list import parse_access_list
from isocenter.ul.admission import RequestFacts
from isocenter.ul.request import ProposedContext, build_request

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from isocenter.ul.pdu import AAssociateRQ

HERE = "192.0.2.1:104"


def _control(rules: str, look_up: Callable[[str], str] | None = None) -> AccessControl:
    return AccessControl(parse_access_list(rules, "F"), look_up)


def _request(calling: str = "CT1", called: str = "ARCHIVE") -> AAssociateRQ:
    return build_request(
        [ProposedContext(abstract_syntax="1.2.840.10008.1.1", transfer_syntaxes=("1.2",))],
        called_ae_title=called,
        calling_ae_title=calling,
        implementation_class_uid="1.2.3",
    )


def _verdict(
    control: AccessControl, request: AAssociateRQ, address: str = "192.0.2.7:4711"
) -> tuple[int, int, int] | None:
    verdict = control.judge(RequestFacts(peer_address=address), request)
    return None if verdict is None else (verdict.result, verdict.source, verdict.reason)


class TestGate:
    @pytest.mark.parametrize(
        ("peer", "admitted"),
        [
            ("192.0.2.7:4711", True),
            ("192.0.3.7:4711", False),
            ("2001:db8::7:104", True),
            ("fe80::1%lo:104", False),
            ("unknown", False),
        ],
    )
    def test_connection_is_closed_by_address(self, peer: str, *, admitted: bool) -> None:
        gate = _control("allow from=192.0.2.0/24 calling=X\nallow from=2001:db8::/32")
        gate.start(lambda: None)
        assert gate.admits(peer, HERE) is admitted
        assert list(gate.settled()) == []

    def test_refusal_is_one_line_that_names_the_rule(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        gate = _control("allow calling=A\ndeny from=10.0.0.0/8\n")
        with caplog.at_level(logging.DEBUG):
            assert gate.admits("10.0.0.1:4711", HERE)  # A may come from there
            gate = _control("deny from=10.0.0.0/8\nallow calling=A")
            assert not gate.admits("10.0.0.1:4711", HERE)
        assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
            ("WARNING", "refused connection from 10.0.0.1: F, line 1: deny from=10.0.0.0/8")
        ]


class TestJudge:
    def test_unknown_calling_title_is_rejected_as_such(self) -> None:
        assert _verdict(_control("allow calling=CT1"), _request()) is None
        assert _verdict(_control("allow calling=CT1"), _request("CT2")) == (1, 1, 3)

    def test_unknown_called_title_is_rejected_as_such(self) -> None:
        assert _verdict(_control("allow called=OTHER"), _request()) == (1, 1, 7)

    def test_title_from_elsewhere_is_rejected_as_calling_title(self) -> None:
        control = _control("allow calling=CT1 from=10.0.0.0/8\nallow calling=MR1")
        assert _verdict(control, _request()) == (1, 1, 3)
        assert _verdict(control, _request(), "10.0.0.1:4711") is None

    def test_refusal_is_one_line_that_names_titles_host_and_rule(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        control = _control("deny calling=CT1")
        with caplog.at_level(logging.DEBUG):
            _verdict(control, _request("CT1  "))
            _verdict(control, _request("CT2"))
        assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
            (
                "WARNING",
                (
                    "refused association of 'CT1' at 192.0.2.7 with 'ARCHIVE': "
                    "F, line 1: deny calling=CT1"
                ),
            )
        ]

    def test_title_cannot_forge_a_line(self, caplog: pytest.LogCaptureFixture) -> None:
        _verdict(_control("allow calling=CT1"), _request("A\nE: B\xe4"))
        assert "\n" not in caplog.records[0].getMessage()
        assert "'A\\nE: B\\xe4'" in caplog.text


class TestNames:
    def test_host_is_known_by_its_name(self) -> None:
        asked: list[str] = []

        def look_up(address: str) -> str:
            asked.append(address)
            return "ct1.example"

        control = _control("deny from=a.example\nallow from=ct1.example", look_up)
        assert _verdict(control, _request()) is None
        assert asked == ["192.0.2.7"]  # once, for both rules

    def test_host_without_name_is_none_of_those_named(self) -> None:
        control = _control("deny from=a.example\nallow calling=X from=*.example", lambda _: "")
        assert _verdict(control, _request("X")) == (1, 1, 3)

    def test_rules_by_name_are_refused_where_none_is_looked_up(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError, match=r"F, line 2: a.example is a host's name"):
            _control("deny\nallow from=a.example")
        (tmp_path / "access").write_text("deny from=192.0.2.7")
        control = AccessFile(str(tmp_path / "access"))
        (tmp_path / "access").write_text("deny from=a.example")
        with pytest.raises(ConfigurationError, match=r"line 1: a.example is a host's name"):
            control.reload()
        assert not control.admits("192.0.2.7:4711", HERE)

    @pytest.mark.parametrize("rules", ["deny from=a.example", "allow from=a.example"])
    def test_nobody_is_let_in_for_good_or_kept_out_for_good_while_no_server_answers(
        self, rules: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        def fail(_: str) -> str:
            raise OSError("no server")

        assert _verdict(_control(rules, fail), _request()) == (2, 1, 1)
        assert "the host's is not known (no server)" in caplog.text


class TestFile:
    def test_new_rules_hold_once_they_were_read_anew(self, tmp_path: Path) -> None:
        path = tmp_path / "access"
        path.write_text("allow calling=CT1\n")
        control = AccessFile(str(path))
        path.write_text("allow calling=CT2\nallow calling=CT3\n")
        assert _verdict(control, _request()) is None
        assert control.reload() == f"{path}, 2 rules"
        assert _verdict(control, _request()) == (1, 1, 3)
        assert _verdict(control, _request("CT3")) is None

    @pytest.mark.parametrize("text", ["", "allow calling=CT2\nalow calling=CT3", None])
    def test_broken_file_leaves_the_old_rules(self, tmp_path: Path, text: str | None) -> None:
        path = tmp_path / "access"
        path.write_text("allow calling=CT1\n")
        control = AccessFile(str(path))
        if text is None:
            path.unlink()
        else:
            path.write_text(text)
        with pytest.raises(ConfigurationError, match=str(path)):
            control.reload()
        assert _verdict(control, _request()) is None
        assert _verdict(control, _request("CT2")) == (1, 1, 3)

    def test_broken_file_at_start_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "access").write_text("allow\nno\n")
        with pytest.raises(ConfigurationError, match="access, line 2, column 1"):
            AccessFile(str(tmp_path / "access"))
