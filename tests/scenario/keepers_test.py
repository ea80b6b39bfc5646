#!/usr/bin/env python3
"""Keepers that hang, that lose their gate, and that have much to do."""

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import threading

import daemon_processes
import popper_host
from popper_host import PATIENCE, HostTest

PIDFD_GETFD = 438


def taken_from(process, number):
    """A copy of a descriptor of another process."""
    pidfd = os.pidfd_open(process.pid)
    try:
        copy = ctypes.CDLL(None, use_errno=True).syscall(PIDFD_GETFD, pidfd, number, 0)
    finally:
        os.close(pidfd)
    if copy < 0:
        raise OSError(ctypes.get_errno(), "pidfd_getfd")
    return socket.socket(fileno=copy)


def say_nonsense_on_channels(process):
    """To everybody whom the process has a channel to."""
    for number, name in process.descriptors.items():
        if name.startswith("socket:"):
            with taken_from(process, number) as channel:
                is_channel = (channel.family == socket.AF_UNIX
                              and channel.type & socket.SOCK_SEQPACKET == socket.SOCK_SEQPACKET)
                if is_channel:
                    with contextlib.suppress(OSError):
                        channel.send(b"nonsense", socket.MSG_DONTWAIT)


class KeepersTest(HostTest):
    def setUp(self):
        super().setUp()
        self.host.write_spool(self.user, popper_host.simple_spool(2))
        self.open = contextlib.ExitStack()
        self.addCleanup(self.open.close)

    @contextlib.contextmanager
    def daemon(self, **options):
        self.keepers = options.get("keepers", daemon_processes.KEEPERS)
        self.config = self.host.configure("keepers.conf", **options)
        with self.host.standalone(self.config) as port:
            self.family = daemon_processes.Family(self.config)
            self.wait_for_roles()
            yield port

    def wait_for_roles(self, but=()):
        """Until all run, and none of those in `but` among them."""
        gates = len(os.sched_getaffinity(0))

        def are_there():
            roles = self.family.gates(), self.family.keepers()
            keepers = {keeper.pid for keeper in roles[1]} - set(but)
            return (len(roles[0]) == gates and len(keepers) == self.keepers * gates
                    and not {gate.pid for gate in roles[0]} & set(but))
        popper_host.wait_until(are_there, "all roles run", 3 * PATIENCE)

    def client(self, port, source="127.0.0.1"):
        client = socket.create_connection(("127.0.0.1", port), timeout=3 * PATIENCE,
                                          source_address=(source, 0))
        self.open.callback(client.close)
        return client, client.makefile("rb")

    def login_of(self, client, name, password):
        socket_, lines = client
        self.assertTrue(lines.readline().startswith(b"+OK"))
        socket_.sendall(f"USER {name}\r\nPASS {password}\r\n".encode())
        self.assertTrue(lines.readline().startswith(b"+OK"))
        return lines

    def test_each_gate_has_as_many_keepers_as_it_should(self):
        for count in (1, 3):
            with self.daemon(keepers=count):
                self.assertEqual(len(self.family.keepers()), count * len(self.family.gates()))

    # Who loses its channel

    def test_a_keeper_without_its_gate_lives_for_its_sessions_and_another_serves(self):
        with self.daemon() as port:
            session = self.host.login(port, self.user)
            before = {keeper.pid for keeper in self.family.keepers()}
            for keeper in self.family.keepers():
                with taken_from(keeper, 4) as channel:
                    channel.send(b"nonsense")
            self.wait_for_roles(but=before)
            self.assertEqual(session.stat()[0], 2)
            session.quit()
            self.host.login(port, self.user).quit()
            popper_host.wait_until(
                lambda: not before & {keeper.pid for keeper in self.family.keepers()},
                "the old keepers end with their sessions")
            self.assertIn(" keeper-parted ", self.host.log(port))

    def test_a_gate_that_broke_the_rules_is_replaced(self):
        with self.daemon() as port:
            session = self.host.login(port, self.user)
            gates = self.family.gates()
            before = {process.pid for process in gates + self.family.keepers()}
            for gate in gates:
                with contextlib.suppress(ProcessLookupError):  # at the first word
                    say_nonsense_on_channels(gate)
            self.wait_for_roles(but=before)
            self.assertEqual(session.stat()[0], 2)
            session.quit()
            self.host.login(port, self.user).quit()
            self.assertIn(" gate-broken ", self.host.log(port))

    def test_keepers_that_stand_still_are_replaced_and_the_client_is_told(self):
        with self.daemon(login_timeout=2, timeout=2) as port:
            client, lines = self.client(port)
            self.assertTrue(lines.readline().startswith(b"+OK"))
            keepers = {keeper.pid for keeper in self.family.keepers()}
            for keeper in keepers:
                os.kill(keeper, signal.SIGSTOP)
            client.sendall(f"USER {self.user.name}\r\nPASS {self.user.password}\r\n".encode())
            self.assertTrue(lines.readline().startswith(b"+OK"))
            self.assertTrue(lines.readline().startswith(b"-ERR"))
            self.wait_for_roles(but=keepers)
            self.host.login(port, self.user).quit()
            self.assertIn(" keeper-stuck ", self.host.log(port))

    def test_a_session_process_that_stands_still_keeps_no_client_waiting(self):
        credentials = self.host.path("credentials.gdbm")
        subprocess.run([popper_host.POPAUTH, "init", "-q", "--credential-file", credentials],
                       check=True, timeout=PATIENCE)
        for name in ("jo", "kim"):
            subprocess.run([popper_host.POPAUTH, "set", name, "--stdin", "--uid", str(self.user.uid),
                            "--gid", str(self.user.gid), "--home", self.user.home, "--maildrop",
                            os.path.join(self.user.home, name), "-q", "--credential-file",
                            credentials],
                           input="right horse\n", text=True, check=True, timeout=PATIENCE)
        processors = os.sched_getaffinity(0)
        self.addCleanup(os.sched_setaffinity, 0, processors)
        os.sched_setaffinity(0, {min(processors)})  # one gate, whose keeper has every login
        with self.daemon(auth_source="credentials", credential_file=credentials,
                         clear_text_password="always", keepers=1) as port:
            first = self.client(port)
            lines = self.login_of(first, "jo", "right horse")
            self.assertTrue(lines.readline().startswith(b"+OK"))
            first[0].sendall(b"QUIT\r\n")
            lines.read()
            for idle in popper_host.wait_until(lambda: self.family.named("pop-idle"), "it is idle"):
                os.kill(idle.pid, signal.SIGSTOP)
            for _ in range(4 * len(self.family.gates())):
                lines = self.login_of(self.client(port), "kim", "right horse")
                lines.readline()  # before long, whatever it is
            popper_host.wait_until(lambda: " session-stuck " in self.host.log(port),
                                   "it was found out", 3 * PATIENCE)

    # Where sessions are forked

    def test_sessions_are_the_keepers_and_go_on_without_the_nursery(self):
        with self.daemon() as port:
            first = self.host.login(port, self.user)
            session, = self.family.sessions()
            self.assertIn(session.parent, {keeper.pid for keeper in self.family.keepers()})
            nurseries = self.family.nurseries()
            self.assertEqual({nursery.parent for nursery in nurseries},
                             {keeper.pid for keeper in self.family.keepers()})
            for nursery in nurseries:
                os.kill(nursery.pid, signal.SIGKILL)
            popper_host.wait_until(lambda: not self.family.nurseries(), "they are gone")
            self.assertEqual(first.stat()[0], 2)
            first.quit()
            for _ in range(3):
                self.host.login(port, self.user).quit()
            self.assertIn("nursery of sessions", self.host.log(port))
            self.assertNotIn("keeper-lost", self.host.log(port))

    def test_a_nursery_knows_the_log_and_its_keeper_and_ends_with_it(self):
        with self.daemon() as port:
            self.host.login(port, self.user).quit()
            nurseries, keepers = self.family.nurseries(), self.family.keepers()
            for nursery in nurseries:
                others = {number: name for number, name in nursery.descriptors.items() if number > 2}
                self.assertEqual([name for name in others.values()
                                  if not name.startswith("socket:") and "scoreboard" not in name], [])
                self.assertEqual(
                    len([name for name in others.values() if name.startswith("socket:")]), 1, others)
            os.kill(nurseries[0].pid, signal.SIGSTOP)
            for keeper in keepers:
                os.kill(keeper.pid, signal.SIGKILL)
            popper_host.wait_until(lambda: not any(daemon_processes.is_running(nursery.pid)
                                                   for nursery in nurseries), "they end")
            self.wait_for_roles(but=[keeper.pid for keeper in keepers])
            self.host.login(port, self.user).quit()

    def test_a_nursery_that_stands_still_is_replaced_with_its_keeper(self):
        with self.daemon(login_timeout=2, timeout=2) as port:
            nurseries = {nursery.pid for nursery in self.family.nurseries()}
            keepers = {keeper.pid for keeper in self.family.keepers()}
            for nursery in nurseries:
                os.kill(nursery, signal.SIGSTOP)
            client, lines = self.client(port)
            self.assertTrue(lines.readline().startswith(b"+OK"))
            client.sendall(f"USER {self.user.name}\r\nPASS {self.user.password}\r\n".encode())
            self.assertTrue(lines.readline().startswith(b"+OK"))
            lines.readline()  # before long, whatever it is
            popper_host.wait_until(lambda: " keeper-stuck " in self.host.log(port),
                                   "it was found out", 3 * PATIENCE)
            popper_host.wait_until(
                lambda: not keepers <= {keeper.pid for keeper in self.family.keepers()},
                "one is replaced", 3 * PATIENCE)

    # Who has much to do

    def test_slow_checks_of_one_name_hold_up_nobody_else(self):
        """PAM takes for the other name until the test allows it to end."""
        slow = self.host.add_user("b")
        flag = self.host.write(self.host.path("slow"), b"", mode=0o644)
        script = self.host.write(self.host.path("slow.sh"), f"""#!/bin/sh
[ "$PAM_USER" = {slow.name} ] || exit 0
i=0
while [ -e {flag} ] && [ $i -lt 600 ]; do sleep 0.1; i=$((i+1)); done
""".encode(), mode=0o755)
        service = "/etc/pam.d/" + self.host.add_pam_service()
        rules = (f"auth optional pam_exec.so quiet {script}\n"
                 "auth required pam_unix.so\naccount required pam_unix.so\n")
        self.host.write(service, rules.encode(), mode=0o644)
        with self.daemon() as port:
            for number in range(10 * len(self.family.gates())):
                self.login_of(self.client(port, f"127.0.2.{number + 1}"), slow.name, slow.password)
            for number in range(8):
                lines = self.login_of(self.client(port, f"127.0.3.{number + 1}"), self.user.name,
                                      "wrong")
                self.assertIn(b"[AUTH]", lines.readline())
            os.unlink(flag)

    def test_a_gate_that_retires_in_the_middle_of_a_request_is_no_error(self):
        with self.daemon() as port:
            over = threading.Event()

            def come_and_go():
                while not over.is_set():
                    with contextlib.suppress(OSError):
                        client = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
                        client.sendall(b"QUIT\r\n")
                        client.close()
            guests = [threading.Thread(target=come_and_go) for _ in range(4)]
            for guest in guests:
                guest.start()
            try:
                for times in range(1, 11):
                    os.kill(self.family.master.pid, signal.SIGHUP)
                    popper_host.wait_until(
                        lambda: self.host.log(port).count(" reloaded") == times, "it reloads")
            finally:
                over.set()
                for guest in guests:
                    guest.join()
            self.host.login(port, self.user).quit()
            self.assertNotIn("answer the gate", self.host.log(port))


if __name__ == "__main__":
    popper_host.main()
