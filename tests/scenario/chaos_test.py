#!/usr/bin/env python3
"""Logins of real users while gates are killed at random: only a connection that the killed gate
held may fail, and only before its login. POPPER_CHAOS=full: 1,000 logins, as `make chaos` does."""

import contextlib
import os
import poplib
import random
import re
import signal
import threading
import time
import unittest

import daemon_processes
import popper_host
from popper_host import Host, message_of, simple_spool, wait_until

FULL = os.environ.get("POPPER_CHAOS") == "full"
LOGINS, ACCOUNTS, CLIENTS = (1000, 20, 10) if FULL else (100, 4, 4)
PAUSE = (1.0, 4.0) if FULL else (0.2, 0.6)  # seconds between two kills
MESSAGES = 3
TIMEOUT = 120


def client_ports(gate, port):
    """The clients' ports of the connections that a process holds."""
    inodes = {name[8:-1] for name in gate.descriptors.values() if name.startswith("socket:[")}
    ports = set()
    with open("/proc/net/tcp") as stream:
        for line in list(stream)[1:]:
            fields = line.split()
            local, remote = (int(end.split(":")[1], 16) for end in fields[1:3])
            if local == port and fields[9] in inodes:
                ports.add(remote)
    return ports


class Killer(threading.Thread):
    """Stops a gate, notes whose connections it holds, and kills it."""

    def __init__(self, config, port, seed):
        super().__init__(daemon=True)
        self.family = daemon_processes.Family(config)
        self.port, self.random = port, random.Random(seed)
        self.done = threading.Event()
        self.kills, self.held = 0, set()

    def run(self):
        while not self.done.wait(self.random.uniform(*PAUSE)):
            gates = self.family.gates()
            if gates:
                self.kill(self.random.choice(gates))

    def kill(self, gate):
        with contextlib.suppress(ProcessLookupError, FileNotFoundError):
            os.kill(gate.pid, signal.SIGSTOP)
            wait_until(lambda: daemon_processes.Process(gate.pid).status["State"].startswith("T"),
                       "the gate stands still")
            self.held |= client_ports(gate, self.port)
            os.kill(gate.pid, signal.SIGKILL)
            self.kills += 1


class Connection(poplib.POP3):
    """Remembers its port, also when not even the greeting comes."""
    own_port = None

    def _create_socket(self, timeout):
        connected = super()._create_socket(timeout)
        self.own_port = connected.getsockname()[1]
        return connected


class Client(threading.Thread):
    """Logs in again and again, each time as the next of its users."""

    def __init__(self, port, users, logins):
        super().__init__(daemon=True)
        self.port, self.users, self.logins = port, users, logins
        self.begun, self.lost, self.failures = 0, [], []

    def run(self):
        for number in range(self.logins):
            user = self.users[number % len(self.users)]
            while not self.failures and not self.log_in(user):
                pass

    def log_in(self, user):
        client = Connection.__new__(Connection)
        try:
            try:
                client.__init__("127.0.0.1", self.port, timeout=TIMEOUT)
                client.user(user.name)
                client.pass_(user.password)
            except (OSError, EOFError, poplib.error_proto) as error:
                return self.note_loss(client.own_port, error)
            self.begun += 1
            if client.stat()[0] != MESSAGES or b"number 2" not in message_of(client, 2):
                self.failures.append("a wrong maildrop")
            client.quit()
        except (OSError, EOFError, poplib.error_proto) as error:
            self.failures.append(f"a session failed: {error!r}")
        finally:
            if client.own_port:
                client.close()
        return True

    def note_loss(self, own_port, error):
        self.lost.append((own_port, repr(error)))
        time.sleep(0.05)
        return False


class ChaosTest(unittest.TestCase):
    def setUp(self):
        self.host = Host()
        self.addCleanup(self.host.close)
        self.users = [self.host.add_user(chr(ord("a") + i)) for i in range(ACCOUNTS)]
        for user in self.users:
            self.host.write_spool(user, simple_spool(MESSAGES))
        self.config = self.host.configure("chaos.conf")

    def test_only_connections_of_a_killed_gate_are_lost(self):
        seed = random.randrange(1 << 30)
        with self.host.standalone(self.config) as port:
            killer = Killer(self.config, port, seed)
            clients = [Client(port, self.users[i::CLIENTS], LOGINS // CLIENTS)
                       for i in range(CLIENTS)]
            began = time.monotonic()
            for thread in [killer, *clients]:
                thread.start()
            for client in clients:
                client.join()
            took = time.monotonic() - began
            killer.done.set()
            killer.join()
            log = self.host.log(port)
        lost = [loss for client in clients for loss in client.lost]
        begun = sum(client.begun for client in clients)
        print(f"{begun} sessions, {killer.kills} gates killed, {len(lost)} connections of theirs "
              f"lost before login, {took:.1f} s, seed {seed}", flush=True)
        self.assertEqual([failure for client in clients for failure in client.failures], [])
        self.assertEqual(begun, LOGINS)
        self.assertEqual([loss for loss in lost if loss[0] not in killer.held], [])
        self.assertGreater(killer.kills, 0)
        self.assertEqual(len(re.findall(r" gate-ended ", log)), killer.kills)
        self.assertNotIn("session-crashed", log)


if __name__ == "__main__":
    popper_host.main()
