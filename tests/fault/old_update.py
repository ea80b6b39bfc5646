#!/usr/bin/python3 -B
"""old_update.py --popspool PROGRAM: an update as the old program made it (copy the spool to the
temporary drop, truncate the spool, copy what is kept back, empty the drop) is killed before each of
its system calls; `popspool recover` and `popspool repair` must then give every message that was not
deleted exactly once, and no deleted one more than once. `check` must have nothing left to tell of."""

import argparse
import os
import pathlib
import signal
import subprocess
import sys
import tempfile

from awkward_spool import arrival, plain

PIECE = 40  # octets a write: many places to be killed at
DELETED = {1, 3}


class Killed:
    """Makes system calls, and kills this process before one of them."""

    def __init__(self, at):
        self.at = at
        self.made = 0

    def __getattr__(self, name):
        def call(*arguments):
            self.made += 1
            if self.made == self.at:
                os.kill(os.getpid(), signal.SIGKILL)
            return getattr(os, name)(*arguments)
        return call


def copy(system, data, target):
    for begin in range(0, len(data), PIECE):
        system.write(target, data[begin:begin + PIECE])


def update(system, directory, messages):
    """One session with `DELETED` deleted and mail arriving in the middle."""
    spool = system.open(directory / "jo", os.O_RDWR)
    drop = system.open(directory / ".jo.pop", os.O_RDWR | os.O_CREAT, 0o600)
    copy(system, b"".join(messages), drop)
    system.ftruncate(spool, 0)
    os.write(spool, arrival())  # a delivery is not ours to kill
    system.lseek(spool, 0, os.SEEK_SET)
    copy(system, arrival(), drop)
    system.ftruncate(spool, 0)
    system.lseek(spool, 0, os.SEEK_SET)
    for number, message in enumerate(messages):
        if number not in DELETED:
            copy(system, message, spool)
    copy(system, arrival(), spool)
    system.ftruncate(drop, 0)
    system.unlink(directory / ".jo.pop")


def run(directory, messages, at):
    """How many calls were made; None if the process was killed."""
    (directory / "jo").write_bytes(b"".join(messages))
    (directory / "jo").chmod(0o600)
    child = os.fork()
    if child == 0:
        system = Killed(at)
        update(system, directory, messages)
        os._exit(min(system.made, 255))
    _, status = os.waitpid(child, 0)
    return None if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def wrong_with(spool, messages, before_arrival):
    text = spool.read_bytes()
    wrong = []
    for number in range(len(messages)):
        count = text.count(b"token-%d\n" % (number + 1))
        if count != 1 and not (count == 0 and number in DELETED):
            wrong.append("message %d is there %d times" % (number + 1, count))
    count = text.count(b"delivered meanwhile")
    if count != (0 if before_arrival else 1):
        wrong.append("the arrival is there %d times" % count)
    return wrong


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--popspool", required=True)
    program = parser.parse_args().popspool
    messages = plain()
    failures, kills = [], 0
    with tempfile.TemporaryDirectory(prefix="popper-old-update-") as above:
        for at in range(1, 1000):
            directory = pathlib.Path(above) / str(at)
            directory.mkdir(mode=0o700)
            config = directory / "popper.toml"
            config.write_text('spool-dir = "%s"\n' % directory)
            if run(directory, messages, at) is not None:
                break
            kills += 1
            drop = directory / ".jo.pop"
            before = b"delivered meanwhile" not in (
                (directory / "jo").read_bytes() + (drop.read_bytes() if drop.exists() else b""))
            said = []
            first = [["repair"]] if at % 2 else []  # in either order
            for words in first + [["recover"], ["repair"], ["check"]]:
                done = subprocess.run([program, "-f", config, *words, directory / "jo"],
                                      capture_output=True, text=True, timeout=60)
                said.append("%s %d: %s" % (words[0], done.returncode, done.stdout + done.stderr))
            wrong = wrong_with(directory / "jo", messages, before)
            if done.returncode != 0:
                wrong.append("check is not content")
            if wrong:
                failures.append("killed before call %d: %s\n%s" % (at, wrong, "".join(said)))
    print("%d kills, %d bad" % (kills, len(failures)))
    print("\n".join(failures[:5]), file=sys.stderr)
    return 1 if failures or kills < 20 else 0


if __name__ == "__main__":
    sys.exit(main())
