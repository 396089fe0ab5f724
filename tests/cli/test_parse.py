from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from machinable.cli.options import Options, parse_options
from machinable.cli.parse import Value, parse
from machinable.errors import ConfigurationError


def words(line: str) -> list[str]:
    return shlex.split(line)


def refused(line: str) -> str:
    with pytest.raises(ConfigurationError) as error:
        parse(words(line))
    assert "\n" not in str(error.value)
    return str(error.value)


def test_each_target_takes_the_versions_and_values_that_follow_it() -> None:
    found = parse(words("train lr=0.1 @small pool processes=4 scope fold=1 other '~sized(3)' --launch"))
    assert [target.name for target in found.targets] == ["train", "pool", "scope", "other"]
    assert [target.version for target in found.targets] == [
        [Value("lr", "0.1"), "@small"],
        [Value("processes", "4")],
        [Value("fold", "1")],
        ["~sized(3)"],
    ]


def test_methods_are_kept_in_their_order_with_literal_arguments() -> None:
    found = parse(words("""train --launch '--plot("loss", last=[1, None])' lr=1 --my-summary"""))
    assert [(call.name, call.args, call.kwargs) for call in found.calls] == [
        ("launch", (), {}),
        ("plot", ("loss",), {"last": [1, None]}),
        ("my_summary", (), {}),
    ]
    assert found.targets[0].version == [Value("lr", "1")]


def test_a_dash_in_an_argument_stays() -> None:
    (call,) = parse(["train", '--my-plot("a-b", -1)']).calls
    assert (call.name, call.args) == ("my_plot", ("a-b", -1))


def test_values_keep_everything_after_the_first_equals_sign() -> None:
    (target,) = parse(["train", "expression=a=b", "empty=", "path=~/x y", "group.key=--x"]).targets
    assert target.version == [
        Value("expression", "a=b"),
        Value("empty", ""),
        Value("path", "~/x y"),
        Value("group.key", "--x"),
    ]


def test_uses_are_inputs() -> None:
    (target,) = parse(words("train uses.data=4fKq0ZpT1xYc uses.model=net lr=1")).targets
    assert target.uses == {"data": "4fKq0ZpT1xYc", "model": "net"}
    assert target.version == [Value("lr", "1")]


def test_targets_may_be_paths_classes_and_engines() -> None:
    found = parse(words("models/train.py models.train:Second native:2 ~/code/train.py"))
    assert [target.name for target in found.targets] == [
        "models/train.py",
        "models.train:Second",
        "native:2",
        "~/code/train.py",
    ]


@pytest.mark.parametrize("word", ["--help", "-h"])
def test_help_may_stand_anywhere(word: str) -> None:
    assert parse(["train", word, "lr=1"]).help


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("lr=1 train", "'lr=1' stands before any target"),
        ("storage=x train", "machinable --storage"),
        ("@small", "'@small' stands before any target"),
        ("train =b", "'=b' has no key"),
        ("train =", "without spaces around the '='"),
        ("train .a=1", "'.a' in '.a=1' is not a key"),
        ("train a..b=1", "'a..b'"),
        ("train 'a =1'", "is not a key"),
        ("train lr=1 lr=2", "lr is given twice, as lr=1 and as lr=2"),
        ("train uses.data=a uses.data=b", "uses.data is given twice"),
        ("train uses.data=", "names no input"),
        ("train @", "'@' names no version"),
        ("train '~small(1'", "closing bracket"),
        ("train '@small(x)'", "can not be read"),
        ("train '--plot(1'", "closing bracket"),
        ("train '--plot(loss)'", "Use literals"),
        ("train '--plot(1)(2)'", "can not be read"),
        ("train --launch=yes", "--launch takes no value"),
        ("train --plot=3", "neither a method nor a value"),
        ("train -x", "'-x' has no meaning"),
        ("train -1", "such as lr=-1"),
        ("train --", "'--' has no meaning"),
        ("train ''", "empty"),
        ("train --storage x", "stands before the first target: machinable --storage x train"),
        ("train lr=1 --storage=x", "machinable --storage=x train lr=1"),
        ("train --storage", "machinable --storage VALUE train"),
        ("train --traceback lr=1", "machinable --traceback train lr=1"),
    ],
)
def test_a_word_without_meaning_gives_one_line(line: str, says: str) -> None:
    assert says in refused(line)


def test_a_key_may_come_again_for_another_target() -> None:
    first, second = parse(words("train lr=1 train lr=2")).targets
    assert (first.version, second.version) == ([Value("lr", "1")], [Value("lr", "2")])


def test_a_target_remembers_the_value_it_may_have_been_split_from() -> None:
    found = parse(["train", "name=my", "data", "@x", "more"])
    assert [target.after for target in found.targets] == [None, "name=my", None]


def test_options_stand_before_the_first_target() -> None:
    options = Options()
    rest = parse_options(words("--storage ~/results --project=code --traceback train --launch"), options)
    assert (options.storage, options.project, options.traceback) == ("~/results", "code", True)
    assert rest == ["train", "--launch"]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("--storage", "--storage needs a value"),
        ("--project=", "--project needs a value"),
        ("--strage x", "Did you mean '--storage'?"),
        ("--launch train", "put it after the target: machinable TARGET --launch"),
        ("-x", "Its options are"),
        ("--", "stands for nothing"),
    ],
)
def test_an_unknown_option_gives_one_line(line: str, says: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        parse_options(words(line), Options())
    assert says in str(error.value) and "\n" not in str(error.value)


WORDS = st.one_of(
    st.text(max_size=12),
    st.text(alphabet="ab=.@~-([{}])'\", :1\n", max_size=12),
    st.sampled_from(
        ["train", "lr=1", "@small", "--launch", "--plot(1)", "scope", "uses.a=b", "--storage", "-h"]
    ),
)


@given(st.lists(WORDS, max_size=6))
def test_any_words_are_understood_or_refused_with_a_configuration_error(given_words: list[str]) -> None:
    options = Options(given_words)
    try:
        found = parse(parse_options(given_words, options))
    except ConfigurationError:
        return
    for target in found.targets:
        keys = [entry.key for entry in target.version if isinstance(entry, Value)]
        assert len(keys) == len(set(keys)) and all(all(key.split(".")) for key in keys)
    assert all(call.name.isidentifier() for call in found.calls)


KEYS = st.lists(st.sampled_from(["a", "b", "lr", "x-y"]), min_size=1, max_size=3).map(".".join)


@given(st.dictionaries(KEYS, st.text(max_size=8), max_size=4))
def test_values_come_back_as_they_were_typed(values: dict[str, str]) -> None:
    (target,) = parse(["train", *(f"{key}={text}" for key, text in values.items())]).targets
    assert target.version == [Value(key, text) for key, text in values.items()]
