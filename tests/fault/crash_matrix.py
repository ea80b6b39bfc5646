#!/usr/bin/env python3
"""Strikes the maildrop engine at every system call and looks whether mail was lost or doubled.

Every scenario (way of serving x messages deleted x moment of a delivery) is run once undisturbed to
count its system calls; then once for each of them with a SIGKILL there, and once for each error a
file call may meet. What is left is judged by an independent reader, first as it is and then after
the next open. That next open is struck in the same way.

Exit status 0: nothing was lost, doubled, broken, stuck or untrue.
"""

import argparse
import itertools
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field

import awkward_spool
import mbox_oracle
from test_bed import JOURNAL, NEVER_REACHED, Programs, Scenario, TEMP_DROP, TestBed, deliver, SPOOL

MODES = ("server", "normal", "fast-update")
ERASURES = {"first": (1,), "middle": (3,), "last": (6,), "all": (1, 2, 3, 4, 5, 6),
            "second": (2, 4, 6)}
DELIVERIES = ("none", "between", "after")

_NO_ROOM = (("error", "ENOSPC"), ("error", "EDQUOT"), ("error", "EIO"))
WRITE_PATH = {
    "pwrite64": _NO_ROOM + (("error", "ENOSPC", "lasting"), ("short",)),
    "copy_file_range": _NO_ROOM + (("error", "ENOSPC", "lasting"), ("short",)),
    "fallocate": _NO_ROOM,
    "ftruncate": _NO_ROOM,
    "fsync": _NO_ROOM + (("error", "EIO", "lasting"),),
    "renameat": _NO_ROOM,
    "linkat": _NO_ROOM,
    "unlinkat": _NO_ROOM + (("error", "EIO", "lasting"),),
}
OTHER_CALLS = {
    "openat": (("error", "EMFILE"), ("error", "EIO"), ("error", "ENOSPC")),
    "pread64": (("error", "EIO"), ("error", "EINTR"), ("short",)),
    "pwrite64": (("error", "EINTR"),),
    "newfstatat": (("error", "EIO"),),
    "fstat": (("error", "EIO"),),
    "flock": (("error", "EINTR"), ("error", "ENOLCK")),
    "fcntl": (("error", "EINTR"), ("error", "ENOLCK")),
    "fchmod": (("error", "EIO"),),
    "fchown": (("error", "EIO"),),
    "utimensat": (("error", "EIO"),),
    "close": (("error", "EIO"),),
    "getdents64": (("error", "EIO"),),
    "getrandom": (("error", "EINTR"),),
}
# A lock whose removal fails stays until its holder ends.
KEEPS_LOCK = {"unlinkat": True, "newfstatat": True, "fstat": True}


def scenarios():
    """Everything; a name says all of a scenario."""
    spool = tuple(awkward_spool.awkward())
    arrival, late = awkward_spool.arrival(), awkward_spool.late_arrival()
    common = dict(spool=spool, arrival=arrival, late_arrival=late)
    for mode, (what, erase), delivery in itertools.product(MODES, ERASURES.items(), DELIVERIES):
        yield Scenario(f"{mode}/{what}/{delivery}", mode=mode, erase=erase, delivery=delivery,
                       retrieve=(2,) if what == "middle" else (), **common)
    for mode, what in itertools.product(MODES, ("middle", "last")):
        yield Scenario(f"{mode}/{what}/both", mode=mode, erase=ERASURES[what], delivery="both",
                       **common)
        yield Scenario(f"{mode}/{what}/warm", mode=mode, erase=ERASURES[what], delivery="between",
                       index="warm", **common)
    for mode in MODES:
        yield Scenario(f"{mode}/status/between", mode=mode, retrieve=(1, 3, 6),
                       delivery="between", **common)
        yield Scenario(f"{mode}/nothing/between", mode=mode, options=("--no-status",),
                       delivery="between", **common)
        yield Scenario(f"{mode}/large/between", spool=tuple(awkward_spool.large()), mode=mode,
                       erase=(2, 5), delivery="between", arrival=arrival, late_arrival=late)
    yield Scenario("server/trash/between", mode="server", erase=ERASURES["second"],
                   options=("--trash",), delivery="between", **common)
    yield Scenario("server-fast-update/second/between", mode="server-fast-update",
                   erase=ERASURES["second"], delivery="between", **common)
    yield from leftover_scenarios(spool, arrival, late)


def leftover_scenarios(spool, arrival, late):
    """A crash of the old program left mail in its temporary drop."""
    ours = tuple(awkward_spool.with_bookkeeping(m, b"X-UIDL: old-%d-0123456789\nStatus: RO\n" % i)
                 for i, m in enumerate(spool[1:4]))
    ended = spool[:5] + (spool[5] + b"\n\n",)
    for mode in MODES:
        common = dict(mode=mode, arrival=arrival, late_arrival=late)
        # It had copied and emptied the spool, and new mail came.
        yield Scenario(f"{mode}/leftover-all/none", spool=(late,), temp_drop=ended, erase=(2,),
                       **common)
        # It was about to copy back what it kept: both hold it, the drop with its own fields.
        yield Scenario(f"{mode}/leftover-both/between", spool=spool, temp_drop=ours, erase=(1, 4),
                       delivery="between", **common)
        yield Scenario(f"{mode}/leftover-only/after", spool=(), temp_drop=ours, erase=(),
                       delivery="after", **common)


def smoke(scenario):
    """Whether a scenario belongs to the short run, and how deep: 0 no, 1 the session itself,
    2 also the recovery."""
    deep = {"server/middle/after", "server/leftover-both/between"}
    if scenario.name in deep:
        return 2
    if "/large/" in scenario.name or "/both" in scenario.name:
        return 0
    return 1


@dataclass
class Tally:
    counts: Counter = field(default_factory=Counter)
    faults: list = field(default_factory=list)  # (scenario, point, kind, text)

    def add(self, other):
        self.counts.update(other.counts)
        self.faults += other.faults


class Strikes:
    """All faults of one scenario."""

    def __init__(self, bed, scenario, options):
        self.bed, self.scenario, self.options = bed, scenario, options
        self.tally = Tally()
        self.expectation = None

    def run(self):
        self.expectation, faults = self.bed.expectation(self.scenario)
        self._note("open", faults)
        calls = self._undisturbed()
        seen = {}
        for number, _ in calls:
            self._strike_session(("kill", str(number)), "kill points", seen)
        for name, strike in self._error_points(calls):
            self._strike_session(strike, "error points", seen, KEEPS_LOCK.get(name, False))
        if self.options.depth >= 2:
            for turn, key in enumerate(list(seen)):
                self._strike_recovery(seen[key], turn)
        return self.tally

    def _undisturbed(self):
        self.bed.lay_out(self.scenario)
        run, calls = self.bed.calls(self.scenario, "session")
        if not run.said_ok():
            self._note("undisturbed", [("stuck", "the session fails: %s" % run.lines)])
        self._settle_and_judge("undisturbed", run)
        return calls

    def _error_points(self, calls):
        for number, name in calls:
            kinds = WRITE_PATH.get(name, ())
            if self.options.all_errors:
                kinds += OTHER_CALLS.get(name, ())
            for kind in kinds:
                yield name, (kind[0], str(number), *kind[1:])

    def _strike_session(self, strike, what, seen, keeps_lock=False):
        self.bed.lay_out(self.scenario)
        run = self.bed.session(self.scenario, strike)
        if run.status == NEVER_REACHED:
            return
        self.tally.counts[what] += 1
        run.lock_held_at_pause &= not keeps_lock
        key = (self.bed.state_key(), run.said_ok(), run.delivered)
        point = " ".join(strike)
        if self.options.once_per_state and key in seen:
            self.tally.counts["states seen before"] += 1
            self._note(point, self.bed.judge_struck(
                run, self.bed.after_session(self.scenario, self.expectation, run)))
            return
        seen.setdefault(key, strike)
        self._settle_and_judge(point, run)

    def _settle_and_judge(self, point, run):
        expectation = self._judge_and_deliver(point, run)
        self._note(point, self.bed.settle_and_judge(self.scenario, expectation))
        if not self.options.once_per_state:
            self._note(point + ", second open",
                       self.bed.settle_and_judge(self.scenario, expectation))

    def _judge_and_deliver(self, point, run):
        expectation = self.bed.after_session(self.scenario, self.expectation, run)
        self._note(point, self.bed.judge_struck(run, expectation))
        if self.scenario.delivery in ("after", "both"):
            deliver(self.bed.path(SPOOL), self.scenario.late_arrival)
            expectation.arrivals = expectation.arrivals + mbox_oracle.split(
                self.scenario.late_arrival)
        return expectation

    def _strike_recovery(self, first, turn):
        """The open after the fault `first` is struck at every call, too; in the short run at every
        fourth one, beginning elsewhere for each state."""
        if not self._lay_out_struck(first) or not self._worth_recovering():
            return
        _, calls = self.bed.calls(self.scenario, "list")
        strikes = [("kill", str(number)) for number, _ in calls]
        strikes += [strike for _, strike in self._error_points(calls)]
        if self.options.once_per_state:
            strikes = strikes[turn % 4::4]
        for strike in strikes:
            expectation = self._lay_out_struck(first)
            if not expectation:
                continue
            run = self.bed.list(self.scenario, strike)
            if run.status == NEVER_REACHED:
                continue
            kind = "kill" if strike[0] == "kill" else "error"
            self.tally.counts[kind + " points in recovery"] += 1
            point = " ".join(first) + ", then in recovery " + " ".join(strike)
            run.lines = [x for x in run.lines if x != "+OK"]  # the promise was the session's
            self._note(point, self.bed.judge_struck(run, expectation))
            self._note(point, self.bed.settle_and_judge(self.scenario, expectation))

    def _lay_out_struck(self, first):
        self.bed.lay_out(self.scenario)
        run = self.bed.session(self.scenario, first)
        if run.status == NEVER_REACHED:
            return None
        run.lock_held_at_pause = False  # judged before
        return self._judge_and_deliver(" ".join(first), run)

    def _worth_recovering(self):
        """In the short run only states that need more than a scan."""
        if not self.options.once_per_state:
            return True
        drop = self.bed.path(TEMP_DROP)
        return os.path.exists(self.bed.path(JOURNAL)) or \
            os.path.exists(drop) and os.path.getsize(drop) > 0

    def _note(self, point, faults):
        for kind, text in faults:
            self.tally.faults.append((self.scenario.name, point, kind, text))


@dataclass(frozen=True)
class Options:
    depth: int
    once_per_state: bool
    all_errors: bool


def strike_scenario(task):
    root, programs, scenario, options = task
    directory = os.path.join(root, scenario.name.replace("/", "-"))
    bed = TestBed(directory, programs)
    try:
        return scenario.name, Strikes(bed, scenario, options).run()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def report(tally, began, scenarios_run):
    kinds = Counter(kind for _, _, kind, _ in tally.faults)
    shown = Counter()
    for name, point, kind, text in tally.faults:
        shown[kind] += 1
        if shown[kind] <= 12:
            print(f"  {kind}: {name}: {point}: {text}")
    print("%d scenarios: " % scenarios_run +
          ", ".join("%d %s" % (n, what) for what, n in sorted(tally.counts.items())))
    print(", ".join("%d %s" % (kinds.get(kind, 0), kind) for kind in
                    ("lost", "doubled", "fragment", "mixed", "lie", "unique-id", "listing", "stuck",
                     "hang", "litter", "harness")) + " (%.0f s)" % (time.monotonic() - began))


def toy_scenarios():
    common = dict(spool=tuple(awkward_spool.plain()), arrival=awkward_spool.arrival(b"toy@e.org"))
    yield Scenario("toy/middle/none", erase=(3,), **common)
    yield Scenario("toy/second/between", erase=(2, 4), delivery="between", **common)


def judge_toy(tally):
    """The toy engine is wrong in known ways: all of them must have been found."""
    found = {kind for _, _, kind, _ in tally.faults}
    missing = {"lost", "lie", "fragment"} - found
    print("the wrong engine was %s" % ("not seen through: no " + ", ".join(sorted(missing))
                                       if missing else "found out"))
    return 1 if missing else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--driver", required=True)
    parser.add_argument("--strike", required=True)
    parser.add_argument("--full", action="store_true", help="everything: takes long")
    parser.add_argument("--toy", action="store_true", help="the driver is the wrong toy engine")
    parser.add_argument("--only", default="", help="only scenarios whose name begins so")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--root", default="/dev/shm" if os.access("/dev/shm", os.W_OK) else None,
                        help="directory to work in; memory is fastest")
    arguments = parser.parse_args()

    programs = Programs(arguments.driver, arguments.strike, knows_sizes=not arguments.toy)
    began = time.monotonic()
    tally = Tally()
    root = tempfile.mkdtemp(prefix="popper-fault-", dir=arguments.root)
    try:
        tasks = []
        for scenario in toy_scenarios() if arguments.toy else scenarios():
            depth = 2 if arguments.full else 1 if arguments.toy else smoke(scenario)
            if depth and scenario.name.startswith(arguments.only):
                tasks.append((root, programs, scenario,
                              Options(depth, not arguments.full, arguments.full)))
        if not tasks:
            parser.error("no scenario's name begins with " + arguments.only)
        tasks.sort(key=lambda task: -task[3].depth)
        with multiprocessing.Pool(arguments.jobs) as pool:
            for name, part in pool.imap_unordered(strike_scenario, tasks):
                print("  %s: %s%s" % (name, dict(part.counts), " FAULTS" if part.faults else ""),
                      flush=True)
                tally.add(part)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    report(tally, began, len(tasks))
    if arguments.toy:
        return judge_toy(tally)
    return 1 if tally.faults else 0


if __name__ == "__main__":
    sys.exit(main())
