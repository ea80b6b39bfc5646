#!/usr/bin/env python3
"""popspool check of a large spool beside `wc -l` of it, and of many spools at once.

    POPSPOOL=build/bin/popspool check_bench.py [--size=1000] [--users=10000] [--repeat=5] [--smoke]

The spool of --size megabytes lies in memory (/dev/shm), so both read at the speed of memory; what is
printed is processor time, and their ratio within this run. The --users spools of 20 KB each are
checked by `check --all` as they lie in one directory. --smoke looks at a few, and wants only right
answers.
"""

import argparse
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time

POPSPOOL = os.path.abspath(os.environ.get("POPSPOOL", "popspool"))
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def message(number, size, chance):
    """Lines of text as mail has them, some base64."""
    header = (b"From sender@example.org Thu Jan  1 00:00:00 1970\n"
              b"Received: from a.example.org by b.example.org; Thu, 1 Jan 1970 00:00:00 +0000\n"
              b"Date: Thu, 1 Jan 1970 00:00:00 +0000\nFrom: sender@example.org\n"
              b"Message-ID: <n%d@example.org>\nSubject: number %d\n\n" % (number, number))
    line = bytes(chance.choices(b"abcdefghij klmnop qrstuvw xyz,.", k=chance.randint(30, 76))) + b"\n"
    return header + line * (size // len(line) + 1) + b"\n"


def write_spool(path, size, first, chance, each=30000):
    with open(path, "wb") as stream:
        while stream.tell() < size:
            stream.write(message(first, min(each, size), chance))
            first += 1
    os.chmod(path, 0o600)
    return first


def processor_time(*command):
    """Seconds of processors, and of the clock."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    elapsed = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    if done.returncode != 0 or done.stdout.count(b"error"):
        sys.exit(f"check_bench: {command}: {done.returncode} {done.stdout[:500]}{done.stderr[:500]}")
    return seconds, elapsed


class Bench:
    def __init__(self, arguments, root):
        self.arguments, self.root, self.chance = arguments, root, random.Random(1)
        self.config = os.path.join(root, "popper.toml")
        with open(self.config, "w") as stream:
            stream.write(f'spool-dir = "{root}/spool"\ncredential-file = "{root}/none"\n')
        os.mkdir(os.path.join(root, "spool"))

    def best(self, *command):
        return min(processor_time(*command) for _ in range(self.arguments.repeat))

    def one_large(self):
        path = os.path.join(self.root, "large")
        write_spool(path, self.arguments.size * 1000 * 1000, 1, self.chance)
        size = os.path.getsize(path)
        check, _ = self.best(POPSPOOL, "-f", self.config, "check", path)
        lines, _ = self.best("wc", "-l", path)
        os.unlink(path)
        print(f"check of {size / 1e6:.0f} MB: {check:.3f} s, {size / 1e9 / check:.2f} GB/s a core; "
              f"wc -l {lines:.3f} s, ratio {check / max(lines, 1e-9):.1f}")

    def many_small(self):
        first = 1
        for number in range(self.arguments.users):
            path = os.path.join(self.root, "spool", f"u{number}")
            first = write_spool(path, 20000, first, self.chance, each=5000)
        seconds, elapsed = self.best(POPSPOOL, "-f", self.config, "check", "--all")
        print(f"check --all of {self.arguments.users} spools of 20 KB: {elapsed:.1f} s, "
              f"{seconds:.1f} s of processors, {seconds / self.arguments.users * 1000:.2f} ms each")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=1000, help="megabytes")
    parser.add_argument("--users", type=int, default=10000)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--smoke", action="store_true")
    arguments = parser.parse_args()
    if arguments.smoke:
        arguments.size, arguments.users, arguments.repeat = 2, 20, 1
    root = tempfile.mkdtemp(prefix="popper-check.", dir=MEMORY)
    try:
        bench = Bench(arguments, root)
        bench.one_large()
        bench.many_small()
    finally:
        shutil.rmtree(root)


if __name__ == "__main__":
    main()
