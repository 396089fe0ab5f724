"""Components that the suite of storages runs: they note when they run, fail as asked, and save all kinds of files."""

from __future__ import annotations

__all__ = ["SUBJECT"]

SUBJECT = '''
import os
import random
import time

from machinable import Component


class Draw(Component):
    """Leaves a line outside of the storage whenever it runs."""

    Config = {"n": 0, "how": ""}

    def __call__(self):
        with open("ran.txt", "a") as file:
            file.write(f"{self.id} {os.getpid()}\\n")
        print("drawing", self.config.n)
        self.save_file("result.json", [random.random() for _ in range(3)])
        if self.config.how == "wait":
            open("waiting", "w").close()
            while not os.path.exists("hurry"):
                time.sleep(0.005)
        if self.config.how == "fail" and not os.path.exists("mended"):
            raise ValueError("told to")


class Steps(Component):
    """Fails once in its midst, and goes on from its checkpoint."""

    checkpoint_seconds = 0.0

    Config = {"steps": 6}

    def on_create(self):
        self.total = 0

    def on_execute_iteration(self, i):
        if i == self.config.steps:
            raise StopIteration
        if i == 3 and not os.path.exists("mended"):
            raise RuntimeError("told to")
        self.total += i
        self.record["total"] = self.total

    def on_save(self, directory):
        with open(os.path.join(directory, "total.txt"), "w") as file:
            file.write(str(self.total))

    def on_restore(self, directory):
        with open(os.path.join(directory, "total.txt")) as file:
            self.total = int(file.read())

    def on_destroy(self):
        self.save_file("total.json", self.total)


class Files(Component):
    """Saves a file of each format, and of many names and sizes."""

    def __call__(self):
        data = os.urandom(1000)
        self.save_file("a.json", {"x": [1, 2.5, None, "ü"]})
        self.save_file("a.jsonl", [{"x": 1}, {"x": 2}])
        self.save_file("a.csv", [{"x": 1}, {"x": 2}])
        self.save_file("a.txt", "text\\n")
        self.save_file("a.p", {"x": (1, 2)})
        self.save_file("a.bin", data)
        self.save_file("empty.bin", b"")
        self.save_file("deep/er/ü name #1 %20+&.txt", "odd")
        self.save_file("large.bin", bytes(9 * 2**20) + data)
        os.makedirs(self.local_directory("figures", create=True), exist_ok=True)
        with open(self.local_directory("figures", "plot.svg"), "w") as file:
            file.write("<svg/>")


class Total(Component):
    """Uses others."""

    def __call__(self):
        self.save_file("total.json", sum(sum(used.load_file("result.json")) for used in self.uses.values()))
'''
