"""Components that the suites run: they leave a line outside of the storage whenever they run, and fail as asked."""

from __future__ import annotations

__all__ = ["module"]

_SUBJECT = '''
import json
import os
import random
import signal
import sys
import time

from machinable import Component

PLACE = {place!r}


def path(name):
    return os.path.join(PLACE, name)


def first_time(name):
    """Whether nobody has asked for this name before."""
    try:
        os.close(os.open(path(name), os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


def note(component):
    """Adds to the list of what ran. Of several ranks, one does."""
    if component.mpi.rank:
        return
    line = f"{{component.id}} {{component.config.n}} {{os.getpid()}}\\n".encode()
    descriptor = os.open(path("ran.txt"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    os.write(descriptor, line)
    os.close(descriptor)


class NeverPickled(Exception):
    def __init__(self, one, two):
        super().__init__("it can not travel")
        self.lock = __import__("threading").Lock()


class Draw(Component):
    """Draws numbers, prints, and ends as it is told."""

    Config = {{"n": 0, "seconds": 0.0, "how": ""}}

    def __call__(self):
        note(self)
        print("drawing", self.config.n)
        print("a warning", file=sys.stderr)
        end = time.monotonic() + self.config.seconds
        while time.monotonic() < end and not os.path.exists(path("hurry")):
            time.sleep(0.005)
        getattr(self, self.config.how or "work")()
        draws = [random.random() for _ in range(3)]
        for draw in draws:
            self.record["draw"] = draw
            self.record.save()
        self.save_file(
            "result.json",
            {{"n": self.config.n, "seed": self.seed, "draws": draws, "trial": self.trial.number}},
        )
        self.save_file("parts/blob.bin", random.getrandbits(4096).to_bytes(512, "big"))
        self.log.name
        print("drawn", end="")

    def work(self):
        pass

    def chatter(self):
        for number in range(2000):
            print(f"line {{number}} ü", file=sys.stderr if number % 3 == 0 else sys.stdout)

    def fail(self):
        raise ValueError(f"asked to fail at {{self.config.n}}")

    def fail_once(self):
        if first_time(f"failed-{{self.id}}"):
            raise ValueError(f"asked to fail once at {{self.config.n}}")

    def fail_badly(self):
        raise NeverPickled(1, 2)

    def leave(self):
        sys.exit(4)

    def die(self):
        sys.stdout.flush()
        if self.mpi.comm is not None:  # all ranks have printed
            self.mpi.comm.Barrier()
        os.kill(os.getpid(), signal.SIGKILL)

    def die_once(self):
        if first_time(f"died-{{self.id}}"):
            os.kill(os.getpid(), signal.SIGKILL)


class Total(Component):
    """Adds up what its input has drawn."""

    Config = {{"n": 0}}
    uses = {{"part": "subject:Draw"}}

    def __call__(self):
        note(self)
        part = self.uses["part"]
        self.save_file("total.json", {{"sum": sum(part.load_file("result.json")["draws"]), "of": part.id}})


class Walk(Component):
    """Iterates, with a checkpoint after each iteration, and fails once in the middle if it is told to."""

    Config = {{"n": 0, "steps": 6, "fail_at": None}}
    checkpoint_seconds = 0.0

    def on_create(self):
        note(self)
        self.path, self.resumed_at = [], None

    def on_execute_iteration(self, i):
        if i >= self.config.steps:
            self.save_file("walk.json", {{"path": self.path, "resumed_at": self.resumed_at}})
            raise StopIteration
        if i == self.config.fail_at and first_time(f"stumbled-{{self.id}}"):
            raise ValueError(f"stumbled at {{i}}")
        self.path.append(i * i + self.seed)
        self.record["step"] = i
        print("step", i)

    def on_save(self, directory):
        with open(os.path.join(directory, "path.json"), "w") as file:
            json.dump(self.path, file)

    def on_restore(self, directory):
        with open(os.path.join(directory, "path.json")) as file:
            self.path = json.load(file)
        self.resumed_at = len(self.path)
'''


def module(place: str) -> str:
    """The source of the module `subject`. `place`: the directory where it leaves its notes, as an absolute path."""
    return _SUBJECT.format(place=place)
