"""The completion script for zsh.

Owns the script's text. Must not know where options come from (`completion`). zsh's
`_arguments` is not used: it would take the ``=`` of ``-x=`` for a separator.
"""

from __future__ import annotations

from isocenter.cli.completion_text import PROFILE_READER, table
from isocenter.cli.manual import SHELLS

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 10 ms
if TYPE_CHECKING:
    from collections.abc import Mapping

    from isocenter.cli.completion import ToolCompletion

__all__ = ["script"]

_HEAD = """\
#compdef isocenter @NAMES@
# Completion of isocenter's command lines for zsh, written by "isocenter completion zsh".
# To use it, write it to a file _isocenter in a folder of $fpath and start zsh anew.
"""

_ENGINE = r"""
# The profiles in a configuration file, or in one that is built in.
_isocenter_profiles() {
    if [[ ! -e $1 ]]; then
        case $1 in
            @BUILT_IN@
        esac
        return
    fi
    awk '@PROFILE_READER@' "$1" 2>/dev/null
}

_isocenter_value() {
    case $1 in
        file) _files ;;
        directory) _files -/ ;;
        command) _command_names -e ;;
        profile) compadd -- ${(f)"$(_isocenter_profiles ${~${(Q)words[CURRENT-1]}})"} ;;
        words:*) compadd -- ${(s:,:)1#words:} ;;
        *) _message 'no completion' ;;
    esac
}

# Completes a tool's command line, which begins at a word of that number.
_isocenter_tool() {
    local table=_isocenter_table_$1 i position=1
    local -a options parameters kinds pending
    for ((i = $2 + 1; i < CURRENT; i++)); do
        if (($#pending)); then
            shift pending
        elif [[ $words[i] == [+-][^0-9]* ]]; then
            $table $words[i]
            pending=($kinds)
        else
            ((position++))
        fi
    done
    $table ''
    if [[ $PREFIX == @* ]]; then
        compset -P '@'
        _files
    elif (($#pending)); then
        _isocenter_value $pending[1]
    elif [[ $PREFIX == [+-]* ]]; then
        _describe -o option options
    else
        ((position > $#parameters)) && [[ $parameters[-1] == *+ ]] && position=$#parameters
        ((position > $#parameters)) || _isocenter_value ${parameters[position]%+}
    fi
}

_isocenter() {
    local tool=${words[1]:t}
    if [[ $tool != isocenter ]]; then
        _isocenter_tool $tool 1
        return
    fi
    if ((CURRENT == 2)); then
        if [[ $PREFIX == -* ]]; then
            compadd -- -h --help --version
        else
            compadd -- @NAMES@ completion @COMMANDS@
        fi
        return
    fi
    case $words[2] in
        @TOOLS@) _isocenter_tool $words[2] 2 ;;
        completion) ((CURRENT == 3)) && compadd -- @SHELLS@ ;;
    esac
}

if [[ ${funcstack[1]} == _isocenter ]]; then
    _isocenter "$@"
else
    compdef _isocenter isocenter @NAMES@
fi
"""


def script(
    tools: tuple[ToolCompletion, ...],
    commands: tuple[ToolCompletion, ...],
    built_in: Mapping[str, tuple[str, ...]],
) -> str:
    """Return the script; `built_in` are the profiles of files that need not exist."""
    names, others = [tool.name for tool in tools], [command.name for command in commands]
    text = _HEAD + "".join(_table(tool) for tool in tools + commands) + _ENGINE
    text = (
        text.replace("@BUILT_IN@", _cases(built_in))
        .replace("@PROFILE_READER@", PROFILE_READER)
        .replace("@NAMES@", " ".join(names))
        .replace("@COMMANDS@", " ".join(others))
        .replace("@TOOLS@", "|".join(names + others))
    )
    return text.replace("@SHELLS@", " ".join(SHELLS))


def _cases(built_in: Mapping[str, tuple[str, ...]]) -> str:
    rows = (f"{name}) print -l {' '.join(words)} ;;" for name, words in built_in.items())
    return f"\n{' ' * 12}".join(rows)


def _table(tool: ToolCompletion) -> str:
    rows = []
    for option in tool.options:
        text = option.description.replace("'", "'\\''")
        rows += [f"'{name}:{text}'" for name in option.names]
    return table(tool, rows, separator="|")
