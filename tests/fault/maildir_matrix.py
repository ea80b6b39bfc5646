#!/usr/bin/env python3
"""Strikes sessions in a Maildir at every system call and looks whether mail was lost or doubled.

Each scenario is run once undisturbed to count its calls; then once for each with a SIGKILL there and
once for each error that it may meet (without --full: only where something is changed or listed).
What is left is judged by looking at the files, then by the next open; --full kills that one, too.

Exit status 0: nothing was lost, doubled, stuck or untrue.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass

NEVER_REACHED, STRIKE_BROKEN = 100, 101
PATIENCE = 60
CHANGING_CALLS = ("unlinkat", "renameat2", "fsync", "pwrite64", "getdents64")
ERRORS = {
    "unlinkat": ("EIO", "EACCES"),
    "renameat2": ("EIO", "EINVAL", "ENOSPC"),
    "renameat": ("EIO",),
    "linkat": ("EIO",),
    "fsync": ("EIO", "ENOSPC"),
    "pwrite64": ("ENOSPC", "EDQUOT"),
    "ftruncate": ("EIO",),
    "openat": ("EIO", "EMFILE"),
    "pread64": ("EIO", "EINTR"),
    "newfstatat": ("EIO",),
    "fstat": ("EIO",),
    "getdents64": ("EIO",),
    "flock": ("EINTR", "ENOLCK"),
}


def mail(number, body=b"body\n"):
    return b"Message-Id: <%d@example.org>\nSubject: %d\n\n" % (number, number) + body


# The second has the content of the first, so that their unique-ids hang together.
FILES = {"new/1.host": mail(1), "cur/2.host:2,": mail(1), "new/3.host": mail(3, b".\nno end"),
         "cur/4.host:2,FS": mail(4, b"x" * 90000 + b"\n"), "new/5.host,S=47": mail(5, b"crlf\r\n"),
         "new/6.host": mail(6, b"")}
ARRIVAL = mail(7)


@dataclass(frozen=True)
class Scenario:
    name: str
    erase: tuple = ()
    retrieve: tuple = ()
    arrives: bool = False  # a delivery between open and commit
    renames: bool = False  # another program changes flags meanwhile
    warm: bool = False     # there is an index already
    options: tuple = ()

    def words(self):
        words = ["--delete=" + ",".join(map(str, self.erase)),
                 "--retrieve=" + ",".join(map(str, self.retrieve)), *self.options]
        return words + ["--pause"] * (self.arrives or self.renames)


SCENARIOS = (
    Scenario("shared", erase=(1,)),
    Scenario("mixed", erase=(2, 5), retrieve=(1, 3, 4)),
    Scenario("all", erase=(1, 2, 3, 4, 5, 6), arrives=True),
    Scenario("retrieved", retrieve=(1, 2, 3), warm=True),
    Scenario("renamed", erase=(1, 2), retrieve=(3,), renames=True, warm=True),
    Scenario("nothing", options=("--no-status",)),
)


def base_of(name):
    return os.path.basename(name).split(":")[0]


class Bed:
    """A directory for one session after another."""

    def __init__(self, root, arguments):
        self.root, self.arguments = root, arguments
        self.maildir = os.path.join(root, "jo")
        self.delivered = False

    def lay_out(self, scenario):
        shutil.rmtree(self.maildir, ignore_errors=True)
        for name in ("new", "cur", "tmp"):
            os.makedirs(os.path.join(self.maildir, name), mode=0o700)
        for name, content in FILES.items():
            self._put(name, content)
        self.delivered = False
        if scenario.warm:
            self.run("list")

    def _put(self, name, content):
        with open(os.path.join(self.maildir, name), "wb") as file:
            file.write(content)

    def _others_work(self, scenario):
        if scenario.arrives:
            self._put("tmp/7.host", ARRIVAL)
            os.rename(os.path.join(self.maildir, "tmp/7.host"),
                      os.path.join(self.maildir, "new/7.host"))
            self.delivered = True
        if scenario.renames:
            for old, new in (("new/1.host", "cur/1.host:2,F"), ("cur/2.host:2,", "cur/2.host:2,S"),
                             ("new/3.host", "cur/3.host:2,")):
                os.rename(os.path.join(self.maildir, old), os.path.join(self.maildir, new))

    def run(self, verb, words=(), strike=(), scenario=None):
        """Exit status and lines."""
        command = [self.arguments.driver, verb, self.root, *words]
        if strike:
            command = [self.arguments.strike, *strike, "--", *command]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              text=True) as process:
            # Nothing may be read ahead of communicate(), and only a pause ends in silence.
            first = process.stdout.readline() if "--pause" in words else ""
            if first == "opened\n":
                self._others_work(scenario)
            try:
                rest, _ = process.communicate("\n", timeout=PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                rest, _ = process.communicate()
                rest += "\nhang"
        return process.returncode, (first + rest).split("\n")

    def found(self):
        """The contents below each base name; a second name of a file counts once."""
        found, inodes = {}, set()
        for place in ("new", "cur"):
            for name in os.listdir(os.path.join(self.maildir, place)):
                path = os.path.join(self.maildir, place, name)
                key = (os.stat(path).st_ino, base_of(name))
                if key in inodes:
                    continue
                inodes.add(key)
                with open(path, "rb") as file:
                    found.setdefault(base_of(name), []).append(file.read())
        return found

    def ids(self, lines):
        return [line.split(" ")[1] for line in lines if line[:1].isdigit()]

    def judge_files(self, scenario, said_ok):
        found = self.found()
        for number, (name, content) in enumerate(FILES.items(), 1):
            there = found.pop(base_of(name), [])
            if not there and number not in scenario.erase:
                yield "lost", name
            if there and number in scenario.erase and said_ok:
                yield "lie", name + " is there after +OK"
            if there not in ([], [content]):
                yield "doubled", name
        if self.delivered and found.pop("7.host", None) != [ARRIVAL]:
            yield "lost", "the delivery"
        for name in found:
            yield "litter", name

    def judge_open(self, ids):
        status, lines = self.run("list", ["--content"])
        if status != 0 or "+OK" not in lines:
            yield "stuck", "the next open fails: %s" % lines
            return
        found = self.found()
        expected = [unique_id for name, unique_id in zip(FILES, ids) if base_of(name) in found]
        listed = self.ids(lines)
        if listed[:len(expected)] != expected or len(listed) != len(found):
            yield "unique-id", "%s, not %s" % (listed, expected)
        if os.path.exists(os.path.join(self.maildir, ".popper.pop")):
            yield "litter", "the session lock's file"
        for name in os.listdir(self.maildir):
            if name not in ("new", "cur", "tmp", ".popper.cache", ".popper.uidl") and \
                    not name.startswith(".popper.uidl.new."):
                yield "litter", name


class Strikes:
    def __init__(self, bed, scenario, full):
        self.bed, self.scenario, self.full = bed, scenario, full
        self.counts, self.faults = Counter(), []
        bed.lay_out(scenario)
        self.ids = bed.ids(bed.run("list")[1])
        assert len(self.ids) == len(FILES), self.ids

    def run(self):
        for number, name in self._calls():
            for strike in self._kinds(number, name):
                self._strike(strike)
        return self

    def _calls(self):
        self.bed.lay_out(self.scenario)
        listing = self.bed.root + ".calls"
        status, lines = self.bed.run("session", self.scenario.words(), ("list", listing),
                                     self.scenario)
        self._note("undisturbed", [] if status == 0 else [("stuck", str(lines))])
        self._judge("undisturbed", lines)
        with open(listing, encoding="ascii") as file:
            rows = [line.split() for line in file]
        os.unlink(listing)
        return [(row[0], row[1]) for row in rows]

    def _kinds(self, number, name):
        yield ("kill", number)
        if name not in CHANGING_CALLS and not self.full:
            return
        for error in ERRORS.get(name, ()):
            yield ("error", number, error)
        if name == "pwrite64":
            yield ("short", number)
            yield ("error", number, "ENOSPC", "lasting")

    def _strike(self, strike):
        self.bed.lay_out(self.scenario)
        status, lines = self.bed.run("session", self.scenario.words(), strike, self.scenario)
        if status == NEVER_REACHED:
            return
        self.counts[strike[0]] += 1
        point = " ".join(strike)
        if status == STRIKE_BROKEN or "hang" in lines:
            self._note(point, [("harness", str(lines))])
        if self.full and strike[0] == "kill":
            self._strike_next_open(point)
        # With no room for index and record, ids that hang together may change.
        self._judge(point, lines, knows_ids="lasting" not in strike)

    def _strike_next_open(self, point):
        for number in range(1, 400, 7):
            status, _ = self.bed.run("list", (), ("kill", str(number)))
            if status == NEVER_REACHED:
                return
            self.counts["kill in the next open"] += 1
            self._note(point, self.bed.judge_files(self.scenario, False))

    def _judge(self, point, lines, knows_ids=True):
        self._note(point, self.bed.judge_files(self.scenario, "+OK" in lines))
        found = list(self.bed.judge_open(self.ids))
        self._note(point, [x for x in found if knows_ids or x[0] != "unique-id"])

    def _note(self, point, faults):
        self.faults += [(self.scenario.name, point, *fault) for fault in faults]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--driver", required=True)
    parser.add_argument("--strike", required=True)
    parser.add_argument("--full", action="store_true", help="also strike the next open")
    parser.add_argument("--only", default="", help="only scenarios whose name begins so")
    parser.add_argument("--root", default="/dev/shm" if os.access("/dev/shm", os.W_OK) else None,
                        help="directory to work in; memory is fastest")
    arguments = parser.parse_args()
    began, counts, faults = time.monotonic(), Counter(), []
    for scenario in SCENARIOS:
        if not scenario.name.startswith(arguments.only):
            continue
        with tempfile.TemporaryDirectory(prefix="popper-fault-", dir=arguments.root) as root:
            strikes = Strikes(Bed(root, arguments), scenario, arguments.full).run()
        print("  %s: %s%s" % (scenario.name, dict(strikes.counts),
                              " FAULTS" if strikes.faults else ""), flush=True)
        counts.update(strikes.counts)
        faults += strikes.faults
    for fault in faults[:40]:
        print("  " + ": ".join(fault))
    print("%s, %d faults (%.0f s)" % (dict(counts), len(faults), time.monotonic() - began))
    return 1 if faults or not counts else 0


if __name__ == "__main__":
    sys.exit(main())
