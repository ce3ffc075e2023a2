"""Completion of the `tzip` command for shells: a script that follows from the parser and starts no Python."""

import argparse
import shlex
from collections.abc import Iterator

from tzip.compression import registry
from tzip.exchange.options import FORMATS

SHELLS = ("bash", "zsh")
SCRIPT = """\
# Completion of tzip {version}, made by `tzip completion`.
_tzip() {{
    local current="${{COMP_WORDS[COMP_CWORD]}}" before="${{COMP_WORDS[COMP_CWORD - 1]}}" words=""
    if [ "$current" = "=" ]; then  # --option=value, of which bash makes three words
        current=""
    elif [ "$before" = "=" ]; then
        before="${{COMP_WORDS[COMP_CWORD - 2]}}"
    fi
    COMPREPLY=()
    if [ "$COMP_CWORD" = 1 ]; then
        words={commands}
    else
        case "${{COMP_WORDS[1]}} $before" in
{values}
        *)
            case "${{COMP_WORDS[1]}} $current" in
{options}
            esac
            ;;
        esac
    fi
    if [ -n "$words" ]; then
        COMPREPLY=($(compgen -W "$words" -- "$current"))
    fi
}}
complete -o default -F _tzip tzip
"""
ZSH = "autoload -U +X bashcompinit && bashcompinit\n"  # zsh's own reader of bash's completions


def script(parser: argparse.ArgumentParser, shell: str, version: str) -> str:
    """The completion script of a parser with subcommands for bash or zsh; ValueError names another shell.

    It completes subcommands, options, the values of options with choices, names of methods, and files.
    """
    if shell not in SHELLS:
        raise ValueError(f"shell = {shell!r} is not one of {', '.join(SHELLS)}")
    commands = next(action.choices for action in parser._actions if isinstance(action.choices, dict))
    flags = [flag for action in parser._actions for flag in action.option_strings]
    values, options = [], []
    for name, command in commands.items():
        values += [line for action in command._actions if action.option_strings for line in _value(name, action)]
        known = [flag for action in command._actions for flag in action.option_strings if flag.startswith("--")]
        options.append(_case(f"{name}\\ -*", known))
        positional = [word for action in command._actions if not action.option_strings for word in _words(action)]
        options += [_case(f"{name}\\ *", positional)] if positional else []
    text = {"values": "\n".join(f"        {line}" for line in values)}
    text["options"] = "\n".join(f"            {line}" for line in options)
    text["commands"] = shlex.quote(" ".join([*commands, *flags]))
    return (ZSH if shell == "zsh" else "") + SCRIPT.format(version=version, **text)


def _value(command: str, action: argparse.Action) -> Iterator[str]:
    """The cases in which the word behind an option is completed: by its choices, or else, by no words, as a file."""
    if action.nargs != 0:
        patterns = "|".join(f"{command}\\ {flag}" for flag in action.option_strings)
        yield _case(patterns, _words(action))


def _words(action: argparse.Action) -> list[str]:
    """What the value of an argument can be, where that is known."""
    names = {"quantize": "quantizers", "biases": "quantizers", "prune": "pruners"}
    if action.dest in names:
        return registry.names(names[action.dest])
    if action.dest == "method":
        return [name for kind in registry.KINDS for name in registry.names(kind)]
    if action.dest == "format":
        return list(FORMATS)
    return [str(choice) for choice in action.choices or getattr(action, "completions", ())]


def _case(pattern: str, words: list[str]) -> str:
    return f"{pattern}) words={shlex.quote(' '.join(words))} ;;"
