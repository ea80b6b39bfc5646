"""Runs the driver in a directory of its own, strikes it, delivers mail, and judges what is left."""

import fcntl
import os
import re
import shutil
import subprocess
import time
from dataclasses import dataclass, replace

import mbox_oracle as oracle

USER = "jo"
SPOOL, LOCK, JOURNAL = USER, USER + ".lock", "." + USER + ".journal"
TEMP_DROP, INDEX = "." + USER + ".pop", "." + USER + ".cache"
TRASH = "." + USER + ".trash"
NEVER_REACHED, STRIKE_BROKEN, HANG = 100, 101, 124


@dataclass(frozen=True)
class Scenario:
    """A maildrop, and a session in it."""
    name: str
    spool: tuple  # messages, bytes each
    mode: str = "server"
    erase: tuple = ()  # message numbers
    retrieve: tuple = ()
    delivery: str = "none"  # none, between (open and commit), after (the crash), both
    index: str = "cold"  # warm: an index of the spool stands already
    temp_drop: tuple = ()  # left by a crash of the old program
    options: tuple = ()
    arrival: bytes = b""
    late_arrival: bytes = b""

    def session_words(self):
        words = ["--delete=" + ",".join(map(str, self.erase)),
                 "--retrieve=" + ",".join(map(str, self.retrieve))]
        if self.delivery in ("between", "both"):
            words.append("--pause")
        return words

    def common_words(self):
        return ["--mode=" + self.mode, *self.options]


@dataclass
class Run:
    """What a driver did."""
    status: int
    lines: list
    delivered: bool = False
    delivery_failed: bool = False  # the file system went away under it
    lock_held_at_pause: bool = False

    def said_ok(self):
        return "+OK" in self.lines

    def listed(self):
        rows = [line.split(" ") for line in self.lines if re.match(r"\d+ ", line)]
        return [(row[1], int(row[2])) for row in rows]


@dataclass(frozen=True)
class Programs:
    driver: str
    strike: str
    knows_sizes: bool = True  # the toy engine does not


def deliver(spool, message):
    """As a delivery agent does: dotlock, fcntl lock, flock, append, fsync. A dotlock of a process
    that is gone is broken, as agents do after a while. False: locked, try again much later."""
    lock = spool + ".lock"
    deadline = time.monotonic() + 0.5
    while True:
        try:
            os.close(os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            break
        except FileExistsError:
            if _holder_is_gone(lock):
                os.unlink(lock)
            elif time.monotonic() > deadline:
                return False
            else:
                time.sleep(0.005)
    with open(spool, "ab+") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.unlink(lock)
            return False
        file.seek(0, os.SEEK_END)
        size = file.tell()
        file.seek(max(size - 2, 0))
        tail = file.read()
        missing = b"" if size == 0 or tail == b"\n\n" else b"\n" if tail[-1:] == b"\n" else b"\n\n"
        file.write(missing + message)
        file.flush()
        os.fsync(file.fileno())
    os.unlink(lock)
    return True


def _holder_is_gone(lock):
    content = oracle.read(lock)
    found = re.match(rb"\s*(\d+)", content)
    if not found:
        return not content  # killed before it could write its number
    try:
        os.kill(int(found.group(1)), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


class TestBed:
    """One directory; used for one fault after another."""

    def __init__(self, directory, programs):
        self.directory = directory
        self.programs = programs
        os.makedirs(directory, exist_ok=True)

    def path(self, name):
        return os.path.join(self.directory, name)

    def lay_out(self, scenario):
        """The state before the session."""
        self.clear()
        for name, content in ((SPOOL, scenario.spool), (TEMP_DROP, scenario.temp_drop)):
            if content or name == SPOOL:
                descriptor = os.open(self.path(name), os.O_CREAT | os.O_WRONLY, 0o600)
                with open(descriptor, "wb") as file:
                    file.write(b"".join(content))
        if scenario.index == "warm":
            self.list(scenario)

    def clear(self):
        for name in os.listdir(self.directory):
            path = self.path(name)
            shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)

    def list(self, scenario, strike=()):
        return self._run("list", scenario.common_words(), strike, None)

    def session(self, scenario, strike=()):
        return self._run("session", scenario.common_words() + scenario.session_words(), strike,
                         scenario.arrival)

    def _run(self, verb, words, strike, arrival):
        command = [self.programs.driver, verb, self.directory, *words]
        if strike:
            command = [self.programs.strike, *strike, "--", *command]
        pausing = "--pause" in words
        with subprocess.Popen(command, stdout=subprocess.PIPE,
                              stdin=subprocess.PIPE if pausing else subprocess.DEVNULL) as process:
            run = Run(0, [])
            if pausing:
                first = process.stdout.readline().decode("latin-1").rstrip("\n")
                run.lines.append(first)
                if first == "opened":
                    run.lock_held_at_pause = os.path.exists(self.path(LOCK))
                    try:
                        run.delivered = deliver(self.path(SPOOL), arrival)
                    except OSError:
                        run.delivery_failed = True
                    try:
                        process.stdin.write(b"\n")
                        process.stdin.close()
                    except BrokenPipeError:
                        pass
                    process.stdin = None
            try:
                rest, _ = process.communicate(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                rest, _ = process.communicate()
                run.lines.append("hang")
            run.lines += [x for x in rest.decode("latin-1").split("\n") if x]
            run.status = HANG if "hang" in run.lines else process.returncode
        return run

    def calls(self, scenario, verb):
        """The system calls of a run without a fault: (number, name) pairs."""
        listing = self.directory + ".calls"
        run = self.list(scenario, ("list", listing)) if verb == "list" else \
            self.session(scenario, ("list", listing))
        with open(listing, encoding="ascii") as file:
            rows = [line.split() for line in file]
        os.unlink(listing)
        return run, [(int(row[0]), row[1]) for row in rows]

    def expectation(self, scenario):
        """Learns from an undisturbed open what the unique-ids are, and checks that open."""
        self.lay_out(scenario)
        run = self.list(scenario)
        before = [m for content in (scenario.temp_drop, scenario.spool)
                  for m in oracle.split(b"".join(content))]
        unique = {m.content(): m for m in reversed(before)} if scenario.temp_drop else {}
        wanted = oracle.Expectation([m for m in before if unique.get(m.content(), m) is m],
                                    frozenset(), any_order=bool(scenario.temp_drop))
        faults = self.judge_settled(scenario, run, wanted)
        found = oracle.split(oracle.read(self.path(SPOOL)))
        expectation = oracle.Expectation(
            found, frozenset(n - 1 for n in scenario.erase),
            any_order=bool(scenario.temp_drop))
        for message, (unique_id, _) in zip(found, run.listed()):
            expectation.unique_ids.setdefault(message.content().rstrip(b"\r\n"), []).append(unique_id)
        return expectation, faults

    def after_session(self, scenario, expectation, run):
        """The expectation once a session was struck, with the mail that came meanwhile."""
        arrivals = oracle.split(scenario.arrival) if run.delivered else []
        return replace(expectation, said_ok=run.said_ok(), arrivals=arrivals)

    def judge_struck(self, run, expectation):
        """Faults of the state as the fault left it, before anything was mended."""
        contents = [oracle.read(self.path(name)) for name in (SPOOL, JOURNAL, TEMP_DROP)]
        faults = oracle.check_all_bytes_somewhere(contents, expectation)
        if run.status in (STRIKE_BROKEN, HANG):
            faults.append(("harness" if run.status == STRIKE_BROKEN else "hang", str(run.lines)))
        if run.lock_held_at_pause:
            faults.append(("stuck", "the spool is locked between open and commit"))
        if run.said_ok() and os.path.exists(self.path(JOURNAL)):
            faults.append(("lie", "+OK was sent before the journal was gone"))
        if run.said_ok():
            faults += oracle.check_spool(contents[0], expectation)
        return faults

    def settle_and_judge(self, scenario, expectation):
        """Faults after an open that nothing disturbs."""
        run = self.list(scenario)
        return self.judge_settled(scenario, run, expectation)

    def judge_settled(self, scenario, run, expectation):
        if run.status != 0 or not run.said_ok():
            return [("stuck", "the next open fails: status %d, %s" % (run.status, run.lines))]
        spool = oracle.read(self.path(SPOOL))
        faults = oracle.check_spool(spool, expectation)
        faults += self._judge_files(scenario)
        try:
            found = oracle.split(spool)
        except ValueError:
            return faults
        listed = run.listed()
        if not self.programs.knows_sizes:
            listed = [(unique_id, None) for unique_id, _ in listed]
        return faults + oracle.check_unique_ids(found, listed, expectation)

    def _judge_files(self, scenario):
        faults = []
        if os.path.exists(self.path(LOCK)) and _holder_is_gone(self.path(LOCK)):
            # An open that trusts the index needs no lock. Whoever needs it must get it.
            if os.path.exists(self.path(INDEX)):
                os.unlink(self.path(INDEX))
            self.list(scenario)
        for name in oracle.files_beside(self.directory):
            if name == LOCK:
                faults.append(("stuck", "the dotlock is left"))
            elif name == JOURNAL:
                faults.append(("stuck", "the journal is left"))
            elif name == TEMP_DROP:
                if os.path.getsize(self.path(name)):
                    faults.append(("doubled", "mail is left in the temporary drop"))
            elif name not in (SPOOL, INDEX, TRASH):
                faults.append(("litter", re.sub(r"\d+", "N", name)))
        return faults

    def state_key(self):
        """Equal for states that differ in nothing but numbers of processes, times and inodes."""
        key = []
        for name in oracle.files_beside(self.directory):
            content = b"" if name == LOCK else oracle.read(self.path(name))
            if ".cache" in name or name == TRASH:
                content = len(content)
            elif name == JOURNAL:
                content = (len(content), content[2048:])  # without the header: identity, sums
            elif name == SPOOL:
                content = re.sub(rb"\xff.{31}", b"", content, flags=re.S)  # a journal's random mark
            key.append((re.sub(r"\d+", "N", name), content))
        return hash(tuple(key))
