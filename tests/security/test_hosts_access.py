"""Rules of hosts.allow and hosts.deny: who is let in, and which rules are refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isocenter.errors import ConfigurationError
from isocenter.security.hosts_access import decide, parse_file_list, parse_table
from isocenter.security.hosts_patterns import (
    MISMATCHED,
    NameWanted,
    Peer,
    parse_address,
)

if TYPE_CHECKING:
    from isocenter.security.hosts_access import Rule
    from isocenter.security.hosts_patterns import (
        Pattern,
    )

PATH = "hosts.deny"


def no_file(path: str) -> Pattern:
    raise ConfigurationError(f"{path}: not there")


def rules(text: str, *, allows: bool = False) -> tuple[Rule, ...]:
    return parse_table(text, PATH, daemon="storescp", allows=allows, file=no_file)


def peer(address: str, name: str = "", local: str = "192.0.2.1", port: int = 104) -> Peer:
    return Peer(parse_address(address), lambda: name, parse_address(local), port)


def is_refused(line: str, address: str, name: str = "") -> bool:
    """Tell whether a line of hosts.deny keeps a peer out."""
    return not decide(rules(line), peer(address, name)).allowed


@pytest.mark.parametrize(
    ("hosts", "address", "name", "expected"),
    [
        ("ALL", "10.0.0.1", "", True),
        ("all", "2001:db8::1", "", True),
        ("10.0.0.1", "10.0.0.1", "", True),
        ("10.0.0.1", "10.0.0.11", "", False),
        ("10.0.0.1", "::ffff:10.0.0.1", "", True),
        ("10.0.0.2 10.0.0.1", "10.0.0.1", "", True),
        ("10.0.0.2,10.0.0.1", "10.0.0.1", "", True),
        ("10.0.0.2 , 10.0.0.1", "10.0.0.1", "", True),
        ("131.155.", "131.155.3.4", "", True),
        ("131.155.", "131.15.5.4", "", False),
        ("131.155.", "131.1.155.4", "", False),
        ("1.", "10.0.0.1", "", False),
        ("131.155.", "10.0.0.1", "131.155.1.1.example.org", False),
        ("131.155.72.0/255.255.254.0", "131.155.73.255", "", True),
        ("131.155.72.0/255.255.254.0", "131.155.74.0", "", False),
        ("10.0.0.1/255.0.0.255", "10.7.8.1", "", True),
        ("10.0.0.1/255.0.0.255", "10.7.8.2", "", False),
        ("10.0.0.0/8", "10.255.0.1", "", True),
        ("10.0.0.0/8", "11.0.0.1", "", False),
        ("10.0.0.0/8", "::ffff:10.1.2.3", "", True),
        ("10.0.0.0/8", "2001:db8::1", "", False),
        ("10.0.0.7/32", "10.0.0.7", "", True),
        ("0.0.0.0/0", "10.0.0.7", "", True),
        ("0.0.0.0/0", "2001:db8::1", "", False),
        ("[2001:db8::]/32", "2001:db8:1::7", "", True),
        ("[2001:db8::]/32", "2001:db9::7", "", False),
        ("[2001:DB8::7]", "2001:db8::7", "", True),
        ("[2001:db8::7]", "2001:db8::8", "", False),
        ("[fe80::]/10", "fe80::1%eth0", "", True),
        ("[::]/0", "10.0.0.1", "", False),
        ("[::ffff:10.0.0.0]/104", "10.1.2.3", "", True),
        ("10.0.*", "10.0.3.4", "", True),
        ("10.0.*", "10.1.3.4", "", False),
        ("10.0.*", "192.0.2.9", "10.0.example.org", False),
        ("10.0.0.?", "10.0.0.9", "", True),
        ("10.0.0.?", "10.0.0.10", "", False),
        ("ct?.example.org", "10.0.0.1", "ct1.example.org", True),
        ("ct?.example.org", "10.0.0.1", "ct11.example.org", False),
        ("*.example.org", "10.0.0.1", "a.b.example.org", True),
        ("*.example.org", "10.0.0.1", "", False),
        ("*.example.org", "10.0.0.1", MISMATCHED, False),
        (".tue.nl", "10.0.0.1", "wzv.win.tue.nl", True),
        (".TUE.nl", "10.0.0.1", "wzv.win.tue.nl", True),
        (".tue.nl", "10.0.0.1", "tue.nl", False),
        (".tue.nl", "10.0.0.1", "wzv.xtue.nl", False),
        (".tue.nl", "10.0.0.1", "", False),
        ("ct1.example.org", "10.0.0.1", "ct1.example.org", True),
        ("CT1.example.org", "10.0.0.1", "ct1.example.org", True),
        ("ct1", "10.0.0.1", "ct1.example.org", False),
        ("LOCAL", "10.0.0.1", "ct1", True),
        ("LOCAL", "10.0.0.1", "ct1.example.org", False),
        ("LOCAL", "10.0.0.1", "", False),
        ("LOCAL", "10.0.0.1", MISMATCHED, False),
        ("KNOWN", "10.0.0.1", "ct1", True),
        ("KNOWN", "10.0.0.1", "", False),
        ("KNOWN", "10.0.0.1", MISMATCHED, False),
        ("UNKNOWN", "10.0.0.1", "", True),
        ("UNKNOWN", "10.0.0.1", "ct1", False),
        ("UNKNOWN", "10.0.0.1", MISMATCHED, False),
        ("PARANOID", "10.0.0.1", MISMATCHED, True),
        ("PARANOID", "10.0.0.1", "ct1", False),
        ("PARANOID", "10.0.0.1", "", False),
        ("10. EXCEPT 10.0.0.1", "10.0.0.1", "", False),
        ("10. EXCEPT 10.0.0.1", "10.0.0.2", "", True),
        ("10. except 10.0.0.1", "10.0.0.1", "", False),
        ("ALL EXCEPT 10. EXCEPT 10.0.0.1", "10.0.0.1", "", True),
        ("ALL EXCEPT 10. EXCEPT 10.0.0.1", "10.0.0.2", "", False),
        ("ALL EXCEPT 10. EXCEPT 10.0.0.1", "11.0.0.2", "", True),
        ("ALL EXCEPT 10. EXCEPT 10.0.0. EXCEPT 10.0.0.1", "10.0.0.1", "", False),
        ("ALL@10.0.0.1", "10.0.0.1", "", True),
        ("ALL@10.0.0.1", "10.0.0.2", "", False),
    ],
)
def test_host_patterns_mean_what_the_manual_says(
    hosts: str, address: str, name: str, *, expected: bool
) -> None:
    assert is_refused(f"storescp: {hosts}", address, name) is expected


@pytest.mark.parametrize(
    ("daemons", "expected"),
    [
        ("storescp", True),
        ("STORESCP", True),
        ("ALL", True),
        ("sshd", False),
        ("sshd, storescp", True),
        ("sshd storescp", True),
        ("store*", True),
        ("store?", False),
        ("ALL EXCEPT storescp", False),
        ("ALL EXCEPT sshd", True),
        ("ALL EXCEPT ALL EXCEPT storescp", True),
        ("storescp@192.0.2.1", True),
        ("storescp@192.0.2.", True),
        ("storescp@ALL", True),
        ("storescp@192.0.2.2", False),
        ("ALL EXCEPT storescp@192.0.2.1", False),
        ("ALL EXCEPT storescp@192.0.2.2", True),
        ("sshd@192.0.2.1", False),
        ("104", True),
        ("105", False),
        ("105 storescp", True),
        ("104@192.0.2.1", True),
        ("104@192.0.2.2", False),
    ],
)
def test_daemon_patterns_mean_what_the_manual_says(daemons: str, *, expected: bool) -> None:
    assert is_refused(f"{daemons}: ALL", "10.0.0.1") is expected


@pytest.mark.parametrize(
    "line",
    [
        "storescp: 010.1.",
        "storescp",
        "storescp:",
        "storescp: ,",
        ": ALL",
        "storescp EXCEPT: ALL",
        "storescp: EXCEPT 10.0.0.1",
        "storescp: ALL EXCEPT",
        "storescp: ALL EXCEPT EXCEPT 10.0.0.1",
        "storescp: 10.0.0.1 # the gantry",
        "  # storescp: ALL",
        "storescp: 10.0.0",
        "storescp: 10.0.0.256",
        "storescp: 10.0.0.1.1",
        "storescp: 010.0.0.1",
        "storescp: 300.",
        "storescp: 10.0/16",
        "storescp: 10.0.0.1/8",
        "storescp: 10.0.0.0/33",
        "storescp: 10.0.0.0/",
        "storescp: 10.0.0.0/a",
        "storescp: 10.0.0.1-10.0.0.9",
        "storescp: ct1.example.org.",
        "storescp: .",
        "storescp: ..org",
        "storescp: -x",
        "storescp: *.",
        "storescp: .*.org",
        "storescp: 2001:db8::1",
        "storescp: [2001:db8::1",
        "storescp: [2001:db8::1]/129",
        "storescp: [2001:db8::1]/32",
        "storescp: [10.0.0.1]",
        "storescp: [fe80::1%eth0]",
        "storescp: @netgroup",
        "storescp: root@10.0.0.1",
        "storescp: KNOWN@10.0.0.1",
        "storescp: UNKNOWN@10.0.0.1",
        "storescp: /etc/list",
        "storescp: b\xfccher.example.org",
        "storescp: ALL: spawn /bin/true",
        "storescp: ALL: twist /bin/true",
        "ALL: ALL: aclexec /bin/true",
        "storescp: ALL: banners /etc",
        "storescp: ALL: /bin/true %h",
        "storescp: ALL: rfc931",
        "storescp: ALL: nice",
        "storescp: ALL:",
        "storescp: ALL: deny: severity info",
        "storescp: ALL: deny: allow",
        "storescp: ALL: deny 1",
        "storescp: ALL: severity",
        "storescp: ALL: severity loud",
        "storescp: ALL: severity mail.info",
        "storescp@ct1.example.org: ALL",
        "storescp@LOCAL: ALL",
        "ALL EXCEPT storescp@KNOWN: ALL",
    ],
)
def test_rule_that_would_not_be_obeyed_is_refused_with_its_line(line: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^hosts\.deny, line 3: "):
        rules(f"# rules\nsshd: ALL\n{line}\n")


@pytest.mark.parametrize("option", ["spawn", "twist", "aclexec", "banners", "setenv"])
def test_refused_options_are_named(option: str) -> None:
    with pytest.raises(ConfigurationError, match=f"option '{option}' is not possible"):
        rules(f"storescp: ALL: {option} x")


@pytest.mark.parametrize(
    "line",
    [
        "sshd: ALL: spawn /bin/test [ -x",
        "sshd: root@10.0.0.1, @group",
        "ALL EXCEPT storescp: ALL: twist /bin/true",
        "sshd@somewhere: 2001:db8::1",
    ],
)
def test_rules_for_others_may_say_what_they_like(line: str) -> None:
    assert rules(line) == ()


class TestLines:
    def test_comments_and_blank_lines_say_nothing(self) -> None:
        assert rules("# storescp: ALL\n\n  \t\n#\n") == ()

    def test_continued_lines_are_one(self) -> None:
        text = "storescp: 10.0.0.1 \\\n 10.0.0.2\nstorescp: 10.0.0.3"
        found = rules(text)
        assert [rule.line for rule in found] == [1, 3]
        assert is_refused(text, "10.0.0.2")
        assert is_refused(text, "10.0.0.3")

    def test_comment_goes_on_behind_a_backslash(self) -> None:
        assert rules("# not now \\\nstorescp: ALL\n") == ()

    def test_last_line_may_be_continued_by_nothing(self) -> None:
        assert is_refused("storescp: ALL\\", "10.0.0.1")

    def test_carriage_returns_are_blanks(self) -> None:
        assert is_refused("storescp: 10.0.0.1\r\nsshd: ALL\r\n\r\n", "10.0.0.1")


class TestDecision:
    def test_first_match_wins(self) -> None:
        both = rules("storescp: 10.0.0.1", allows=True) + rules("ALL: ALL")
        assert decide(both, peer("10.0.0.1")).allowed
        assert not decide(both, peer("10.0.0.2")).allowed

    def test_nothing_that_matches_lets_in(self) -> None:
        decision = decide(rules("storescp: 10.0.0.1"), peer("10.0.0.2"))
        assert decision.allowed
        assert decision.rule is None

    def test_options_allow_and_deny_turn_a_rule_round(self) -> None:
        first = rules("storescp: 10.0.0.1: deny\nstorescp: 10.: ALLOW\nALL: ALL: deny", allows=True)
        assert [
            decide(first, peer(address)).allowed for address in ("10.0.0.1", "10.0.0.2", "11.0.0.1")
        ] == [False, True, False]
        assert decide(rules("storescp: 10.: allow"), peer("10.0.0.1")).allowed

    def test_severity_is_kept_and_the_rule_holds(self) -> None:
        found = rules("storescp: 10.: severity = Warn: deny")
        assert (found[0].severity, found[0].allowed) == ("warning", False)

    def test_peer_without_address_is_met_by_all_and_unknown_alone(self) -> None:
        nobody = Peer(None, lambda: "")
        assert [
            decide(rules(f"storescp: {hosts}"), nobody).allowed
            for hosts in ("ALL", "UNKNOWN", "KNOWN", "0.0.0.0/0", "*", "[::]/0")
        ] == [False, False, True, True, True, True]

    def test_names_are_wanted_where_no_address_decides(self) -> None:
        def unknown() -> NoReturn:
            raise NameWanted

        someone = Peer(parse_address("10.0.0.1"), unknown)
        assert not decide(rules("storescp: .example.org 10.0.0.1"), someone).allowed
        assert not decide(rules("storescp: 10.\nstorescp: .example.org"), someone).allowed
        with pytest.raises(NameWanted):
            decide(rules("storescp: .example.org\nstorescp: 10."), someone)

    def test_lists_of_many_wildcards_take_no_time(self) -> None:
        line = "storescp: " + "*a" * 500 + "b"
        assert not is_refused(line, "10.0.0.1", ".".join(["a" * 63] * 4)[:253])


class TestFileLists:
    @staticmethod
    def refuses(text: str, address: str, name: str = "") -> bool:
        pattern = parse_file_list(text, "/list", no_file)
        return pattern.matches(peer(address, name))

    def test_any_of_its_words_may_match(self) -> None:
        text = "10.0.0.1 11.\n\n.example.org\t[2001:db8::]/32\n"
        assert self.refuses(text, "10.0.0.1")
        assert self.refuses(text, "11.2.3.4")
        assert self.refuses(text, "12.0.0.1", "a.example.org")
        assert self.refuses(text, "2001:db8::7")
        assert not self.refuses(text, "12.0.0.1", "a.example.com")

    def test_an_empty_one_matches_nobody(self) -> None:
        assert not self.refuses(" \n", "10.0.0.1")

    @pytest.mark.parametrize("word", ["EXCEPT", "10.0.0", "# x", "ALL@10.0.0.1", "a,b"])
    def test_word_that_is_no_host_is_refused_with_its_line(self, word: str) -> None:
        with pytest.raises(ConfigurationError, match=r"^/list, line 2: "):
            parse_file_list(f"10.0.0.1\n{word}\n", "/list", no_file)


WORDS = st.sampled_from(
    [
        *("storescp", "ALL", "EXCEPT", "LOCAL", "KNOWN", "UNKNOWN", "PARANOID", ":", ",", "\\\n"),
        *("10.0.0.1", "10.", "10.0.0.0/8", "[::1]", ".org", "*", "?", "@", "/", "#", "\n", "\\"),
        *("deny", "allow", "severity", "spawn", "=", "[", "]", "255.255.0.0", "\udc80", "a" * 70),
    ]
)
TEXTS = st.one_of(
    st.text(st.characters(codec=None), max_size=80),
    st.lists(WORDS, max_size=25).map(" ".join),
    st.lists(WORDS, max_size=25).map("".join),
)


@given(TEXTS, st.sampled_from(["", MISMATCHED, "ct1", "a.org"]))
def test_no_text_does_anything_but_decide_or_be_refused_with_its_line(text: str, name: str) -> None:
    message = ""
    found: tuple[Rule, ...] = ()
    try:
        found = rules(text)
    except ConfigurationError as problem:
        message = str(problem)
    assert message.isprintable()
    assert message == "" or message.startswith("hosts.deny, line ")
    for address in ("10.0.0.1", "2001:db8::1", ""):
        assert decide(found, peer(address, name)).allowed in {True, False}


@given(TEXTS)
def test_no_list_of_hosts_does_anything_but_match_or_be_refused(text: str) -> None:
    message, matches = "", False
    try:
        matches = parse_file_list(text, "/list", no_file).matches(peer("10.0.0.1", "a.org"))
    except ConfigurationError as problem:
        message = str(problem)
    assert message == "" or message.startswith("/list, line ")
    assert matches in {True, False}
