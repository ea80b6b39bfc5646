#!/usr/bin/env python3
"""Strikes a change that popspool makes at every system call, and lets a disk be full from every write
on: the next session finds the mail as it was or as it will be, and the change can be made again.

Exit status 0: nothing else was ever left.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile

PATIENCE = 60
KILLED, NEVER_REACHED = 137, 100
SEPARATOR = "From ann@example.org Thu Jan  1 00:00:00 1970\n"
SPOOL = "".join(f"{SEPARATOR}Subject: number {number}\n\n{'text ' * number}\n\n"
                for number in range(1, 4))
LATE = "Subject: late\n\nFrom me\n"
NEEDS_ROOM = ("pwrite64", "copy_file_range", "fallocate", "ftruncate", "openat", "mkdirat")


class Matrix:
    def __init__(self, arguments, directory):
        self.arguments, self.directory = arguments, directory
        self.spools = os.path.join(directory, "spools")
        self.faults = []

    def run(self, *command):
        return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)

    def lay_out(self):
        shutil.rmtree(self.spools, ignore_errors=True)
        os.mkdir(self.spools)
        path = os.path.join(self.spools, "jo")
        if self.arguments.change == "to-mbox" and not self.arguments.late:
            for folder in (path, path + "/tmp", path + "/new", path + "/cur"):
                os.mkdir(folder, 0o700)
            for number, text in enumerate(SPOOL.split(SEPARATOR)[1:]):
                with open(f"{path}/new/{1000000000 + number}.M1.host", "w", encoding="ascii") as file:
                    file.write(text)
            return
        with open(path, "w", encoding="ascii") as stream:
            stream.write(SPOOL)
        os.chmod(path, 0o600)
        if self.arguments.late:
            old = os.path.join(self.spools, ".jo.convert.mbox")
            for folder in (old, old + "/new", old + "/cur"):
                os.mkdir(folder, 0o700)
            for name, text in ((".popper.converted", ""), ("new/1000000009.M1.host", LATE)):
                with open(os.path.join(old, name), "w", encoding="ascii") as file:
                    file.write(text)
        if self.arguments.change == "rehash":
            os.makedirs(os.path.join(self.spools, "j", "o"))

    def leftovers(self):
        """What must not be there when a change is done."""
        return [name for name in os.listdir(self.spools)
                if "convert" in name or (self.arguments.change == "rehash" and name == "jo")]

    def changes_listing(self):
        return self.arguments.change == "deliver" or self.arguments.late

    def command(self):
        return [self.arguments.driver, self.arguments.change, self.spools]

    def mail(self):
        """What a session is told, or why there is none. A moved spool is looked at where it is."""
        hashed = os.path.join(self.spools, "j", "o")
        moved = os.path.exists(os.path.join(hashed, "jo"))
        if moved and os.path.exists(os.path.join(self.spools, "jo")):
            return "in two places"
        done = self.run(self.arguments.engine, "list", hashed if moved else self.spools,
                        "--content", "--mode=server")
        if done.returncode != 0:
            return "no session: " + done.stdout
        return re.sub(r"^\d+ ", "", done.stdout, flags=re.MULTILINE)

    def known_outcomes(self):
        self.lay_out()
        before = self.mail()
        names = os.path.join(self.directory, "names")
        self.lay_out()
        done = self.run(self.arguments.strike, "list", names, "--", *self.command())
        after = self.mail()
        if done.returncode != 0 or (before == after) == self.changes_listing():
            raise SystemExit(f"move_matrix: undisturbed: {done.stdout}{done.stderr}")
        with open(names, encoding="ascii") as stream:
            return before, after, [line.split()[1] for line in stream]

    def hit(self, before, after, kind, call, *more):
        self.lay_out()
        done = self.run(self.arguments.strike, kind, str(call), *more, "--", *self.command())
        if done.returncode == NEVER_REACHED:
            return 0
        where = f"{kind} {call} {' '.join(more)}"
        left = self.mail()
        if left not in (before, after):
            self.faults.append(f"{where}: neither before nor after:\n{left}")
        elif "+OK" in done.stdout and (left != after or self.leftovers()):
            self.faults.append(f"{where}: said done and was not")
        again = self.run(*self.command())
        if again.returncode != 0:
            self.faults.append(f"{where}: it cannot be made again: {again.stdout}")
        elif self.mail() != after and self.arguments.change != "deliver":
            self.faults.append(f"{where}: made again, it shows other mail:\n{self.mail()}")
        elif self.leftovers():
            self.faults.append(f"{where}: made again, it leaves {self.leftovers()}")
        return 1


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("strike", "driver", "engine", "change"):
        parser.add_argument("--" + name, required=True)
    parser.add_argument("--late", action="store_true",
                        help="begin where a message came late into a Maildir that became a spool")
    parser.add_argument("--stride", type=int, default=1, help="strike every so many calls")
    with tempfile.TemporaryDirectory(prefix="move.") as directory:
        matrix = Matrix(parser.parse_args(), directory)
        before, after, calls = matrix.known_outcomes()
        hits = 0
        stride = matrix.arguments.stride
        for number, name in list(enumerate(calls, 1))[::stride]:
            hits += matrix.hit(before, after, "kill", number)
            if name in NEEDS_ROOM:
                hits += matrix.hit(before, after, "error", number, "ENOSPC", "lasting")
    print(f"{len(calls)} system calls, {hits} strikes, {len(matrix.faults)} faults")
    for fault in matrix.faults:
        print(fault)
    return 1 if matrix.faults or hits < len(calls) // stride else 0


if __name__ == "__main__":
    sys.exit(main())
