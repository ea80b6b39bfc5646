#!/usr/bin/env python3
"""Strikes a login that brings bulletins at every system call, and lets a disk be full from every write
on: the number of the last one never runs ahead of the mail, the next login has each bulletin once,
and when they are deleted none comes back.

Exit status 0: nothing else was ever left.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile

PATIENCE = 60
NEVER_REACHED = 100
SEPARATOR = "From ann@example.org Thu Jan  1 00:00:00 1970\n"
OLD = SEPARATOR + "Subject: old\n\ntext\n\n"
NEEDS_ROOM = ("pwrite64", "copy_file_range", "fallocate", "ftruncate", "openat", "mkdirat")
ALL_HAD = ({1, 2, 3}, ["Subject: old", "Subject: bulletin 2", "Subject: bulletin 3"])


class Matrix:
    def __init__(self, arguments, directory):
        self.arguments, self.directory = arguments, directory
        self.world = os.path.join(directory, "world")
        self.faults = []

    def lay_out(self):
        """A user who has had the first of three bulletins."""
        shutil.rmtree(self.world, ignore_errors=True)
        for name in ("", "spools", "home", "bulls"):
            os.mkdir(os.path.join(self.world, name), 0o755)
        for number in (1, 2, 3):
            with open(f"{self.world}/bulls/{number}.x", "w", encoding="ascii") as stream:
                stream.write(f"{SEPARATOR}Subject: bulletin {number}\n\nnews\n")
            os.chmod(stream.name, 0o644)
        with open(f"{self.world}/home/.popbull", "w", encoding="ascii") as stream:
            stream.write("1\n")
        if self.arguments.format == "mbox":
            with open(f"{self.world}/spools/jo", "w", encoding="ascii") as stream:
                stream.write(OLD)
            os.chmod(stream.name, 0o600)
        else:
            for folder in ("jo", "jo/tmp", "jo/new", "jo/cur"):
                os.mkdir(f"{self.world}/spools/{folder}", 0o700)
            with open(f"{self.world}/spools/jo/new/1000000000.M1.host", "w", encoding="ascii") as stream:
                stream.write(OLD.removeprefix(SEPARATOR))
        if self.arguments.numbers == "database":
            shutil.copytree(os.path.join(self.directory, "base"), os.path.join(self.world, "bulls"),
                            dirs_exist_ok=True)

    def make_database(self):
        """By a login of a user whom it does not know, before there are more bulletins."""
        base = os.path.join(self.directory, "base")
        os.mkdir(base)
        if self.arguments.numbers != "database":
            return
        self.lay_out()
        for number in (2, 3):
            os.unlink(f"{self.world}/bulls/{number}.x")
        done = self.run("login")
        if done.returncode != 0:
            raise SystemExit("bulletin_matrix: no database: " + done.stdout)
        for name in os.listdir(f"{self.world}/bulls"):
            if name.startswith("bulldb"):
                shutil.copy(f"{self.world}/bulls/{name}", base)

    def command(self, what):
        return [self.arguments.driver, what, self.arguments.format, self.arguments.numbers, self.world]

    def run(self, what):
        return subprocess.run(self.command(what), capture_output=True, text=True, timeout=PATIENCE)

    def calls(self):
        names = os.path.join(self.directory, "names")
        self.lay_out()
        done = subprocess.run([self.arguments.strike, "list", names, "--", *self.command("login")],
                              capture_output=True, text=True, timeout=PATIENCE)
        if self.seen_in(done) != ALL_HAD:
            raise SystemExit(f"bulletin_matrix: undisturbed: {done.stdout}{done.stderr}")
        with open(names, encoding="ascii") as stream:
            return [line.split()[1] for line in stream]

    def seen_in(self, done):
        """Which bulletins the user has had, and the subjects; or the whole output."""
        lines = done.stdout.splitlines()
        if done.returncode != 0 or lines[-1:] != ["+OK"]:
            return done.stdout + done.stderr
        owed = lines.pop(1).split()[1:] if lines[1].startswith("owed ") else []
        had = set(range(1, int(lines[0]) + 1)) - set(map(int, owed))
        return had, sorted(lines[1:-1], key=lambda line: (line != "Subject: old", line))

    def hit(self, kind, call, *more):
        self.lay_out()
        done = subprocess.run([self.arguments.strike, kind, str(call), *more, "--",
                               *self.command("login")],
                              capture_output=True, text=True, timeout=PATIENCE)
        if done.returncode == NEVER_REACHED:
            return 0
        self.judge(f"{kind} {call} {' '.join(more)}")
        return 1

    def judge(self, where):
        left = self.seen_in(self.run("look"))
        known = isinstance(left, tuple)
        if not known or left[1][:1] != ["Subject: old"] or len(set(left[1])) != len(left[1]):
            self.faults.append(f"{where}: what is left is {left}")
        elif not left[0] - {1} <= {int(line.split()[-1]) for line in left[1][1:]}:
            self.faults.append(f"{where}: the number runs ahead: {left}")
        for what, expected in (("empty", ALL_HAD), ("login", ({1, 2, 3}, []))):
            now = self.seen_in(self.run(what))
            if now != expected:
                self.faults.append(f"{where}: {what}: {now}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("strike", "driver", "format", "numbers"):
        parser.add_argument("--" + name, required=True)
    parser.add_argument("--stride", type=int, default=1, help="strike every so many calls")
    with tempfile.TemporaryDirectory(prefix="bulletins.") as directory:
        matrix = Matrix(parser.parse_args(), directory)
        matrix.make_database()
        calls = matrix.calls()
        hits = 0
        stride = matrix.arguments.stride
        for number, name in list(enumerate(calls, 1))[::stride]:
            hits += matrix.hit("kill", number)
            if name in NEEDS_ROOM:
                hits += matrix.hit("error", number, "ENOSPC", "lasting")
    print(f"{len(calls)} system calls, {hits} strikes, {len(matrix.faults)} faults")
    for fault in matrix.faults:
        print(fault)
    # A Maildir is read again while its times are of this very second, so runs differ in length.
    return 1 if matrix.faults or hits < len(calls) // stride // 2 else 0


if __name__ == "__main__":
    sys.exit(main())
