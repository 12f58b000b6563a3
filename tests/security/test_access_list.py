"""Accept lists: which rule decides about whom, and what is no rule."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isocenter.errors import ConfigurationError
from isocenter.security.access_list import Asker, parse_access_list, single_rule

if TYPE_CHECKING:
    from isocenter.security.access_list import AccessList


def _list(text: str) -> AccessList:
    return parse_access_list(text, "F")


def _asker(
    calling: str = "CT1", called: str = "ARCHIVE", address: str = "192.0.2.7", name: str = ""
) -> Asker:
    return Asker(calling, called, ip_address(address) if address else None, lambda: name)


def _no_look_up() -> str:
    pytest.fail("the name was looked up")


def _line(access: AccessList, asker: Asker) -> tuple[bool, int | None]:
    decision = access.decide(asker)
    return decision.allowed, None if decision.rule is None else decision.rule.line


class TestOrder:
    def test_first_rule_that_fits_decides(self) -> None:
        access = _list("deny calling=CT1 from=192.0.2.7\nallow calling=CT*\ndeny\n")
        assert _line(access, _asker()) == (False, 1)
        assert _line(access, _asker(address="192.0.2.8")) == (True, 2)
        assert _line(access, _asker(calling="MR1")) == (False, 3)

    def test_list_with_an_allow_denies_the_others(self) -> None:
        assert _line(_list("deny calling=X\nallow calling=CT1"), _asker("MR1")) == (False, None)

    def test_list_of_denials_allows_the_others(self) -> None:
        assert _line(_list("deny calling=X"), _asker("MR1")) == (True, None)

    def test_rule_without_conditions_is_about_everybody(self) -> None:
        assert _line(_list("allow"), _asker(address="")) == (True, 1)


class TestConditions:
    @pytest.mark.parametrize(
        ("pattern", "title", "fits"),
        [
            ("CT1", "CT1", True),
            ("CT1", "ct1", False),
            ("CT1", " CT1 ", True),
            ("CT1", "CT1\0\0", True),
            ("CT1", "CT11", False),
            ("CT?", "CT1", True),
            ("CT?", "CT", False),
            ("CT*", "CT", True),
            ("*", "", True),
            ('"CT 1"', "CT 1", True),
            ('""', "", True),
            ('""', "X", False),
            ("\xe4", "\xe4", True),
        ],
    )
    def test_titles_are_compared_without_blanks_around_them(
        self, pattern: str, title: str, *, fits: bool
    ) -> None:
        for key, asker in (("calling", _asker(title)), ("called", _asker(called=title))):
            assert _list(f"allow {key}={pattern}").decide(asker).allowed is fits

    @pytest.mark.parametrize(
        ("place", "address", "fits"),
        [
            ("192.0.2.0/24", "192.0.2.7", True),
            ("192.0.2.0/24", "192.0.3.7", False),
            ("192.0.2.0/255.255.255.0", "192.0.2.255", True),
            ("192.0.2.7", "192.0.2.7", True),
            ("192.0.2.7", "192.0.2.8", False),
            ("2001:db8::/32", "2001:db8::1", True),
            ("2001:db8::/32", "2001:db9::1", False),
            ("0.0.0.0/0", "2001:db8::1", False),
            ("::/0", "192.0.2.7", False),
            ("0.0.0.0/0", "", False),
        ],
    )
    def test_nets_hold_their_addresses(self, place: str, address: str, *, fits: bool) -> None:
        assert _list(f"allow from={place}").decide(_asker(address=address)).allowed is fits

    @pytest.mark.parametrize(
        ("pattern", "name", "fits"),
        [
            ("ct1.hospital.example", "ct1.hospital.example", True),
            ("CT1.Hospital.Example.", "ct1.hospital.example", True),
            ("*.hospital.example", "ct1.hospital.example", True),
            ("*.hospital.example", "evilhospital.example", False),
            ("ct1", "ct1.hospital.example", False),
            ("*.example", "", False),
        ],
    )
    def test_names_of_hosts_are_compared_as_a_whole(
        self, pattern: str, name: str, *, fits: bool
    ) -> None:
        assert _list(f"allow from={pattern}").decide(_asker(name=name)).allowed is fits

    def test_one_of_several_values_is_enough_and_all_conditions_are_needed(self) -> None:
        access = _list("allow calling=A calling=B called=X from=10.0.0.0/8 from=h.example")
        assert access.decide(_asker("A", "X", "10.1.1.1")).allowed
        assert access.decide(_asker("B", "X", "192.0.2.1", "h.example")).allowed
        assert not access.decide(_asker("C", "X", "10.1.1.1")).allowed
        assert not access.decide(_asker("A", "Y", "10.1.1.1")).allowed
        assert not access.decide(_asker("A", "X", "192.0.2.1")).allowed

    def test_no_name_is_looked_up_where_titles_or_address_decide(self) -> None:
        access = _list("allow calling=A from=h.example from=192.0.2.7\nallow calling=B")
        here = ip_address("192.0.2.7")
        assert access.decide(Asker("A", "X", here, _no_look_up)).allowed
        assert access.decide(Asker("B", "X", ip_address("10.0.0.1"), _no_look_up)).allowed
        assert not access.decide(Asker("A", "X", None, _no_look_up)).allowed


class TestConnections:
    """What is known before anything is read of a connection: the address."""

    @pytest.mark.parametrize(
        ("rules", "refused"),
        [
            ("deny from=192.0.2.0/24", True),
            ("deny from=192.0.2.0/24 calling=X", False),
            ("deny", True),
            ("allow from=10.0.0.0/8", True),
            ("allow from=192.0.2.0/24 calling=X", False),
            ("allow calling=X", False),
            ("deny from=192.0.2.7\nallow", True),
            ("allow calling=X\ndeny from=192.0.2.7", False),
            ("allow from=h.example", False),
            ("deny from=h.example", False),
            ("deny from=h.example\nallow from=10.0.0.0/8", True),
            ("deny calling=X\ndeny from=192.0.2.7", True),
        ],
    )
    def test_connection_is_refused_where_no_request_could_be_accepted(
        self, rules: str, *, refused: bool
    ) -> None:
        decision = _list(rules).refuses_from(ip_address("192.0.2.7"))
        assert (decision is not None) is refused

    def test_peer_without_address_has_no_net_and_no_name(self) -> None:
        assert _list("allow from=0.0.0.0/0 from=*.example").refuses_from(None) is not None
        assert _list("allow calling=X").refuses_from(None) is None

    @pytest.mark.parametrize(
        "rules",
        [
            "deny from=192.0.2.0/24\nallow calling=CT1",
            "allow calling=CT1 from=192.0.2.0/25\ndeny called=X\nallow from=10.0.0.0/8",
            "deny calling=C*\ndeny from=192.0.2.7\nallow from=192.0.2.0/24",
        ],
    )
    def test_whom_the_rules_allow_under_no_title_is_refused_at_the_door(self, rules: str) -> None:
        access = _list(rules)
        for address in ("192.0.2.7", "192.0.2.200", "10.0.0.1", "203.0.113.1"):
            assert (access.refuses_from(ip_address(address)) is None) is _may_come_from(
                access, address
            )

    @given(
        st.lists(
            st.tuples(
                st.sampled_from(["allow", "deny"]),
                st.sampled_from(["", "calling=CT1", "calling=C*"]),
                st.sampled_from(["", "called=X", "called=?"]),
                st.sampled_from(["", "from=192.0.2.0/25", "from=192.0.2.7", "from=::/0"]),
                st.sampled_from(["", "from=h.example"]),
            ),
            min_size=1,
            max_size=6,
        )
    )
    def test_nobody_is_refused_at_the_door_whom_any_list_allows(
        self, lines: list[tuple[str, ...]]
    ) -> None:
        access = _list("\n".join(" ".join(words) for words in lines))
        for address in ("192.0.2.7", "192.0.2.200", "2001:db8::1"):
            if access.refuses_from(ip_address(address)) is not None:
                assert not _may_come_from(access, address)


def _may_come_from(access: AccessList, address: str) -> bool:
    """Tell whether a list allows anybody from an address, under some title and name."""
    return any(
        access.decide(_asker(calling, called, address, name)).allowed
        for calling in ("CT1", "X")
        for called in ("ARCHIVE", "X")
        for name in ("", "h.example")
    )


class TestWords:
    def test_log_names_the_rule_or_says_that_there_is_none(self) -> None:
        access = _list("allow calling=A\n\n deny  calling=B # gone")
        assert access.words(access.decide(_asker("B"))) == "F, line 3: deny  calling=B # gone"
        assert access.words(access.decide(_asker("C"))) == "no rule of F allows it"

    @pytest.mark.parametrize(
        ("rules", "calling", "called", "fault"),
        [
            ("allow called=ARCHIVE", "A", "X", True),
            ("allow calling=A called=ARCHIVE", "A", "X", True),
            ("allow calling=A called=ARCHIVE", "B", "ARCHIVE", False),
            ("allow calling=A called=ARCHIVE", "B", "X", False),
            ("deny called=X\nallow", "A", "X", True),
            ("deny calling=A called=X\nallow", "A", "X", False),
            ("deny calling=A\nallow", "A", "X", False),
        ],
    )
    def test_fault_is_the_called_title_where_another_would_do(
        self, rules: str, calling: str, called: str, *, fault: bool
    ) -> None:
        access, asker = _list(rules), _asker(calling, called)
        decision = access.decide(asker)
        assert not decision.allowed
        assert access.is_fault_of_called_title(asker, decision) is fault


class TestMistakes:
    @pytest.mark.parametrize(
        ("line", "column", "reason"),
        [
            ("permit calling=A", 1, "allow"),
            ("calling=A", 1, "allow"),
            ("Allow calling=A", 1, "allow"),
            ("allow CT1", 7, "no condition"),
            ("allow Calling=A", 7, "no condition"),
            ("allow calling=ABCDEFGHIJKLMNOPQ", 7, "longer than 16"),
            ("allow calling=A\\B", 7, "no AE title"),
            ("allow from=192.0.2.7/24", 7, "the net is 192.0.2.0/24"),
            ("allow from=192.0.2.*", 7, "no address"),
            ("allow from=192.0.2.256", 7, "no address"),
            ("allow from=192.0.2.0/33", 7, "no address"),
            ("allow from=::ffff:192.0.2.0/120", 7, "IPv4"),
            ("allow from=fe80::1%eth0", 7, "zone"),
            ("allow from=2001:db8::g", 7, "no address"),
            ("allow from=*", 7, "no address"),
            ("allow from=.example", 7, "no address"),
            ("allow from=a_b..c", 7, "no address"),
            ('allow from=""', 7, "no address"),
            ("allow calling=A from=10.0.0.0/8,10.1.1.1", 17, "no address"),
        ],
    )
    def test_line_that_is_no_rule_is_told_with_its_place(
        self, line: str, column: int, reason: str
    ) -> None:
        with pytest.raises(ConfigurationError) as caught:
            _list(f"\n{line}")
        assert str(caught.value).startswith(f"F, line 2, column {column}: ")
        assert reason in str(caught.value)

    @pytest.mark.parametrize("text", ["", "\n# allow\n"])
    def test_list_without_rules_is_a_mistake_and_not_a_list_for_everybody(self, text: str) -> None:
        with pytest.raises(ConfigurationError, match="F: there is no rule in it"):
            _list(text)


class TestSingleRule:
    def test_each_kind_of_condition_has_to_fit(self) -> None:
        access = single_rule(
            calling=["A", "B*"], called=["X"], networks=["10.0.0.0/8"], origin="options"
        )
        assert access.decide(_asker("B2", "X", "10.0.0.1")).allowed
        assert not access.decide(_asker("B2", "Y", "10.0.0.1")).allowed
        assert not access.decide(_asker("C", "X", "10.0.0.1")).allowed
        refusal = access.refuses_from(ip_address("192.0.2.1"))
        assert refusal is not None
        assert access.words(refusal) == "not among options"

    @pytest.mark.parametrize(
        "conditions",
        [{"calling": ["ABCDEFGHIJKLMNOPQ"]}, {"called": ["A\\B"]}, {"networks": ["10.0.0.1/8"]}],
    )
    def test_value_that_fits_nobody_is_refused(self, conditions: dict[str, list[str]]) -> None:
        with pytest.raises(ConfigurationError):
            single_rule(
                calling=conditions.get("calling", ()),
                called=conditions.get("called", ()),
                networks=conditions.get("networks", ()),
                origin="options",
            )
