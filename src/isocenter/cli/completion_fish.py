"""The completion script for fish 3 and newer.

Owns the script's text. Must not know where options come from (`completion`). Options are
given to fish as arguments: it knows none that begin with ``+``.
"""

from __future__ import annotations

from isocenter.cli.completion_text import PROFILE_READER, parameters_of
from isocenter.cli.manual import SHELLS

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 10 ms
if TYPE_CHECKING:
    from collections.abc import Mapping

    from isocenter.cli.completion import ToolCompletion

__all__ = ["script"]

_HEAD = """\
# Completion of isocenter's command lines for fish, written by "isocenter completion fish".
# To use it, write it to ~/.config/fish/conf.d/isocenter.fish and start fish anew.
"""

_ENGINE = r"""
# The profiles in a configuration file, or in one that is built in.
function __isocenter_profiles
    set -l file (string replace -r '^~' "$HOME" -- $argv[1])
    if not test -e $file
        switch $file
            @BUILT_IN@
        end
        return
    end
    awk '@PROFILE_READER@' $file 2>/dev/null
end

function __isocenter_value -a kind current previous
    switch $kind
        case file
            __fish_complete_path $current
        case directory
            __fish_complete_directories $current ''
        case command
            __fish_complete_command
        case profile
            __isocenter_profiles $previous
        case 'words:*'
            string split , (string replace words: '' -- $kind)
    end
end

# Completes a tool's command line: its name and all words before the one that is being typed.
function __isocenter_tool
    set -l current (commandline -ct)
    set -l tool $argv[1]
    set -l position 1
    set -l pending
    for word in $argv[2..-1]
        if set -q pending[1]
            set -e pending[1]
        else if string match -qr '^[+-][^0-9]' -- $word
            set pending (__isocenter_kinds_$tool $word)
        else
            set position (math $position + 1)
        end
    end
    if string match -q '@*' -- $current
        for path in (__fish_complete_path (string sub -s 2 -- $current))
            echo "@$path"
        end
    else if set -q pending[1]
        __isocenter_value $pending[1] "$current" $argv[-1]
    else if string match -qr '^[+-]' -- $current
        __isocenter_options_$tool
    else
        set -l parameters (__isocenter_parameters_$tool)
        set -l last (count $parameters)
        if test $position -gt $last; and string match -q '*+' -- $parameters[-1]
            set position $last
        end
        if test $position -le $last
            __isocenter_value (string trim -rc + -- $parameters[$position]) "$current" ''
        end
    end
end

function __isocenter_complete
    set -l words (commandline -opc)
    set -l tool (string replace -r '.*/' '' -- $words[1])
    if test $tool != isocenter
        __isocenter_tool $tool $words[2..-1]
    else if test (count $words) -eq 1
        if string match -q -- '-*' (commandline -ct)
            printf '%s\n' -h --help --version
        else
            printf '%s\n' @NAMES@ completion @COMMANDS@
        end
    else if contains -- $words[2] @NAMES@ @COMMANDS@
        __isocenter_tool $words[2] $words[3..-1]
    else if test "$words[2]" = completion; and test (count $words) -eq 2
        printf '%s\n' @SHELLS@
    end
end

for name in isocenter @NAMES@
    complete -c $name -f -k -a '(__isocenter_complete)'
end
"""


def script(
    tools: tuple[ToolCompletion, ...],
    commands: tuple[ToolCompletion, ...],
    built_in: Mapping[str, tuple[str, ...]],
) -> str:
    """Return the script; `built_in` are the profiles of files that need not exist."""
    names = " ".join(tool.name for tool in tools)
    text = _HEAD + "".join(_table(tool) for tool in tools + commands) + _ENGINE
    text = text.replace("@COMMANDS@", " ".join(command.name for command in commands))
    text = text.replace("@BUILT_IN@", _cases(built_in)).replace("@PROFILE_READER@", PROFILE_READER)
    return text.replace("@NAMES@", names).replace("@SHELLS@", " ".join(SHELLS))


def _cases(built_in: Mapping[str, tuple[str, ...]]) -> str:
    end = "\n" + " " * 12
    return end.join(
        f"case {name}{end}    printf '%s\\n' {' '.join(words)}" for name, words in built_in.items()
    )


def _table(tool: ToolCompletion) -> str:
    """Return the functions that print options, parameters, and the kinds of an option's values."""
    lines = [f"\nfunction __isocenter_options_{tool.name}", "    printf '%s\\t%s\\n' \\"]
    rows = []
    for option in tool.options:
        text = option.description.replace("\\", "\\\\").replace("'", "\\'")
        rows += [f"        '{name}' '{text}'" for name in option.names]
    lines += [" \\\n".join(rows), "end", ""]
    lines += [f"function __isocenter_parameters_{tool.name}"]
    lines += [f"    printf '%s\\n' {' '.join(parameters_of(tool))}", "end", ""]
    lines += [f"function __isocenter_kinds_{tool.name}", "    switch $argv[1]"]
    for option in tool.options:
        if option.kinds:
            lines += [f"        case {' '.join(option.names)}"]
            lines += [f"            printf '%s\\n' {' '.join(option.kinds)}"]
    lines += ["    end", "end", ""]
    return "\n".join(lines)
