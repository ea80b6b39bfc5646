#!/usr/bin/env python3
"""A file system that is really full: commit and open with 0, 1, 2 ... free pages.

Needs root: each size is a tmpfs of its own, mounted in a private mount namespace that ends with this
process, whatever happens. Exit status 77 without root.
"""

import argparse
import ctypes
import os
import subprocess
import sys
import tempfile

import awkward_spool
import mbox_oracle as oracle
from test_bed import Programs, Scenario, SPOOL, TestBed

PAGE = 4096
CLONE_NEWNS, MS_REC, MS_PRIVATE = 0x20000, 0x4000, 0x40000


def enter_private_namespace():
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) != 0 or \
            libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None) != 0:
        raise OSError(ctypes.get_errno(), "private mount namespace")


def fill(directory, free_pages):
    """Writes ballast until only so many pages are free; returns its path."""
    ballast = os.path.join(directory, "ballast")
    free = os.statvfs(directory).f_bavail * os.statvfs(directory).f_bsize
    with open(ballast, "wb") as file:
        file.write(b"b" * max(0, free - free_pages * PAGE))
    return ballast


def scenarios():
    spool = tuple(awkward_spool.awkward())
    for mode in ("server", "normal", "fast-update"):
        for what, erase in (("first", (1,)), ("second", (2, 4, 6)), ("last", (6,)),
                            ("all", (1, 2, 3, 4, 5, 6))):
            yield Scenario(f"{mode}/{what}", spool=spool, mode=mode, erase=erase)


class FullDisk:
    def __init__(self, programs, mount_point):
        self.programs, self.mount_point = programs, mount_point
        self.tried = self.refused = 0
        self.faults = []

    def try_scenario(self, scenario, free_pages):
        bed = TestBed(os.path.join(self.mount_point, "spool"), self.programs)
        expectation, faults = bed.expectation(scenario)
        bed.lay_out(scenario)
        ballast = fill(self.mount_point, free_pages)
        run = bed.session(scenario)
        self.tried += 1
        self.refused += not run.said_ok()
        expectation.said_ok = run.said_ok()
        faults += bed.judge_struck(run, expectation)
        if not run.said_ok() and not any(line.startswith("-ERR full") for line in run.lines):
            faults.append(("stuck", "does not say that the disk is full: %s" % run.lines))
        os.unlink(ballast)
        faults += bed.settle_and_judge(scenario, expectation)
        bed.clear()
        self.faults += [(scenario.name, free_pages, *fault) for fault in faults]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--driver", required=True)
    parser.add_argument("--strike", required=True)
    parser.add_argument("--pages", type=int, default=12, help="at most so many free pages")
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        print("a full file system can only be mounted by root: not tried")
        return 77

    enter_private_namespace()
    with tempfile.TemporaryDirectory(prefix="popper-full-") as mount_point:
        disk = FullDisk(Programs(arguments.driver, arguments.strike), mount_point)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k,nr_inodes=64", "tmpfs",
                        mount_point], check=True)
        try:
            for scenario in scenarios():
                for free_pages in range(arguments.pages + 1):
                    disk.try_scenario(scenario, free_pages)
        finally:
            subprocess.run(["umount", mount_point], check=False)
    for name, free_pages, kind, text in disk.faults[:40]:
        print(f"  {kind}: {name} with {free_pages} free pages: {text}")
    print("%d sessions on a full disk, %d refused, %d completed: %d faults" %
          (disk.tried, disk.refused, disk.tried - disk.refused, len(disk.faults)))
    if not disk.refused or disk.refused == disk.tried:
        print("the disk was never both too full and not too full: the test proves nothing")
        return 1
    return 1 if disk.faults else 0


if __name__ == "__main__":
    sys.exit(main())
