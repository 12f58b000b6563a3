"""Why presentation contexts were not accepted, in plain words, on either side.

Owns what the results of a negotiation mean for a user and which option would change them.
Facts go in, lines come out. Must not know how contexts are proposed or chosen.
PS3.8 9.3.2.2, 9.3.3.2; PS3.4 B.3.1.
"""

from __future__ import annotations

from isocenter.cli.explain import listed, named, option_words
from isocenter.cli.explain_decompression import decompressing
from isocenter.record import NamedTuple
from isocenter.sender.proposal import proposing_option, selector_of
from isocenter.uids import (
    ACCEPT_ALL_TRANSFER_SYNTAXES,
    SOP_CLASSES,
    VERIFICATION,
    is_known_uid,
    name_of,
)
from isocenter.ul.pdu import ContextResult

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 10 ms
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from isocenter.cli.explain import Lines
    from isocenter.cli.spec import Tool
    from isocenter.ul.pdu import AAssociateAC, AAssociateRQ

__all__ = [
    "Answer",
    "answers",
    "loses_a_class",
    "no_context_for_file",
    "none_acceptable",
    "refused_by_us",
    "too_many",
]

_UNANSWERED = -1
_RESULT_WORDS = {
    ContextResult.ACCEPTANCE: "accepted",
    ContextResult.USER_REJECTION: "refused by its application",
    ContextResult.NO_REASON: "refused without a reason",
    ContextResult.ABSTRACT_SYNTAX_NOT_SUPPORTED: "abstract syntax (SOP class) not supported",
    ContextResult.TRANSFER_SYNTAXES_NOT_SUPPORTED: "transfer syntaxes not supported",
    _UNANSWERED: "not answered at all",
}


_OTHER_PROFILE = "Add it to the profile, or use --auto-contexts in place of --config-file (-xf)."


class Answer(NamedTuple):
    """A proposed context and what became of it.

    Fields: `abstract_syntax`, `proposed` (transfer syntaxes), `result` as PS3.8 9.3.3.2 counts
    (-1: no answer), `chosen`, the accepted transfer syntax or "".
    """

    abstract_syntax: str
    proposed: tuple[str, ...]
    result: int
    chosen: str


def answers(request: AAssociateRQ, accept: AAssociateAC) -> tuple[Answer, ...]:
    """Return what became of each proposed context, in the order of the proposal."""
    given = {answer.context_id: answer for answer in accept.presentation_contexts}
    found = []
    for context in request.presentation_contexts:
        answer = given.get(context.context_id)
        result = _UNANSWERED if answer is None else int(answer.result)
        chosen = answer.transfer_syntax if answer is not None and result == 0 else ""
        found.append(Answer(context.abstract_syntax, context.transfer_syntaxes, result, chosen))
    return tuple(found)


def _result_words(result: int) -> str:
    return _RESULT_WORDS.get(result, f"result {result}, which the standard does not know")


def _by_result(contexts: Iterable[Answer]) -> Mapping[int, list[Answer]]:
    groups: dict[int, list[Answer]] = {}
    for context in contexts:
        groups.setdefault(context.result, []).append(context)
    return groups


def _syntaxes(contexts: Iterable[Answer]) -> list[str]:
    return [uid for context in contexts for uid in context.proposed]


# --- the requestor's side --------------------------------------------------------------------


def none_acceptable(
    contexts: Sequence[Answer],
    *,
    peer: str,
    tool: Tool,
    from_profile: bool = False,
    from_files: bool = False,
    allowed: str | None = None,
) -> Lines:
    """Explain an association on which nothing can be sent.

    Args:
        contexts: all that were proposed.
        peer: its AE title as called.
        tool: whose options may help.
        from_profile: they are those of a profile (``--config-file``), which leaves no choice.
        from_files: each file's own transfer syntax is among them (``--auto-contexts``).
        allowed: what the tool may decompress, see `decompressing`.
    """
    count = len(contexts)
    of_which = "not the one presentation context"
    if count != 1:
        of_which = f"none of the {count} presentation contexts"
    lines = [f"the peer {peer.strip()!a} accepted the association, but {of_which} proposed."]
    for result, group in _by_result(contexts).items():
        classes = listed([context.abstract_syntax for context in group])
        detail = ""
        if result == ContextResult.TRANSFER_SYNTAXES_NOT_SUPPORTED:
            detail = f", proposed in {listed(_syntaxes(group), 4)}"
        if len(lines) < 5:
            lines.append(f"{_result_words(result).capitalize()}: {classes}{detail}.")
    if from_files and _lacks_syntaxes(contexts):
        lines.append(_of_files(contexts, tool, allowed))
    else:
        lines.append(_what_to_do(contexts, tool, from_profile=from_profile))
    return tuple(lines)


def _lacks_syntaxes(contexts: Iterable[Answer]) -> bool:
    """Tell whether the peer would have taken a SOP class in another transfer syntax."""
    refused = ContextResult.TRANSFER_SYNTAXES_NOT_SUPPORTED
    return any(context.result == refused for context in contexts)


def _of_files(contexts: Sequence[Answer], tool: Tool, allowed: str | None) -> str:
    """Say what to do where just what the files are was proposed, and refused."""
    if allowed is None:
        return (
            f"The files' own were proposed, and {tool.name} does not (de)compress pixel data: "
            "the peer has to be set up for them (+xa, --accept-all, of a storescp), or the "
            "files be converted first."
        )
    alone = [context.proposed[0] for context in contexts if len(context.proposed) == 1]
    if alone:
        return f"{name_of(alone[0])} was offered alone: {decompressing(alone[0], tool, allowed)}"
    return (
        "The files' own and the uncompressed ones were offered: the peer has to be set up for "
        "one of them."
    )


def _what_to_do(contexts: Sequence[Answer], tool: Tool, *, from_profile: bool) -> str:
    results = {context.result for context in contexts}
    if results == {ContextResult.ACCEPTANCE}:
        if from_profile:
            return (
                "What it accepted was not what was proposed (see --debug), or it took another role "
                "than the profile asks for."
            )
        return (
            "What it accepted was not what was proposed (see --debug), or it took another role: "
            "the fault is the peer's."
        )
    if ContextResult.TRANSFER_SYNTAXES_NOT_SUPPORTED in results:
        if from_profile:
            return f"It takes these SOP classes in other transfer syntaxes. {_OTHER_PROFILE}"
        option = option_words(tool, "--auto-contexts") or option_words(tool, "--propose-ts")
        return (
            "It takes these SOP classes in other transfer syntaxes: propose those"
            + (f" (see {option})" if option else "")
            + "."
        )
    if any(context.abstract_syntax != VERIFICATION for context in contexts):
        return (
            "It may serve another purpose (query, worklist), take other SOP classes, or need this "
            "AE title to be registered for storage."
        )
    return (
        "A peer that refuses Verification often knows this AE title for nothing: register it there."
    )


def no_context_for_file(
    path: str,
    sop_class: str,
    transfer_syntax: str,
    contexts: Sequence[Answer],
    *,
    tool: Tool,
    from_profile: bool = False,
    allowed: str | None = None,
) -> Lines:
    """Explain why a file found no context.

    Args:
        path: of the file.
        sop_class: of the file.
        transfer_syntax: of the file.
        contexts: all that were proposed.
        tool: whose options may help.
        from_profile: they are those of a profile (``--config-file``), which leaves no choice.
        allowed: what the tool may decompress, see `decompressing`.
    """
    head = f"{path} is {named(sop_class)} in {named(transfer_syntax)}."
    mine = [context for context in contexts if context.abstract_syntax == sop_class]
    if not mine:
        return (head, *_class_not_proposed(sop_class, contexts, tool, from_profile=from_profile))
    proposed = _syntaxes(mine)
    chosen = [context.chosen for context in mine if context.result == 0]
    if not chosen:
        return (
            head,
            *_class_refused(
                transfer_syntax, mine, tool, from_profile=from_profile, allowed=allowed
            ),
        )
    if transfer_syntax in chosen:
        whose = "see the roles of the profile" if from_profile else "the fault is the peer's"
        return (
            head,
            f"Just that was accepted, but without the right to send it (role selection): {whose}.",
        )
    facts = (
        f"For this SOP class were proposed {listed(proposed, 6)}; accepted: {listed(chosen, 6)}. "
        "None is common to file and peer."
    )
    if transfer_syntax not in proposed:
        advice = _proposing(transfer_syntax, tool, from_profile=from_profile)
    elif any(transfer_syntax in c.proposed and c.result == 0 for c in mine):
        remedy = (
            "a context of its own in the profile" if from_profile else "without --combine (+C) it"
        )
        advice = (
            f"The peer chose another transfer syntax of the same context; {remedy} may take both."
        )
    else:
        advice = (
            f"The peer was offered the file's own and refused it. It would take {listed(chosen)}: "
            + decompressing(transfer_syntax, tool, allowed)
        )
    return (head, facts, advice)


def _class_not_proposed(
    sop_class: str, contexts: Sequence[Answer], tool: Tool, *, from_profile: bool
) -> Lines:
    classes = len({context.abstract_syntax for context in contexts})
    count = f"{classes} others were" if classes > 1 else "another was"
    if from_profile:
        return (f"This SOP class is not in the profile. {_OTHER_PROFILE}",)
    options = [
        option_words(tool, name) for name in (("--required",) if sop_class in SOP_CLASSES else ())
    ]
    options += [words for words in (option_words(tool, "--auto-contexts"),) if words]
    lines = [f"This SOP class was not proposed at all; {count}."]
    if options:
        lines.append(f"What the files need is proposed with {' or '.join(options)}.")
    return tuple(lines)


def _class_refused(
    transfer_syntax: str,
    mine: Sequence[Answer],
    tool: Tool,
    *,
    from_profile: bool,
    allowed: str | None,
) -> Lines:
    results = {context.result for context in mine}
    proposed = _syntaxes(mine)
    if results == {ContextResult.ABSTRACT_SYNTAX_NOT_SUPPORTED}:
        return (
            (
                "The peer does not take this SOP class in any transfer syntax (abstract syntax not "
                "supported): it has to be enabled there."
            ),
        )
    words = "; ".join(_result_words(result) for result in sorted(results))
    lines = [f"It was proposed in {listed(proposed, 6)}, and the peer took none ({words})."]
    if transfer_syntax not in proposed:
        lines.append(_proposing(transfer_syntax, tool, from_profile=from_profile))
    elif ContextResult.TRANSFER_SYNTAXES_NOT_SUPPORTED not in results:
        pass
    elif allowed is not None and proposed == [transfer_syntax]:
        lines.append(f"It was offered alone: {decompressing(transfer_syntax, tool, allowed)}")
    else:
        lines.append(
            "The file's own was among them: the peer has to be set up for it, or the file "
            "converted to one that it takes."
        )
    return tuple(lines)


def _proposing(transfer_syntax: str, tool: Tool, *, from_profile: bool) -> str:
    """Say which options would have proposed a file's transfer syntax."""
    if from_profile:
        name = name_of(transfer_syntax)
        return f"{name} is not in the profile for this SOP class. {_OTHER_PROFILE}"
    option = proposing_option(transfer_syntax)
    options = [] if option is None else [option_words(tool, option)]
    options = [words for words in (*options, option_words(tool, "--auto-contexts")) if words]
    start = (
        f"{name_of(transfer_syntax)} was not proposed, and the file is not converted to what was"
    )
    if not options:
        return f"{start}; no option of {tool.name} proposes it."
    verb = "proposes" if len(options) == 1 else "propose"
    return f"{start}: {' or '.join(options)} {verb} it."


def too_many(*, tool: Tool, from_profile: bool = False) -> Lines:
    """Explain that a proposal has more contexts than one association takes."""
    if from_profile:
        return ("one association takes 128 presentation contexts, and the profile has more.",)
    options = [
        words
        for words in (
            option_words(tool, "--combine"),
            option_words(tool, "--auto-contexts"),
        )
        if words
    ]
    return (
        (
            "one association takes 128 presentation contexts, and the SOP classes of these "
            "files need "
            "more."
        ),
        f"{' or '.join(options)} may do with fewer; or send the files in several runs.",
    )


# --- the acceptor's side ---------------------------------------------------------------------


def refused_by_us(
    contexts: Sequence[Answer],
    *,
    peer: str,
    tool: Tool,
    taken: Mapping[str, tuple[str, ...]],
    promiscuous: bool,
    from_profile: bool = False,
) -> Lines:
    """Explain, for an acceptor, what it refused of a proposal; () where that was nothing.

    Args:
        contexts: all that were proposed.
        peer: how the association is called in the log.
        tool: the receiver, whose options may help.
        taken: SOP classes that are accepted here to their transfer syntaxes.
        promiscuous: unknown SOP classes are accepted.
        from_profile: a profile (``--config-file``) says what is accepted.
    """
    refused = [context for context in contexts if context.result != 0]
    if not refused:
        return ()
    lines = [f"{len(refused)} of {len(contexts)} presentation contexts were refused ({peer})."]
    groups = _by_result(refused)
    no_class = groups.get(ContextResult.ABSTRACT_SYNTAX_NOT_SUPPORTED, [])
    classes = [context.abstract_syntax for context in no_class]
    if from_profile and classes:
        lines.append(f"SOP class that is not in the profile of --config-file: {listed(classes)}.")
    else:
        lines += _classes_not_taken(classes, tool, promiscuous=promiscuous)
    if not from_profile and not option_words(tool, "--accept-all"):
        lines.append(
            f"Without {option_words(tool, '--config-file')} this receiver takes nothing but "
            "echoes in implicit VR little endian; the built-in profile storescp.cfg Default takes "
            "storage, AllDICOM compressed images as well."
        )
    no_syntax = groups.get(ContextResult.TRANSFER_SYNTAXES_NOT_SUPPORTED, [])
    if no_syntax:
        lines += _syntaxes_not_taken(no_syntax, contexts, tool, taken, from_profile=from_profile)
    if ContextResult.NO_REASON in groups:
        lines.append("An ID was even, zero or used twice: the fault is the peer's.")
    if ContextResult.USER_REJECTION in groups:
        lines.append("The peer asked for roles that this receiver does not grant.")
    return tuple(lines)


def loses_a_class(contexts: Iterable[Answer]) -> bool:
    """Tell whether a SOP class was refused in all that was proposed of it.

    What is refused beside something that is accepted for the class is what negotiation is for.
    """
    contexts = tuple(contexts)
    served = {context.abstract_syntax for context in contexts if context.result == 0}
    return any(context.abstract_syntax not in served for context in contexts)


def _classes_not_taken(classes: Sequence[str], tool: Tool, *, promiscuous: bool) -> Iterable[str]:
    unknown = [uid for uid in classes if not is_known_uid(uid)]
    storage = [uid for uid in classes if uid in SOP_CLASSES]
    other = [uid for uid in classes if is_known_uid(uid) and uid not in SOP_CLASSES]
    if unknown:
        option = "" if promiscuous else option_words(tool, "--promiscuous")
        remedy = f"; {option} accepts such classes" if option else ""
        yield f"SOP class not known here: {listed(unknown)}{remedy}."
    if other:
        yield f"No storage class, and this tool only stores: {listed(other)}."
    if storage:
        yield f"Storage class that is not on this receiver's list: {listed(storage)}."


def _syntaxes_not_taken(
    refused: Sequence[Answer],
    contexts: Sequence[Answer],
    tool: Tool,
    taken: Mapping[str, tuple[str, ...]],
    *,
    from_profile: bool,
) -> Iterable[str]:
    syntaxes = list(dict.fromkeys(_syntaxes(refused)))
    served = {context.abstract_syntax for context in contexts if context.result == 0}
    lost = [c.abstract_syntax for c in refused if c.abstract_syntax not in served]
    here = taken.get(refused[0].abstract_syntax) or next(iter(taken.values()), ())
    yield (
        f"Transfer syntax not accepted: {listed(syntaxes)}, for "
        f"{listed([context.abstract_syntax for context in refused])}. "
        f"Accepted here: {listed(here, 4)}."
    )
    if from_profile:
        yield "The profile of --config-file says so."
    elif option_words(tool, "--accept-all"):
        yield _accepting(syntaxes, tool)
    if lost:
        yield f"So nothing of {listed(lost)} can be received."
    else:
        yield "All these SOP classes were accepted in other transfer syntaxes as well."


def _accepting(syntaxes: Sequence[str], tool: Tool) -> str:
    """Say which options would accept transfer syntaxes."""
    known = [uid for uid in syntaxes if uid in ACCEPT_ALL_TRANSFER_SYNTAXES]
    if not known:
        return "No option accepts a transfer syntax that is not known here."
    selectors = [selector for selector in map(selector_of, known) if selector is not None]
    options = [option_words(tool, "--accept-all")]
    if len(known) == 1:
        options += [option_words(tool, f"--prefer-{selector}") for selector in selectors]
    return f"{' or '.join(words for words in options if words)} would accept " + (
        "it." if len(known) == 1 else "them."
    )
