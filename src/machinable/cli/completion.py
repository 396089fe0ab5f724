"""`machinable completion`: the scripts by which shells complete what is typed, and what they ask."""

from __future__ import annotations

from machinable.cli.completing import candidates
from machinable.cli.flags import parse_flags
from machinable.cli.options import Options
from machinable.cli.output import say
from machinable.errors import ConfigurationError
from machinable.wording import nearest

__all__ = ["HELP", "run"]

HELP = """\
machinable completion bash | zsh | fish

Prints a script for a shell, which then completes commands, options, modules of the project, their configuration,
versions and methods, engines, and the IDs of the storage. Modules are read for it, never executed.

To have it in each new shell:
  bash    echo 'eval "$(machinable completion bash)"' >> ~/.bashrc
  zsh     echo 'eval "$(machinable completion zsh)"' >> ~/.zshrc        (below compinit)
  fish    machinable completion fish > ~/.config/fish/completions/machinable.fish

Examples:
  eval "$(machinable completion bash)"
  machinable completion words 'machinable train l' l      what the scripts ask: the line, and the word to be completed
"""

# `$2` is the word as bash sees it, which it splits at `=` and `:`.
BASH = """\
_machinable() {
    local IFS=$'\\n'
    set -f
    COMPREPLY=($("$1" completion words "${COMP_LINE:0:$COMP_POINT}" "$2" 2>/dev/null))
    set +f
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[=/:.] ]]; then
        compopt -o nospace 2>/dev/null
    fi
    return 0
}
complete -o bashdefault -o default -F _machinable machinable
"""

ZSH = """\
#compdef machinable
_machinable() {
    local entry
    local -a found told open open_told
    local line="${(j: :)words[1,CURRENT]}"
    for entry in "${(@f)$("${words[1]}" completion words "$line" "$PREFIX" --described 2>/dev/null)}"; do
        [[ -z $entry ]] && continue
        if [[ ${entry%%$'\\t'*} == *[=/:.] ]]; then
            open+=("${entry%%$'\\t'*}")
            open_told+=("${entry/$'\\t'/  -- }")
        else
            found+=("${entry%%$'\\t'*}")
            told+=("${entry/$'\\t'/  -- }")
        fi
    done
    (( $#found + $#open )) || { _files; return }
    (( $#open )) && compadd -Q -S '' -l -d open_told -a open
    (( $#found )) && compadd -Q -l -d told -a found
    return 0
}
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
compdef _machinable machinable
"""

FISH = """\
function __machinable_complete
    set -l line (commandline -cp)
    set -l words (commandline -opc)
    $words[1] completion words "$line" (commandline -ct) --described 2>/dev/null
end
complete -c machinable -f -a '(__machinable_complete)'
complete -c machinable -F -n 'not __machinable_complete | string length -q'
"""

SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH}


def run(words: list[str], options: Options) -> int:
    """Prints the script, or the candidates for a word."""
    if words and words[0] == "words":
        return _complete(words[1:], options)
    flags = parse_flags("completion", words, options)
    if len(flags.words) != 1:
        raise ConfigurationError("Name the shell: machinable completion bash, or zsh, or fish")
    shell = flags.words[0]
    if shell not in SCRIPTS:
        near = nearest(shell, SCRIPTS)
        hint = f"Did you mean {near!r}?" if near else f"There are: {', '.join(SCRIPTS)}."
        raise ConfigurationError(f"There is no completion for the shell {shell!r}. {hint}")
    say(SCRIPTS[shell].rstrip())
    return 0


def _complete(words: list[str], options: Options) -> int:
    described = words[-1:] == ["--described"]
    words = words[:-1] if described else words
    if len(words) != 2:
        raise ConfigurationError(
            "machinable completion words takes the line up to the cursor, and the word that is completed."
        )
    found = candidates(words[0], words[1], options)
    if found:
        say("\n".join(f"{name}\t{told}" if described and told else name for name, told in found))
    return 0
