#!/usr/bin/env python3
"""Strikes a change of the credential file at every system call: the old file or the new one.

The change is run once undisturbed to count its system calls; then once for each of them with a
SIGKILL there, and once for each error that a call of the write path may meet. What is left must be
whole, must be the new state if the change said so, and must let the next change do its work.

Exit status 0: nothing else was ever left.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile

PATIENCE = 60
KILLED, NEVER_REACHED = 137, 100
ERRORS = {
    "pwrite64": (("error", "ENOSPC"), ("error", "EIO"), ("short",)),
    "openat": (("error", "EMFILE"), ("error", "ENOSPC")),
    "fsync": (("error", "EIO"), ("error", "ENOSPC")),
    "renameat": (("error", "EIO"), ("error", "ENOSPC")),
    "pread64": (("error", "EIO"), ("short",)),
    "fchmod": (("error", "EIO"),),
    "fchown": (("error", "EIO"),),
    "close": (("error", "EIO"),),
}


class Matrix:
    def __init__(self, strike, driver, change, directory):
        self.strike, self.driver, self.directory = strike, driver, directory
        self.change = change
        self.file = os.path.join(directory, "credentials")
        self.model = os.path.join(directory, "model")
        self.faults = []
        self.check("init", self.model)

    def run(self, *command):
        return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)

    def check(self, what, file):
        done = self.run(self.driver, what, file)
        if done.returncode != 0:
            raise SystemExit(f"credential_matrix: {what}: {done.stderr}")
        return done.stdout.strip()

    def lay_out(self):
        for name in os.listdir(self.directory):
            if name.startswith("credentials"):
                os.unlink(os.path.join(self.directory, name))
        shutil.copy(self.model, self.file)
        os.chmod(self.file, 0o600)

    def calls(self):
        self.lay_out()
        names = os.path.join(self.directory, "names")
        done = self.run(self.strike, "list", names, "--", self.driver, self.change, self.file)
        if done.returncode != 0 or self.check("state", self.file) != "new":
            raise SystemExit(f"credential_matrix: the undisturbed change: {done.stderr}")
        with open(names, encoding="ascii") as stream:
            return [line.split()[1] for line in stream]

    def hit(self, kind, call, *more):
        """False when the program ended before this call."""
        self.lay_out()
        done = self.run(self.strike, kind, str(call), *more, "--", self.driver, self.change,
                        self.file)
        if done.returncode == NEVER_REACHED:
            return False
        where = f"{kind} {call} {' '.join(more)}"
        if kind == "kill" and done.returncode != KILLED:
            self.faults.append(f"{where}: ended with {done.returncode}")
        left = self.run(self.driver, "state", self.file)
        if left.returncode != 0:
            self.faults.append(f"{where}: left a file that is neither: {left.stderr.strip()}")
        elif done.returncode == 0 and left.stdout.strip() != "new":
            self.faults.append(f"{where}: said done and was not")
        again = self.run(self.driver, "change", self.file)
        if again.returncode != 0:
            self.faults.append(f"{where}: the next change fails: {again.stderr.strip()}")
        elif self.run(self.driver, "state", self.file).stdout.strip() != "new":
            self.faults.append(f"{where}: the next change does nothing")
        return True


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--strike", required=True)
    parser.add_argument("--driver", required=True)
    parser.add_argument("--careless", action="store_true",
                        help="strike a change that overwrites the file: it must be found out")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="credentials.") as directory:
        matrix = Matrix(arguments.strike, arguments.driver,
                        "careless" if arguments.careless else "change", directory)
        calls = matrix.calls()
        hits = 0
        for number, name in enumerate(calls, 1):
            hits += matrix.hit("kill", number)
            for kind, *more in ERRORS.get(name, ()):
                hits += matrix.hit(kind, number, *more)
    print(f"{len(calls)} system calls, {hits} strikes, {len(matrix.faults)} faults")
    if arguments.careless:
        return 0 if matrix.faults else 1
    for fault in matrix.faults:
        print(fault)
    if hits < len(calls):
        print("strikes were missed")
        return 1
    return 1 if matrix.faults else 0


if __name__ == "__main__":
    sys.exit(main())
