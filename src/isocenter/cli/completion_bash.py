"""The completion script for bash 4 and newer.

Owns the script's text. Must not know where options come from (`completion`). It needs no
bash-completion package: words that bash cuts at ``=``, ``:`` and ``@`` are put together again.
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
# Completion of isocenter's command lines for bash, written by "isocenter completion bash".
# To use it, put into ~/.bashrc:  source <(isocenter completion bash)
"""

_ENGINE = r"""
# Puts the words of the command line into words, and which one is being typed into cword.
# Bash cuts them at = : and @ as well, where DCMTK's grammar does not.
_isocenter_words() {
    local line=$COMP_LINE word rest i
    words=()
    for ((i = 0; i < ${#COMP_WORDS[@]}; i++)); do
        word=${COMP_WORDS[i]}
        rest=${line#"${line%%[![:space:]]*}"}
        if ((i > 0)) && [[ -n $word && $rest == "$line" ]]; then
            words[${#words[@]}-1]+=$word
        else
            words+=("$word")
        fi
        ((i == COMP_CWORD)) && cword=$((${#words[@]} - 1))
        line=${rest#"$word"}
    done
}

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

# Keeps the candidates that begin like the word, without the part of it that bash has cut off.
_isocenter_take() {
    local candidate cut=${current%"$replaced"}
    for candidate; do
        [[ $candidate == "$current"* ]] && COMPREPLY+=("${candidate#"$cut"}")
    done
}

_isocenter_value() {
    local names
    case $1 in
        file) compopt -o default ;;
        directory) compopt -o dirnames ;;
        command) mapfile -t names < <(compgen -c -- "$current") && _isocenter_take "${names[@]}" ;;
        profile)
            mapfile -t names < <(_isocenter_profiles "${words[cword-1]/#\~/$HOME}")
            _isocenter_take "${names[@]}"
            ;;
        words:*) IFS=, read -ra names <<<"${1#words:}" && _isocenter_take "${names[@]}" ;;
    esac
}

# Command files; with -o filenames bash would quote the @ as well.
_isocenter_command_files() {
    local names name quoted
    mapfile -t names < <(compgen -f -- "${current#@}")
    for name in "${names[@]}"; do
        printf -v quoted '@%q' "$name"
        [[ -d $name ]] && quoted+=/ && compopt -o nospace
        _isocenter_take "$quoted"
    done
}

# Completes a tool's command line, which begins at a word of that number.
_isocenter_tool() {
    local table=_isocenter_table_$1 first=$2 current=${words[cword]} i position=0
    local -a options parameters kinds pending=()
    for ((i = first + 1; i < cword; i++)); do
        if ((${#pending[@]})); then
            pending=("${pending[@]:1}")
        elif [[ ${words[i]} == [+-][!0-9]* ]]; then
            "$table" "${words[i]}"
            pending=("${kinds[@]}")
        else
            ((position++))
        fi
    done
    "$table" ''
    if [[ $current == @* ]]; then
        _isocenter_command_files
    elif ((${#pending[@]})); then
        _isocenter_value "${pending[0]}"
    elif [[ $current == [+-]* ]]; then
        _isocenter_take "${options[@]}"
    else
        local last=$((${#parameters[@]} - 1))
        ((position > last)) && [[ ${parameters[last]} == *+ ]] && position=$last
        ((position > last)) || _isocenter_value "${parameters[position]%+}"
    fi
}

_isocenter() {
    local cword=0 tool=${1##*/} replaced=$2
    local -a words
    COMPREPLY=()
    _isocenter_words
    if [[ $tool != isocenter ]]; then
        _isocenter_tool "$tool" 0
        return
    fi
    local current=${words[cword]}
    if ((cword == 1)); then
        if [[ $current == -* ]]; then
            _isocenter_take -h --help --version
        else
            _isocenter_take @NAMES@ completion @COMMANDS@
        fi
        return
    fi
    case ${words[1]} in
        @TOOLS@) _isocenter_tool "${words[1]}" 1 ;;
        completion) ((cword == 2)) && _isocenter_take @SHELLS@ ;;
    esac
}

complete -F _isocenter isocenter @NAMES@
"""


def script(
    tools: tuple[ToolCompletion, ...],
    commands: tuple[ToolCompletion, ...],
    built_in: Mapping[str, tuple[str, ...]],
) -> str:
    """Return the script; `built_in` are the profiles of files that need not exist."""
    names, others = [tool.name for tool in tools], [command.name for command in commands]
    engine = _ENGINE.replace("@NAMES@", " ".join(names)).replace("@COMMANDS@", " ".join(others))
    engine = engine.replace("@TOOLS@", " | ".join(names + others))
    engine = engine.replace("@BUILT_IN@", _cases(built_in))
    engine = engine.replace("@PROFILE_READER@", PROFILE_READER)
    tables = "".join(_table(tool) for tool in tools + commands)
    return _HEAD + tables + engine.replace("@SHELLS@", " ".join(SHELLS))


def _cases(built_in: Mapping[str, tuple[str, ...]]) -> str:
    rows = (f"{name}) printf '%s\\n' {' '.join(words)} ;;" for name, words in built_in.items())
    return f"\n{' ' * 12}".join(rows)


def _table(tool: ToolCompletion) -> str:
    return table(tool, [" ".join(option.names) for option in tool.options], separator=" | ")
