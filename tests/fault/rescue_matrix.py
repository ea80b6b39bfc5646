#!/usr/bin/env python3
"""Strikes a repair, an import of unique-ids, an expiry or its undo at every system call, fails every
call that may find no room, and tries them on file systems that are really full: the next session
finds everything as it was or as it will be, a repair that happened has a backup of every byte, what
expired is kept, and all can be made again.

Exit status 0: nothing else was ever left.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile

from full_disk import enter_private_namespace, fill
from move_matrix import NEEDS_ROOM, NEVER_REACHED, SPOOL, Matrix

SPOOLS = {
    "import": SPOOL,
    # The first From_ line lost a letter, and NULs of a crash stand behind all.
    "repair": SPOOL[1:] + "\0" * 5000,
    "expire": SPOOL,
    "undo": SPOOL,  # before the expiry
}
NAMES = {".jo.undo", ".jo.uidl", ".jo.cache", ".jo.repair.1", ".jo.repair.1.backup", ".jo.repair.1.quarantine",
         "jo"}
PAGES = 40  # an expiry wants 16 of them beside what it needs


class RescueMatrix(Matrix):
    expired = None  # jo and .jo.undo

    def content(self, name):
        try:
            with open(os.path.join(self.spools, name), "rb") as stream:
                return stream.read()
        except FileNotFoundError:
            return None

    def lay_out(self):
        if os.path.isdir(self.spools):
            for name in os.listdir(self.spools):
                os.unlink(os.path.join(self.spools, name))
        else:
            os.mkdir(self.spools)
        path = os.path.join(self.spools, "jo")
        with open(path, "w", encoding="ascii") as stream:
            stream.write(SPOOLS[self.arguments.change])
        os.chmod(path, 0o600)
        if self.arguments.change == "undo":
            self.lay_out_expired()

    def lay_out_expired(self):
        if self.expired is None:
            done = self.run(self.arguments.driver, "expire", self.spools)
            if done.returncode != 0:
                raise SystemExit(f"rescue_matrix: nothing to undo: {done.stdout}")
            self.expired = {name: self.content(name) for name in ("jo", ".jo.undo")}
        for name in os.listdir(self.spools):
            os.unlink(os.path.join(self.spools, name))
        for name, content in self.expired.items():
            path = os.path.join(self.spools, name)
            with open(path, "wb") as stream:
                stream.write(content)
            os.chmod(path, 0o600)

    def changes_listing(self):
        return True

    def judge(self, where, said, before, after):
        """After whatever was done: `before` and `after` are what sessions are told then."""
        original = SPOOLS[self.arguments.change].encode()
        left = self.mail()  # finishes what was decided
        if left not in (before, after):
            self.faults.append(f"{where}: neither before nor after:\n{left}")
        if "+OK" in said and left != after:
            self.faults.append(f"{where}: said done and was not")
        if self.arguments.change in ("expire", "undo"):
            is_expired = left == (after if self.arguments.change == "expire" else before)
            if is_expired and b"Subject: number 2\n" not in (self.content(".jo.undo") or b""):
                self.faults.append(f"{where}: what has expired is nowhere")
        elif self.content("jo") != original and self.content(".jo.repair.1.backup") != original:
            self.faults.append(f"{where}: the spool is another one, and there is no backup")

    def again(self, where, after):
        again = self.run(*self.command())
        if again.returncode != 0:
            self.faults.append(f"{where}: it cannot be made again: {again.stdout}")
        elif self.mail() != after:
            self.faults.append(f"{where}: made again it gives something else")
        litter = set(os.listdir(self.spools)) - NAMES
        litter = {name for name in litter if not re.fullmatch(r"\.jo\.(uidl|repair\.1)\.new\.\d+", name)}
        if litter:
            self.faults.append(f"{where}: left behind: {sorted(litter)}")

    def strike(self, before, after, kind, call, *more):
        self.lay_out()
        done = self.run(self.arguments.strike, kind, str(call), *more, "--", *self.command())
        if done.returncode == NEVER_REACHED:
            return 0
        where = f"{kind} {call} {' '.join(more)}"
        self.judge(where, done.stdout, before, after)
        self.again(where, after)
        return 1


def strike_all(matrix):
    before, after, calls = matrix.known_outcomes()
    hits = 0
    tried = list(enumerate(calls, 1))[::matrix.arguments.every]
    for number, name in tried:
        hits += matrix.strike(before, after, "kill", number)
        if name in NEEDS_ROOM:
            hits += matrix.strike(before, after, "error", number, "ENOSPC", "lasting")
        if name == "fsync":
            hits += matrix.strike(before, after, "error", number, "EIO")
    print(f"{len(calls)} system calls, {hits} strikes")
    return hits >= len(tried)


def fill_disks(matrix):
    """On a tmpfs of its own, with 0, 1, 2 ... free pages."""
    enter_private_namespace()
    os.makedirs(matrix.spools, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k,nr_inodes=64", "tmpfs",
                    matrix.spools], check=True)
    refused = 0
    try:
        before, after, _ = matrix.known_outcomes()
        for pages in range(PAGES):
            matrix.lay_out()
            ballast = fill(matrix.spools, pages)
            done = matrix.run(*matrix.command())
            refused += "-ERR" in done.stdout
            if "-ERR" in done.stdout and "No space left" not in done.stdout:
                matrix.faults.append(f"{pages} free pages: not told: {done.stdout}")
            os.unlink(ballast)
            matrix.judge(f"{pages} free pages", done.stdout, before, after)
            matrix.again(f"{pages} free pages", after)
    finally:
        subprocess.run(["umount", matrix.spools], check=False)
    print(f"{PAGES} full disks, {refused} refused")
    return 0 < refused < PAGES


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("strike", "driver", "engine", "change"):
        parser.add_argument("--" + name, required=True)
    parser.add_argument("--every", type=int, default=1, help="strike at every so many-th call")
    parser.add_argument("--full-disk", action="store_true", help="full disks, as root")
    arguments = parser.parse_args()
    if arguments.full_disk and os.geteuid() != 0:
        print("a full file system can only be mounted by root: not tried")
        return 77
    with tempfile.TemporaryDirectory(prefix="rescue.") as directory:
        matrix = RescueMatrix(arguments, directory)
        proves = fill_disks(matrix) if arguments.full_disk else strike_all(matrix)
    for fault in matrix.faults[:40]:
        print(fault)
    print(f"{len(matrix.faults)} faults")
    if not proves:
        print("too little was tried: the test proves nothing")
    return 0 if proves and not matrix.faults else 1


if __name__ == "__main__":
    sys.exit(main())
