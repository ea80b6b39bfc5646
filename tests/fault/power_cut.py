#!/usr/bin/env python3
"""Real power cuts on a real file system: ext4 and XFS on a loop device are shut down before each
system call of a session, mounted again, and judged.

Takes minutes and needs root; everything is mounted in a private mount namespace that ends with this
process. Exit status 77 without root.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter

import awkward_spool
from full_disk import enter_private_namespace
from test_bed import NEVER_REACHED, Programs, Scenario, TestBed

FILE_SYSTEMS = {
    "ext4": (["mkfs.ext4", "-q", "-F"], []),
    # Without this option a rename over a file flushes it by itself and hides a missing fsync.
    "ext4-noauto_da_alloc": (["mkfs.ext4", "-q", "-F"], ["-o", "noauto_da_alloc"]),
    "xfs": (["mkfs.xfs", "-q", "-f"], []),
}
IMAGE_BYTES = {"xfs": 320 << 20}


def scenarios():
    spool = tuple(awkward_spool.awkward())
    arrival = awkward_spool.arrival()
    for mode in ("server", "normal", "fast-update"):
        for what, erase in (("first", (1,)), ("second", (2, 4, 6)), ("last", (6,)),
                            ("all", (1, 2, 3, 4, 5, 6))):
            yield Scenario(f"{mode}/{what}", spool=spool, mode=mode, erase=erase,
                           delivery="between" if what == "second" else "none", arrival=arrival)


class Cutter:
    def __init__(self, programs, work, file_system):
        make, self.mount_options = FILE_SYSTEMS[file_system]
        self.programs, self.file_system = programs, file_system
        self.image = os.path.join(work, file_system + ".image")
        self.mount_point = os.path.join(work, file_system)
        os.makedirs(self.mount_point, exist_ok=True)
        with open(self.image, "wb") as file:
            file.truncate(IMAGE_BYTES.get(file_system, 16 << 20))
        subprocess.run([*make, self.image], check=True)
        self.counts = Counter()
        self.faults = []

    def mount(self):
        subprocess.run(["mount", "-o", "loop", *self.mount_options, self.image, self.mount_point],
                       check=True)

    def unmount(self):
        subprocess.run(["umount", self.mount_point], check=True)

    def run(self, scenario):
        bed = TestBed(os.path.join(self.mount_point, "spool"), self.programs)
        expectation, faults = bed.expectation(scenario)
        self._note(scenario, "open", faults)
        bed.lay_out(scenario)
        _, calls = bed.calls(scenario, "session")
        for how in ("logflush", "nologflush"):
            for number, _ in calls:
                self._cut(bed, scenario, expectation, number, how)

    def _cut(self, bed, scenario, expectation, number, how):
        bed.lay_out(scenario)
        os.sync()
        run = bed.session(scenario, ("cut", str(number), how, self.mount_point))
        if run.status == NEVER_REACHED:
            return
        self.unmount()
        self.mount()
        if run.delivery_failed:  # half of it may be there, and that is the delivery's fault
            return
        self.counts[how] += 1
        after = bed.after_session(scenario, expectation, run)
        self._note(scenario, f"cut {number} {how}", bed.settle_and_judge(scenario, after))

    def _note(self, scenario, point, faults):
        self.faults += [(self.file_system, scenario.name, point, *fault) for fault in faults]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--driver", required=True)
    parser.add_argument("--strike", required=True)
    parser.add_argument("--file-system", choices=FILE_SYSTEMS, action="append")
    parser.add_argument("--only", default="", help="only scenarios whose name begins so")
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        print("file systems can only be mounted and shut down by root: not tried")
        return 77

    enter_private_namespace()
    began = time.monotonic()
    faults, cuts = [], 0
    root = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="popper-cut-", dir=root) as work:
        for file_system in arguments.file_system or FILE_SYSTEMS:
            if shutil.which(FILE_SYSTEMS[file_system][0][0]) is None:
                print(f"  {file_system}: no {FILE_SYSTEMS[file_system][0][0]}: not tried")
                continue
            cutter = Cutter(Programs(arguments.driver, arguments.strike), work, file_system)
            cutter.mount()
            try:
                for scenario in scenarios():
                    if scenario.name.startswith(arguments.only):
                        cutter.run(scenario)
            finally:
                cutter.unmount()
            print(f"  {file_system}: {dict(cutter.counts)}", flush=True)
            faults += cutter.faults
            cuts += sum(cutter.counts.values())
    for file_system, name, point, kind, text in faults[:40]:
        print(f"  {kind}: {file_system}: {name}: {point}: {text}")
    print("%d power cuts: %s (%.0f s)" % (cuts, dict(Counter(f[3] for f in faults)) or "0 faults",
                                          time.monotonic() - began))
    return 1 if faults or not cuts else 0


if __name__ == "__main__":
    sys.exit(main())
