#!/usr/bin/env python3
"""Options of the daemon itself, and of its locks, whose effect no other scenario looks at."""

import contextlib
import os
import poplib
import re
import signal
import socket
import subprocess
import threading

import daemon_processes
import popper_host
from popper_host import PATIENCE, POPAUTH, POPPER, HostTest, simple_spool, wait_until


class DaemonOptionsTest(HostTest):
    def setUp(self):
        super().setUp()
        self.host.write_spool(self.user, simple_spool(2))

    def test_host_name(self):
        """In the greeting, in the stamp for APOP, and in what is said last."""
        secrets = self.host.path("secrets")
        subprocess.run([POPAUTH, "init", "-q", "--credential-file", secrets], check=True,
                       timeout=PATIENCE, stdin=subprocess.DEVNULL)
        config = self.host.configure(host_name="pop.example.net", credential_file=secrets)
        with self.host.standalone(config) as port:
            with contextlib.closing(poplib.POP3("127.0.0.1", port, timeout=PATIENCE)) as client:
                self.assertRegex(client.welcome, rb"at pop\.example\.net starting\. .*@pop\.example\.net>")
                self.assertIn(b"pop.example.net signing off", client.quit())

    def test_gate_user(self):
        config = self.host.configure("gate-user.conf", gate_user=self.user.name)
        with self.host.standalone(config):
            family = daemon_processes.Family(config)

            def all_are_his():
                gates = family.gates()
                return gates and all(gate.uids == {self.user.uid} for gate in gates)
            wait_until(all_are_his, "each gate that there is runs as that user")

    def hold_lock(self):
        """As a delivery on another host does, which nobody here can ask about."""
        return self.host.write(self.host.spool_path(self.user) + ".lock",
                               b"12345@elsewhere.example.net\n", owner=self.user.uid)

    def test_lock_wait(self):
        self.hold_lock()
        with self.host.standalone(self.host.configure(lock_wait=0)) as port:
            with self.assertRaises(poplib.error_proto):
                self.host.login(port, self.user)
            os.unlink(self.host.spool_path(self.user) + ".lock")
            self.host.login(port, self.user).quit()
        lock = self.hold_lock()
        self.host.deliver(self.user, simple_spool(1))
        with self.host.standalone(self.host.configure(lock_wait=600)) as port:
            count = []

            def session():
                client = self.host.login(port, self.user)
                count.append(client.stat()[0])
                client.quit()

            thread = threading.Thread(target=session)
            thread.start()
            wait_until(lambda: " login id=" in self.host.log(port), "the session begins")
            self.assertEqual(count, [])
            os.unlink(lock)
            thread.join(PATIENCE)
            self.assertEqual(count, [3])

    @contextlib.contextmanager
    def one_gate(self, record, config):
        """popper under strace, with one processor and so with one gate; yields its port and gate."""
        port = popper_host.free_port()
        processor = min(os.sched_getaffinity(0))
        process = subprocess.Popen(
            ["strace", "-ff", "-qq", "-o", record, "-e", "trace=accept,accept4,epoll_wait,epoll_pwait",
             POPPER, f"127.0.0.1:{port}", "--foreground", "-f", config],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            preexec_fn=lambda: os.sched_setaffinity(0, {processor}), start_new_session=True)
        try:
            wait_until(lambda: popper_host.accepts(port), "popper listens")
            family = daemon_processes.Family(config)
            try:
                gate, = wait_until(family.gates, "the gate has its name")
                yield port, gate.pid
            finally:
                os.kill(family.master.pid, signal.SIGINT)
                process.wait(PATIENCE)
        finally:  # strace would leave behind whom it traces
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(PATIENCE)

    def most_in_one_go(self, accepts):
        """How many of 40 clients who came while the gate stood still it takes before it looks at
        anybody else."""
        record = self.host.path(f"strace.{accepts}")
        config = self.host.configure(f"accepts.{accepts}.conf", accepts=accepts)
        with self.one_gate(record, config) as (port, gate), contextlib.ExitStack() as clients:
            os.kill(gate, signal.SIGSTOP)
            waiting = [clients.enter_context(socket.create_connection(("127.0.0.1", port), PATIENCE))
                       for _ in range(40)]
            os.kill(gate, signal.SIGCONT)
            for client in waiting:
                self.assertTrue(client.recv(512).startswith(b"+OK"))
        longest = run = 0
        with open(f"{record}.{gate}") as stream:
            for line in stream:
                run = run + 1 if re.match(r"accept4?\(.*\) = \d+$", line) else 0
                longest = max(longest, run)
        return longest

    def test_accepts(self):
        self.assertEqual(self.most_in_one_go(1), 1)
        self.assertEqual(self.most_in_one_go(8), 8)


if __name__ == "__main__":
    popper_host.main()
