"""Which components become which job arrays, and what the script says: no Slurm is needed for that."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from machinable.engines.slurm_commands import minutes_of
from machinable.engines.slurm_script import Node, options_of, plan_batches, script_of, spec_of
from machinable.engines.slurm_task import Payload
from machinable.errors import ConfigurationError
from machinable.execution.resources import Resources

ONE = Resources(cpus=1)


def shape(batches: list[Any]) -> list[tuple[int, list[tuple[str, int, int | None]]]]:
    """How many tasks each array has, and what it waits for: by kind, number of the array, and index."""
    numbers = {id(batch): number for number, batch in enumerate(batches)}
    return [
        (len(batch.tasks), [(kind, numbers.get(id(each), each), index) for kind, each, index in batch.after])
        for batch in batches
    ]


def test_what_needs_the_same_is_one_array() -> None:
    nodes = [Node(str(number), ONE) for number in range(30)] + [Node("big", Resources(cpus=8))]
    assert shape(plan_batches(nodes)) == [(30, []), (1, [])]


def test_arrays_are_cut_to_the_limit_of_the_site() -> None:
    nodes = [Node(str(number), ONE) for number in range(25)]
    batches = plan_batches(nodes, array_size=10)
    assert [len(batch.tasks) for batch in batches] == [10, 10, 5]
    assert all(task.index < 10 for batch in batches for task in batch.tasks)


def test_users_of_one_input_wait_for_its_task_alone() -> None:
    nodes = [Node(f"d{number}", ONE) for number in range(3)]
    nodes += [Node(f"u{number}", ONE, ["d1"]) for number in range(100)]
    assert shape(plan_batches(nodes)) == [(3, []), (100, [("afterok", 0, 1)])]


def test_chains_side_by_side_wait_element_by_element() -> None:
    nodes = [Node(f"d{number}", ONE) for number in range(100)]
    nodes += [Node(f"u{number}", ONE, [f"d{number}"]) for number in range(50, 100)]
    batches = plan_batches(nodes)
    assert shape(batches) == [(100, []), (50, [("aftercorr", 0, None)])]
    assert [task.index for task in batches[1].tasks] == list(range(50, 100))


def test_a_summary_waits_for_all_by_name_or_for_the_whole_array() -> None:
    few = [Node(f"d{number}", ONE) for number in range(5)]
    assert shape(plan_batches([*few, Node("sum", ONE, ["d0", "d3"])]))[1] == (
        1,
        [("afterok", 0, 0), ("afterok", 0, 3)],
    )
    many = [Node(f"d{number}", ONE) for number in range(200)]
    assert shape(plan_batches([*many, Node("sum", ONE, [each.identity for each in many])]))[1] == (
        1,
        [("afterany", 0, None)],
    )


def test_jobs_of_earlier_runs_are_waited_for() -> None:
    assert shape(plan_batches([Node("u", ONE, ["old"])], known={"old": "77_3"})) == [
        (1, [("afterany", "77_3", None)])
    ]


def test_packed_components_share_a_job_and_wait_for_whole_arrays() -> None:
    nodes = [Node(f"d{number}", ONE) for number in range(5)]
    nodes += [Node(f"u{number}", ONE, [f"d{number}"]) for number in range(5)]
    batches = plan_batches(nodes, pack=2)
    assert shape(batches) == [(3, []), (3, [("afterany", 0, None)])]
    assert [len(task.nodes) for task in batches[0].tasks] == [2, 2, 1]


@st.composite
def graphs(draw: st.DrawFn) -> list[Node]:
    count = draw(st.integers(1, 30))
    resources = [ONE, Resources(cpus=2)]
    return [
        Node(
            str(number),
            draw(st.sampled_from(resources)),
            [str(each) for each in draw(st.sets(st.integers(0, number - 1), max_size=3))] if number else [],
        )
        for number in range(count)
    ]


@given(graphs(), st.integers(1, 12), st.integers(1, 3))
def test_everything_is_placed_once_after_all_that_it_needs(
    nodes: list[Node], array_size: int, pack: int
) -> None:
    batches = plan_batches(nodes, array_size=array_size, pack=pack)
    places: dict[str, tuple[int, int]] = {}
    for number, batch in enumerate(batches):
        indices = [task.index for task in batch.tasks]
        assert len(set(indices)) == len(indices) <= array_size and max(indices) < array_size
        for task in batch.tasks:
            for node in task.nodes:
                assert node.identity not in places and node.resources == batch.resources
                for needed in node.inputs:
                    before, index = places[needed]
                    assert before < number
                    waits = {(kind, slot) for kind, each, slot in batch.after if each is batches[before]}
                    assert waits & {("afterany", None), ("afterok", index)} or (
                        ("aftercorr", None) in waits and index == task.index
                    )
        for task in batch.tasks:
            places.update({node.identity: (number, task.index) for node in task.nodes})
    assert len(places) == len(nodes)


@given(st.sets(st.integers(0, 200), min_size=1))
def test_a_spec_names_its_indices(indices: set[int]) -> None:
    found: set[int] = set()
    for part in spec_of(sorted(indices)).split(","):
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    assert found == indices


def test_a_throttle_follows_the_indices() -> None:
    assert spec_of([0, 1, 2, 5], 2) == "0-2,5%2"


def test_resources_become_options() -> None:
    needed = Resources(2, 1, 1.5, 90.5, 1, {"partition": "gpu", "exclusive": True, "mail_type": "END"})
    assert options_of(needed) == {
        "nodes": 1,
        "cpus-per-task": 2,
        "gpus-per-node": 1,
        "mem": "1536M",
        "time": 91,
        "partition": "gpu",
        "exclusive": True,
        "mail-type": "END",
    }
    with pytest.raises(ConfigurationError, match="whole GPUs"):
        options_of(Resources(gpus=0.5))


def test_the_script_is_what_sbatch_reads() -> None:
    text = script_of(
        {
            "job-name": "a b",
            "requeue": True,
            "no-requeue": False,
            "dependency": None,
            "mail-type": ["END", "FAIL"],
        },
        ["module load cuda"],
        ["python3", "-c", "main()"],
        "eJwr\nAAA=",
    )
    assert text == (
        "#!/bin/bash\n#SBATCH --job-name='a b'\n#SBATCH --requeue\n#SBATCH --mail-type=END,FAIL\n\n"
        "module load cuda\nexec python3 -c 'main()' <<'END'\neJwr\nAAA=\nEND\n"
    )
    with pytest.raises(ConfigurationError, match="several lines"):
        script_of({"comment": "a\nrm -rf"}, [], [], "")


@given(st.dictionaries(st.integers(0, 50), st.lists(st.binary(max_size=300), max_size=3)))
def test_a_payload_survives_the_script(tasks: dict[int, list[bytes]]) -> None:
    text = Payload("/project", ("/code.zip", "hash"), "run", "/out-%A_%a", tasks).encoded()
    assert "END" not in text.split("\n")
    assert Payload.decoded(text).tasks == tasks


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("infinite", None), ("1-00:00:00", 1440), ("2:00:00", 120), ("30:00", 30), ("1:30", 1.5), ("n/a", None)],
)
def test_times_as_slurm_writes_them(text: str, minutes: float | None) -> None:
    assert minutes_of(text) == minutes
