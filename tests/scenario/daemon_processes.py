"""What /proc tells of popper's roles."""

import contextlib
import os

import popper_host

KEEPERS = 4  # of each gate, unless the configuration says otherwise


class Process:
    def __init__(self, pid):
        self.pid = pid
        with open(f"/proc/{pid}/status") as stream:
            self.status = dict(line.rstrip("\n").split(":\t", 1) for line in stream if ":\t" in line)
        with open(f"/proc/{pid}/cmdline", "rb") as stream:
            self.arguments = stream.read().decode(errors="replace").split("\0")

    @property
    def name(self):
        return self.status["Name"]

    @property
    def parent(self):
        return int(self.status["PPid"])

    @property
    def uids(self):
        return {int(uid) for uid in self.status["Uid"].split()}

    @property
    def gids(self):
        return {int(gid) for gid in self.status["Gid"].split()}

    @property
    def groups(self):
        return {int(gid) for gid in self.status["Groups"].split()}

    @property
    def root(self):
        return os.readlink(f"/proc/{self.pid}/root")

    @property
    def resident(self):
        """Octets."""
        return int(self.status["VmRSS"].split()[0]) * 1024

    @property
    def descriptors(self):
        """Those that last: one may be closed while we look."""
        folder = f"/proc/{self.pid}/fd"
        found = {}
        for name in os.listdir(folder):
            with contextlib.suppress(FileNotFoundError):
                found[int(name)] = os.readlink(f"{folder}/{name}")
        return found


def all_processes():
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                process = Process(int(name))
            except (FileNotFoundError, ProcessLookupError):
                continue
            if not process.status["State"].startswith("Z"):
                yield process


def memory_of(process, rights="rw"):
    """What it may read ("r") or write ("rw"), as far as the kernel shows it."""
    pieces = []
    with open(f"/proc/{process.pid}/maps") as maps, \
            open(f"/proc/{process.pid}/mem", "rb", buffering=0) as memory:
        for line in maps:
            span, granted = line.split()[:2]
            begin, end = (int(number, 16) for number in span.split("-"))
            if not granted.startswith(rights) or begin >= 1 << 47:
                continue
            memory.seek(begin)
            with contextlib.suppress(OSError):
                pieces.append(memory.read(end - begin))
    return b"".join(pieces)


def descendants_of(pid):
    """The process itself included."""
    everybody = list(all_processes())
    found = {pid}
    while True:
        more = {p.pid for p in everybody if p.parent in found} - found
        if not more:
            return [p for p in everybody if p.pid in found]
        found |= more


class Family:
    """A daemon's master, found by the configuration on its command line, and what descends from it."""

    def __init__(self, config):
        def find():
            return next((process for process in all_processes()
                         if config in process.arguments and process.name == "pop-master"), None)
        self.master = popper_host.wait_until(find, "the master has its name")  # after it listens

    def members(self):
        """Everything that descends from the master, itself included."""
        return descendants_of(self.master.pid)

    def named(self, name):
        return [process for process in self.members() if process.name == name]

    def gates(self):
        return self.named("pop-gate")

    def keepers(self):
        return self.named("pop-keeper")

    def nurseries(self):
        """One of each keeper, there before the keeper has its name."""
        return self.named("pop-nursery")

    def sessions(self):
        return self.named("pop-session")

    def wait_for_gone(self):
        pids = [process.pid for process in self.members()]
        popper_host.wait_until(lambda: not any(is_running(pid) for pid in pids), "all roles end")


def is_running(pid):
    try:
        return not Process(pid).status["State"].startswith("Z")
    except (FileNotFoundError, ProcessLookupError):
        return False
