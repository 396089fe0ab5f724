"""`machinable help`, and `--help` everywhere."""

from __future__ import annotations

from machinable.cli.commands import COMMANDS, load
from machinable.cli.options import Options
from machinable.cli.output import say
from machinable.errors import ConfigurationError, ProjectError

__all__ = ["HELP", "run"]

HELP = """\
machinable help [TOPIC | COMMAND | TARGET]

Explains a topic, a command, or what can be typed after the name of a component.

Examples:
  machinable help
  machinable help values
  machinable help init
  machinable help train       the same as: machinable train --help
"""

OVERVIEW = """\
machinable runs research code once, keeps what it produced, and gives it back to whoever asks again.

  machinable [options] [get] TARGET… [@version]… [key=value]… [--method]…

TARGET is a module of the project (train, models.train, models/train.py, models:Train) or a context
(an execution such as multiprocess, scope, storage), in any order. Each takes the versions and values
that follow it. Methods are called on each component, in the order given; --launch runs it, unless it
ran before with this configuration. Without a method, the component is shown.

Examples:
  machinable train                                  show what would run, and what is known of it
  machinable train lr=0.1 --launch                  run it, or reuse the result
  machinable train @small optimizer.lr=1e-3 --launch --summary
  machinable train lr=0.1 train lr=0.2 multiprocess processes=2 --launch
  machinable train --help                           its configuration, versions and methods
  machinable execute train lr=0.1,0.01 --grid --repeat 3 --engine native:2

Options (in front of the first target):
  --storage URL    where records are kept, for instance ~/results
  --project DIR    the directory of the project, if it is not around this one
  --traceback      show machinable's own frames when something fails
  --help           this text

Commands:
{commands}
  get              run a module that has the name of a command: machinable get init --launch

Topics: {topics}. Read them with: machinable help TOPIC
Exit codes: 0, 1 a component failed, 2 bad input, 130 after Ctrl-C
"""

TOPICS = {
    "values": """\
Values are YAML 1.2:

  machinable train lr=1e-3 epochs=10 verbose=true       numbers and booleans
  machinable train name=no tag=2024-01-01               text: no, yes, on, off and dates are nothing special
  machinable train seed_file=null                       nothing; also ~
  machinable train 'layers=[64, 64]' 'optimizer={name: adam, lr: 0.1}'
  machinable train optimizer.lr=0.1                     one key of a group
  machinable train name=                                the empty text
  machinable train mask=0x1F mode=0o17                  31 and 15

A field whose type is text takes what is typed, letter by letter: name=1e-3 is the text 1e-3. For other fields,
quotes make text of a number: 'tag="1e-3"'. The shell takes quotes, brackets, spaces and * for itself: put single
quotes around the whole. A config method is called by name: 'lr=scaled(0.1)'.
""",
    "versions": """\
A version is a method `version_NAME` of the class that returns a dict of changes. Write @NAME or ~NAME after the
target; some shells replace ~NAME, none replaces @NAME. Versions and values apply from left to right.

  machinable train @small
  machinable train '@sized(width=64)' lr=0.1            arguments are Python literals
""",
    "methods": """\
Each --method is called on each component, in the order given. What it returns is printed, unless it is None.

  machinable train --launch                             run, or reuse the result
  machinable train --launch --summary                   and then call summary()
  machinable train '--plot("loss", last=10)'            arguments are Python literals
  machinable train --help                               which methods there are
""",
    "contexts": """\
Executions, scopes and storages stand before or after the components, with values of their own:

  machinable train multiprocess processes=4 --launch    an execution: your own multiprocess.py, or the built-in
  machinable train scope fold=1 --launch                a scope: becomes part of the identity
  machinable train storage path=~/results --launch      the same as: machinable --storage ~/results train --launch
""",
    "uses": """\
Inputs of a component, declared by `uses` on its class, are replaced by name, by a module or the ID of a component:

  machinable train uses.data=other_data --launch
  machinable train uses.data=4fKq0ZpT1xYc --launch
""",
    "storage": """\
Records are kept in ./storage of the project, unless something else is said. The first of these counts:

  machinable train storage path=~/results
  machinable --storage ~/results train
  MACHINABLE_STORAGE=~/results machinable train
  [tool.machinable] storage = "~/results"               in pyproject.toml
""",
}


def run(words: list[str], options: Options) -> int:
    """Prints the help on what is named, or on everything."""
    if len(words) > 1:
        raise ConfigurationError(
            f"machinable help takes one topic, not {' '.join(words)!r}. Try: machinable help {words[0]}"
        )
    say(_text(words[0], options).rstrip() if words else _overview().rstrip())
    return 0


def _overview() -> str:
    commands = "\n".join(f"  {name:<16} {summary}" for name, summary in COMMANDS.items())
    return OVERVIEW.format(commands=commands, topics=", ".join(TOPICS))


def _text(name: str, options: Options) -> str:
    if name in COMMANDS:
        text: str = load(name).HELP
        return text
    if name in TOPICS:
        return TOPICS[name]
    try:
        described: str = load("run").describe(name, options)
    except ProjectError as error:
        if not str(error).startswith("There is no module"):
            raise
        raise ProjectError(f"{error} The topics are {', '.join(TOPICS)}.") from error
    return described
