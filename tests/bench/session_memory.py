#!/usr/bin/env python3
"""Memory of idle logged-in sessions: many at once of virtual users, some of system users.

    session_memory.py [--sessions N] [--strangers N] [--most KILOBYTES]

Prints for each kind, per session: memory that only it has, its page tables, its share of what it has
in common with others, and what the kernel's own memory grew by; then how long an honest login takes
beside all of them and as many idle strangers as asked for. With --most, exit status 1 when the
first, second and last together are more. Needs root; POPPER and POPAUTH name the programs, which
should be a release build.
"""

import argparse
import contextlib
import hashlib
import os
import re
import resource
import socket
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "scenario"))

import crowd_bench  # noqa: E402
import daemon_processes  # noqa: E402
import popper_host  # noqa: E402

PASSWORD = "p"
SETTLED = 5  # seconds: longer than a session waits before it gives memory back
SYSTEM_USERS = 5


def kernel_kilobytes():
    """Without page tables, which are counted with their processes."""
    with open("/proc/meminfo") as stream:
        info = {line.split(":")[0]: int(line.split()[1]) for line in stream}
    return info["Slab"] + info["KernelStack"]


def memory_of(pid):
    """Private, shared proportionally, and page tables, in kilobytes."""
    with open(f"/proc/{pid}/smaps_rollup") as stream:
        fields = dict(line.split(":") for line in stream if line[0].isupper())
    number = {name: int(value.split()[0]) for name, value in fields.items()}
    private = number["Private_Clean"] + number["Private_Dirty"]
    with open(f"/proc/{pid}/status") as stream:
        tables = next(int(line.split()[1]) for line in stream if line.startswith("VmPTE"))
    return private, number["Pss"] - private, tables


class Bench:
    def __init__(self, host, sessions, strangers):
        self.host, self.strangers = host, strangers
        self.guest = host.add_user("g")
        self.owner = host.add_user("m")
        self.system = [host.add_user(letter) for letter in "nopqr"[:SYSTEM_USERS]]
        self.file = host.path("credentials.gdbm")
        self.popauth("init")
        self.virtual = [f"v{number}" for number in range(sessions)]
        for name in self.virtual:
            self.popauth("set", name, "--stdin", "--apop", "--uid", str(self.owner.uid), "--gid",
                         str(self.owner.gid), "--home", self.owner.home, input=b"p\n")
            self.write_spool(name, self.owner)
        for user in self.system:
            self.write_spool(user.name, user)
        self.write_spool(self.guest.name, self.guest)
        self.config = host.configure("memory.conf", credential_file=self.file, timeout=3600,
                                     login_timeout=3600,
                                     max_connections=2 * sessions + strangers + 100)

    def popauth(self, *words, **more):
        subprocess.run([popper_host.POPAUTH, *words, "--credential-file", self.file], check=True,
                       timeout=popper_host.PATIENCE, **more)

    def write_spool(self, name, owner):
        self.host.write(os.path.join(self.host.spool_dir, name), popper_host.simple_spool(20),
                        owner=owner.uid)

    def log_in(self, port, name):
        client = socket.create_connection(("127.0.0.1", port), timeout=popper_host.PATIENCE)
        stamp = re.search(rb"<.*>", client.recv(512))[0]
        digest = hashlib.md5(stamp + PASSWORD.encode()).hexdigest()
        client.sendall(f"APOP {name} {digest}\r\n".encode())
        answer = client.recv(512)
        if not answer.startswith(b"+OK"):
            raise AssertionError(f"{name}: {answer}")
        client.sendall(b"STAT\r\nUIDL\r\n")
        while not answer.endswith(b"\r\n.\r\n"):
            answer += client.recv(4096)
        return client

    def measure(self, kind, port, log_in_all):
        family = daemon_processes.Family(self.config)
        before, there = kernel_kilobytes(), {p.pid for p in family.sessions()}
        clients = log_in_all(port)
        time.sleep(SETTLED)
        grown = max(kernel_kilobytes() - before, 0) / len(clients)
        each = [memory_of(p.pid) for p in family.sessions() if p.pid not in there]
        if len(each) != len(clients):
            raise AssertionError(f"{len(clients)} logins and {len(each)} sessions")
        private, shared, tables = (statistics.mean(column) for column in zip(*each))
        total = private + tables + grown
        print(f"{kind}: {len(each)} sessions: {total:.0f} KB each: private {private:.0f}, page "
              f"tables {tables:.0f}, kernel {grown:.0f}; and {shared:.0f} of what is shared",
              flush=True)
        return clients, total

    def run(self):
        with contextlib.ExitStack() as stack, self.host.standalone(self.config) as port:
            for number in range(self.strangers):
                stack.callback(crowd_bench.connect(port, number).close)
            clients, total = self.measure("virtual users", port, lambda port: [
                self.log_in(port, name) for name in self.virtual])
            for client in clients:
                stack.callback(client.close)
            clients, _ = self.measure("system users", port, lambda port: [
                self.host.login(port, user) for user in self.system])
            for client in clients:
                stack.callback(client.close)
            times = crowd_bench.login_times(self.host.login, port, self.guest, 20)
        print(f"login and QUIT beside them and {self.strangers} strangers: median "
              f"{statistics.median(times) * 1000:.1f} ms, longest {times[-1] * 1000:.1f} ms")
        return total


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--sessions", type=int, default=2000)
    arguments.add_argument("--strangers", type=int, default=0)
    arguments.add_argument("--most", type=int, help="kilobytes a session")
    given = arguments.parse_args()
    popper_host.require_root()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    host = popper_host.Host()
    try:
        total = Bench(host, given.sessions, given.strangers).run()
    finally:
        host.close()
    return 1 if given.most and total > given.most else 0


if __name__ == "__main__":
    sys.exit(main())
