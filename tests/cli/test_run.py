from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from machinable.api import get

Run = Callable[..., Any]


def test_a_component_runs_and_is_reused(shell: Run, project: Path) -> None:
    first = shell("mnist_data", "batch_size=4", "--launch", "--summary")
    assert first.code == 0
    assert first.out == "Downloading 'mnist'\nmnist in batches of 4\n"
    mnist = get("mnist_data", {"batch_size": 4})
    assert mnist.cached()
    assert first.err.startswith(f"mnist_data {mnist.id}: finished in ")
    assert first.err.endswith(f" · ./storage/{mnist.id}\n")

    second = shell("mnist_data", "batch_size=4", "--launch", "--summary")
    assert (second.code, second.out) == (0, "mnist in batches of 4\n")
    assert second.err.startswith(f"mnist_data {mnist.id}: reused, finished ")
    assert " ago (took " in second.err and second.err.endswith(f", in ./storage/{mnist.id}\n")


def test_contexts_may_stand_anywhere(machinable: Run) -> None:
    for number, words in enumerate(
        [
            ["mnist_data", "batch_size=1", "my_pool", "processes=4", "--launch"],
            ["my_pool", "processes=4", "mnist_data", "batch_size=2", "--launch"],
            ["--launch", "my_pool", "processes=4", "mnist_data", "batch_size=3"],
        ][:2]
    ):
        done = machinable(*words)
        assert done.code == 0
        assert done.out == "with 4 processes\nDownloading 'mnist'\n"
        assert get("mnist_data", {"batch_size": number + 1}).cached()


def test_the_built_in_execution_takes_a_name_that_the_project_does_not(shell: Run, project: Path) -> None:
    done = shell("mnist_data", "name=a", "mnist_data", "name=b", "multiprocess", "processes=2", "--launch")
    assert done.code == 0 and done.err.count("finished in") == 2
    (project / "multiprocess.py").write_text((project / "my_pool.py").read_text())
    assert "with 7 processes" in shell("mnist_data", "name=c", "multiprocess", "processes=7", "--launch").out


def test_a_scope_is_part_of_the_identity(machinable: Run) -> None:
    plain = machinable("mnist_data", "--launch").err.split()[1]
    scoped = machinable("mnist_data", "--launch", "scope", "fold=1").err.split()[1]
    nested = machinable("scope", "fold=1", "scope", "part=a", "mnist_data", "--launch").err.split()[1]
    assert len({plain, scoped, nested}) == 3


@pytest.mark.parametrize(
    "words",
    [
        ["--storage", "here", "mnist_data", "--launch"],
        ["mnist_data", "--launch", "storage", "path=here"],
        ["storage", "path=here", "mnist_data", "--launch"],
    ],
)
def test_a_storage_may_be_given(machinable: Run, project: Path, words: list[str]) -> None:
    done = machinable(*words)
    assert done.code == 0 and " · ./here/" in done.err
    assert not (project / "storage").exists()


def test_a_project_may_be_given(
    machinable: Run, project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    done = machinable("--project", str(project), "mnist_data", "--launch")
    assert done.code == 0 and f" · {project}/storage/" in done.err


def test_values_are_read_as_their_fields_ask(machinable: Run) -> None:
    machinable(
        "train", "steps=1e1", "lr=1", "tag=1e-3", "optimizer.decay=1e-3", "optimizer.name=no", "--launch"
    )
    (train,) = get.all("train")
    assert train.config.to_dict() == {
        "lr": 1.0,
        "steps": 10.0,
        "tag": "1e-3",
        "optimizer": {"name": "no", "decay": 0.001},
        "device": "cpu",
    }


def test_text_may_look_like_anything(machinable: Run) -> None:
    for text in ("", "[a-z", "*.csv", "null", "{x", "'", "a: b # c", "???x", "@x", "  "):
        done = machinable("mnist_data", f"name={text}", "--summary")
        assert (done.code, done.out) == (0, f"{text} in batches of 8\n")


def test_collections_and_config_methods_are_values(machinable: Run) -> None:
    done = machinable("train", "steps={a: [1, no]}", "lr=scaled(5)")
    assert "config.steps.a          [1, 'no']" in done.out
    assert "config.lr               0.5" in done.out


def test_versions_and_values_apply_from_left_to_right(machinable: Run) -> None:
    assert "config.lr               0.5" in machinable("train", "lr=2", "~sized(7)").out
    assert "config.lr               2.0" in machinable("train", "@sized(7)", "lr=2").out
    assert "config.lr               0.25" in machinable("train", "@sized(7, lr=0.25)").out


def test_inputs_may_be_replaced(machinable: Run) -> None:
    other = machinable("mnist_data", "name=other", "--launch").err.split()[1].rstrip(":")
    assert f"mnist_data {other}: finished" in machinable("train", "@small", f"uses.data={other}").out
    assert "mnist_data" in machinable("train", "@small", "uses.data=[mnist_data, {name: third}]").out


def test_inputs_run_first(machinable: Run) -> None:
    done = machinable("train", "@small", "--launch", "--summary")
    assert done.out == "Downloading 'mnist'\n" + '{"lr": 0.1}\n'


def test_what_methods_return_is_printed_unless_it_is_none(machinable: Run) -> None:
    done = machinable(
        "train", "@small", '--values("a", last=[None, 1.5])', "--nothing", "--row", "--odd", "--cached"
    )
    assert (done.code, done.err) == (0, "")
    assert done.out == '["a", [null, 1.5]]\n[1, null, "ä"]\n{1}\nFalse\n'


def test_methods_are_called_in_their_order_on_each_component_in_turn(machinable: Run) -> None:
    done = machinable("mnist_data", "name=a", "mnist_data", "name=b", "--summary", "--cached")
    assert done.out == "a in batches of 8\nb in batches of 8\nFalse\nFalse\n"


def test_dashes_in_a_method_stand_for_underscores(machinable: Run) -> None:
    assert "local_directory" not in machinable("mnist_data", "--local-directory").err
    assert machinable("mnist_data", "--local-directory").code == 0


def test_without_a_method_the_component_is_shown_and_nothing_happens(machinable: Run, project: Path) -> None:
    done = machinable("train", "@small", "optimizer.name=sgd")
    train = get("train", ["~small", {"optimizer.name": "sgd"}])
    assert done.code == 0
    for part in (
        repr(train),
        train.id,
        train.nickname,
        "pending",
        "config.optimizer.name",
        "'sgd'",
        "none yet",
    ):
        assert part in done.out
    assert done.err == "add --launch to run it\n"
    assert not (project / "storage").exists()


def test_a_finished_component_shows_when_and_where(machinable: Run) -> None:
    machinable("mnist_data", "--launch")
    done = machinable("mnist_data")
    assert "finished" in done.out and " ago (took " in done.out and "./storage/" in done.out
    assert done.err == ""


def test_several_components_are_shown_one_after_the_other(machinable: Run) -> None:
    done = machinable("mnist_data", "mnist_data", "name=b", "my_pool")
    assert done.out.count("MnistData(") == 2 and "\n\n" in done.out


def test_a_context_alone_is_shown(machinable: Run) -> None:
    done = machinable("my_pool", "processes=3")
    assert done.code == 0 and "processes" in done.out and "3" in done.out


def test_a_failure_shows_the_users_frames_the_log_and_how_to_retry(shell: Run, project: Path) -> None:
    words = ["train", "@small", "tag=boom", "optimizer.name=two words", "--launch", "--summary"]
    done = shell(*words)
    assert done.code == 1
    assert "Downloading" in done.out and "lr" not in done.out
    assert 'train.py", line' in done.err and "in explode" in done.err
    assert "ValueError: no luck with lr=0.1\n" in done.err
    assert "site-packages" not in done.err and "src/machinable" not in done.err
    assert done.err.count("Traceback") == 1
    last = done.err.splitlines()[-1]
    train = get("train", ["~small", {"tag": "boom", "optimizer.name": "two words"}])
    assert last.startswith(
        f"machinable: train {train.id}: failed · log: ./storage/{train.id}/output.log · retry: "
    )
    retry = shlex.split(last.partition("retry: ")[2])
    assert retry[1:] == ["-m", "machinable", *words]
    assert "no luck" in (project / "storage" / train.id / "output.log").read_text()

    (project / "train.py").write_text(
        (project / "train.py").read_text().replace("raise ValueError", "return str")
    )
    again = shell(*words)
    assert again.code == 0 and f"train {train.id}: finished in" in again.err


def test_one_failure_does_not_stop_the_others(machinable: Run) -> None:
    words = [
        "train",
        "@small",
        "tag=boom",
        "train",
        "@small",
        "tag=boom",
        "lr=2",
        "train",
        "@small",
        "--launch",
    ]
    done = machinable(*words, "--summary")
    assert done.code == 1
    assert done.out.endswith('{"lr": 0.1}\n') and done.out.count('"lr"') == 1
    assert done.err.count("Traceback") == 2 and done.err.count(": failed · log: ") == 2
    assert done.err.count("finished in") == 1


def test_an_execution_tells_all_failures_at_its_end(machinable: Run) -> None:
    words = [
        "train",
        "@small",
        "tag=boom",
        "train",
        "@small",
        "tag=boom",
        "lr=2",
        "train",
        "@small",
        "my_pool",
    ]
    done = machinable(*words, "--launch", "--summary")
    assert done.code == 1
    assert done.out.endswith('{"lr": 0.1}\n') and done.out.count('"lr"') == 1
    assert done.err.count("Traceback") == 1
    assert "ValueError: no luck with lr=2.0 · log: ./storage/" in done.err
    assert "machinable: 2 components failed · retry: " in done.err


def test_an_execution_that_dispatches_nothing_is_an_error(machinable: Run, project: Path) -> None:
    (project / "lazy.py").write_text(
        "from machinable import Execution\n\n\nclass Lazy(Execution):\n    def __call__(self):\n        pass\n"
    )
    done = machinable("mnist_data", "lazy", "--launch")
    assert done.code == 1 and "not dispatched" in done.err and "Traceback" not in done.err


def test_a_method_that_raises_shows_the_users_frames(machinable: Run) -> None:
    done = machinable("train", "@small", "--explode", "--row")
    assert done.code == 1 and done.out == ""
    assert "in explode" in done.err and "src/machinable" not in done.err
    assert done.err.splitlines()[-1].endswith("It is pending: put --launch in front, to run it first.")


def test_a_method_that_exits_has_failed(machinable: Run) -> None:
    done = machinable("train", "@small", "--leave")
    assert done.code == 1 and "SystemExit: left" in done.err


def test_traceback_shows_all_frames(machinable: Run) -> None:
    done = machinable("--traceback", "train", "@small", "tag=boom", "--launch")
    assert done.code == 1 and "in explode" in done.err and "lifecycle.py" in done.err
    refused = machinable("--traceback", "train", "steps=1", "lrr=1")
    assert refused.code == 2 and "Traceback" in refused.err
    assert refused.err.splitlines()[-1].startswith("machinable: train has no configuration key")


def test_ctrl_c_stops_and_says_how_to_go_on(interrupted: Run) -> None:
    done = interrupted("slow", "--launch")
    assert done.code == 130
    assert done.out == "started\n"
    assert "Traceback" not in done.err
    assert done.err.splitlines()[-1].startswith("machinable: interrupted. To go on, run the same again: ")
    assert done.err.splitlines()[-1].endswith(" -m machinable slow --launch")
    assert get("slow").status == "interrupted"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("trian", "no module 'trian' (looked for trian.py in "),
        ("trian", "Did you mean 'train'?"),
        ("pair", "pair:One or pair:Two"),
        ("train @small lrr=1", "no configuration key 'lrr'. Did you mean 'lr'?"),
        ("train @small optimizer.nam=x", "Did you mean 'optimizer.name'?"),
        ("train @small lr=abc", "lr is 'abc' (str) from command line: lr=abc, but a float is expected"),
        ("train @small lr=", "lr is '' (str) from command line: lr=, but a float is expected"),
        ("train @small lr=.nan", "nan"),
        ("train @small 'steps=[1, 2'", "brackets are not balanced"),
        ("train", "steps"),
        ("train @smal", "small"),
        ("train @small(1)", "small"),
        ("train @small --lunch", "train has no method --lunch. Did you mean --launch?"),
        ("train @small --on_success", "called by machinable"),
        ("train @small --_private", "no method --_private"),
        ("train @small --answer", "no method --answer"),
        ("train @small --seed", "'seed' is an attribute"),
        ("train @small --values", "does not fit the method values(first, *, last=None)"),
        ("train @small '--summary(1)'", "takes no arguments"),
        ("train @small '--values(1, lst=2)'", "unexpected keyword argument 'lst'"),
        ("train @small uses.data=mnist_dat", "Did you mean 'mnist_data'?"),
        ("train @small 'uses.data=[mnist_data'", "uses.data=[mnist_data can not be read"),
        ("mnist_data name=my data", "quote both: 'name=my data'"),
        ("my_pool --launch", "needs a component to be called on, and my_pool is none"),
        ("mnist_data my_pool multiprocess --launch", "Each of my_pool and multiprocess"),
        ("mnist_data storage path=a storage path=b", "says the storage"),
        ("my_pool uses.data=x mnist_data", "can not have inputs"),
        ("mnist_data my_pool processes=x", "processes"),
        ("scope", ""),
        ("--project nowhere train", "no project directory 'nowhere'"),
        ("--storage ftp://x train @small", "ftp://"),
        ("--storage pyproject.toml mnist_data --launch", "pyproject.toml"),
    ],
)
def test_bad_input_costs_one_line_and_leaves_nothing_behind(
    machinable: Run, project: Path, line: str, says: str
) -> None:
    done = machinable(*shlex.split(line))
    if says:
        assert says in done.refused()
    assert not (project / "storage").exists()


def test_a_module_that_raises_shows_the_users_own_lines(machinable: Run) -> None:
    done = machinable("broken", "--launch")
    assert done.code == 2
    assert "broken can not be imported: ZeroDivisionError" in done.err
    assert "broken.py:6" in done.err and "importlib" not in done.err and "src/machinable" not in done.err


def test_methods_are_checked_before_anything_runs(machinable: Run, project: Path) -> None:
    assert "no method --sumary" in machinable("mnist_data", "--launch", "--sumary").refused()
    assert not (project / "storage").exists()


def test_records_hold_what_was_asked_for(machinable: Run, project: Path) -> None:
    machinable("mnist_data", "batch_size=4", "--launch")
    (record,) = [path for path in (project / "storage").iterdir() if not path.name.startswith(".")]
    assert json.loads((record / "data.json").read_text()) == {"name": "mnist", "batch_size": 4}
