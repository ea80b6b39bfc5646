#!/usr/bin/env python3
"""The roles of a daemon: what each may do, and what happens when one ends."""

import os
import pwd
import signal
import socket
import subprocess
import time

import daemon_processes
import popper_host
from popper_host import PATIENCE, HostTest

LISTENING = "listening on="


class RolesTest(HostTest):
    def setUp(self):
        super().setUp()
        self.gate_root = self.host.path("gate-root", "empty")
        self.config = self.host.configure("roles.conf", gate_root=self.gate_root)
        self.host.write_spool(self.user, popper_host.simple_spool(3))

    def family(self):
        return daemon_processes.Family(self.config)

    def running_family(self):
        """Waits until every gate has its keepers."""
        family = self.family()
        gates = len(os.sched_getaffinity(0))
        popper_host.wait_until(lambda: len(family.gates()) == gates
                               and len(family.keepers()) == daemon_processes.KEEPERS * gates, "all roles run")
        return family

    def shut_in_gates(self, family):
        """Gates after they have shut themselves in, which takes a moment after the start."""
        popper_host.wait_until(lambda: all(gate.status["Seccomp"] == "2"
                                           for gate in family.gates()), "gates are shut in")
        return family.gates()

    def test_a_gate_is_shut_in(self):
        nobody = pwd.getpwnam("nobody")
        with self.host.standalone(self.config):
            for gate in self.shut_in_gates(self.running_family()):
                self.assertEqual(gate.uids, {nobody.pw_uid})
                self.assertEqual(gate.gids, {nobody.pw_gid})
                self.assertEqual(gate.groups, set())
                self.assertEqual(gate.status["NoNewPrivs"], "1")
                self.assertEqual(gate.root, self.gate_root)
                self.assertEqual(int(gate.status["CapEff"], 16), 0)
        self.assertEqual(os.listdir(self.gate_root), [])
        status = os.stat(self.gate_root)
        self.assertEqual((status.st_uid, status.st_mode & 0o777), (0, 0o755))

    def test_a_gate_root_that_others_may_write_is_refused(self):
        os.makedirs(self.gate_root, exist_ok=True)
        os.chmod(self.gate_root, 0o777)
        try:
            with self.assertRaisesRegex(AssertionError, "must belong to root"):
                with self.host.standalone(self.config):
                    pass
        finally:
            os.chmod(self.gate_root, 0o755)

    def test_a_gate_root_with_something_in_it_or_not_root_s_all_the_way_was_accepted(self):
        full = self.host.path("full")
        os.makedirs(os.path.join(full, "file"))
        foreign = self.host.path("foreign")
        os.mkdir(foreign)
        os.chown(foreign, pwd.getpwnam("nobody").pw_uid, -1)
        for root, why in (("/", "/ cannot be it"), ("/etc", "must be empty"),
                          (full, "must be empty"),
                          (os.path.join(foreign, "empty"), foreign + " must belong to root")):
            with self.subTest(root), self.assertRaisesRegex(AssertionError, "gate-root: .*" + why):
                with self.host.standalone(self.host.configure("root.conf", gate_root=root)):
                    pass

    def test_a_session_has_only_what_it_needs(self):
        with self.host.standalone(self.config) as port:
            client = self.host.login(port, self.user)
            session, = self.family().sessions()
            mail_group = os.stat(self.host.spool_dir).st_gid
            self.assertEqual(session.uids, {self.user.uid})
            self.assertEqual(session.gids, {mail_group})
            self.assertEqual(session.groups, {self.user.gid})
            self.assertEqual(session.status["NoNewPrivs"], "1")
            self.assertNotEqual(os.getsid(session.pid), os.getsid(self.family().master.pid),
                                "the terminal that popper was started from")
            sockets = [name for name in session.descriptors.values() if name.startswith("socket:")]
            self.assertEqual(len(sockets), 1, session.descriptors)
            for name in session.descriptors.values():
                self.assertNotIn("popper-", name, "memory of the keeper")
            client.quit()

    def test_a_session_inherits_no_password_hash(self):
        """A keeper that refused somebody has read the hashes of others to do as much work."""
        other = self.host.add_user("b")
        with open("/etc/shadow", "rb") as shadow:
            hashes = [line.split(b":")[1] for line in shadow if line.startswith(
                (other.name.encode() + b":", self.user.name.encode() + b":"))]
        self.assertEqual(len(hashes), 2)
        with self.host.standalone(self.config) as port:
            for _ in range(8):  # so that most keepers have one
                with self.assertRaises(popper_host.poplib.error_proto):
                    self.host.login(port, self.user, password="wrong")
            for _ in range(8):
                client = self.host.login(port, self.user)
                session, = self.family().sessions()
                memory = daemon_processes.memory_of(session, "r")
                self.assertIn(self.user.name.encode(), memory)
                for value in hashes:
                    self.assertFalse(value in memory, "a hash of /etc/shadow is there")
                client.quit()
                popper_host.wait_until(lambda: not self.family().sessions(), "the session ends")

    def add_virtual_user(self, name, password, like):
        """In a credential file, with password and APOP secret; the file is the result."""
        file = self.host.path("credentials.gdbm")
        popauth = [popper_host.POPAUTH, "--credential-file", file]
        subprocess.run([popauth[0], "init", *popauth[1:]], check=True, timeout=PATIENCE)
        subprocess.run([popauth[0], "set", name, "--stdin", "--apop", "--uid", str(like.uid),
                        "--gid", str(like.gid), "--home", like.home, *popauth[1:]],
                       input=password, check=True, timeout=PATIENCE)
        return file

    def test_a_session_inherits_no_secret_of_an_earlier_login(self):
        other = self.host.add_user("c", password="one for PAM alone")
        secret = "one for the file alone"
        file = self.add_virtual_user("virtual", secret.encode() + b"\n", like=other)
        self.host.configure("roles.conf", gate_root=self.gate_root, credential_file=file,
                            clear_text_password="always")
        virtual = popper_host.User(other.name, secret, other.home)
        virtual.name = "virtual"
        with self.host.standalone(self.config) as port:
            for _ in range(8):  # so that most keepers have known them
                self.host.login(port, other).quit()
                self.host.login(port, virtual).quit()
                client = popper_host.poplib.POP3("127.0.0.1", port, timeout=PATIENCE)
                client.apop(virtual.name, secret)
                client.quit()
            popper_host.wait_until(lambda: not self.family().sessions(), "the sessions end")
            for _ in range(8):
                client = self.host.login(port, self.user)
                session, = self.family().sessions()
                memory = daemon_processes.memory_of(session, "r")
                for what in (other.password, secret, "password-hash $y$"):
                    self.assertFalse(what.encode() in memory, what)
                client.quit()
                popper_host.wait_until(lambda: not self.family().sessions(), "the session ends")

    def test_a_killed_gate_costs_its_own_connections_only(self):
        with self.host.standalone(self.config) as port:
            family = self.running_family()
            self.shut_in_gates(family)
            client = self.host.login(port, self.user)
            before = {gate.pid for gate in family.gates()}
            for gate in before:
                os.kill(gate, signal.SIGKILL)
            popper_host.wait_until(lambda: len(family.gates()) == len(before)
                                   and not before & {g.pid for g in family.gates()},
                                   "new gates run")
            self.assertEqual(client.stat()[0], 3)  # the session goes on
            client.quit()
            self.host.login(port, self.user).quit()

    def test_a_killed_keeper_is_replaced(self):
        with self.host.standalone(self.config) as port:
            family = self.running_family()
            before = {keeper.pid for keeper in family.keepers()}
            for keeper in before:
                os.kill(keeper, signal.SIGKILL)
            popper_host.wait_until(lambda: len(family.keepers()) == len(before)
                                   and not before & {k.pid for k in family.keepers()},
                                   "new keepers run")
            for _ in range(2 * len(before)):
                self.host.login(port, self.user).quit()

    def test_a_role_that_keeps_dying_is_restarted_more_and_more_slowly(self):
        with self.host.standalone(self.config) as port:
            family = self.running_family()
            for _ in range(4):
                victim = popper_host.wait_until(family.gates, "a gate runs")[0]
                os.kill(victim.pid, signal.SIGKILL)
                popper_host.wait_until(lambda: not daemon_processes.is_running(victim.pid), "dead")
            delays = popper_host.wait_until(
                lambda: [int(line.rsplit("=", 1)[1]) for line in self.host.log(port).splitlines()
                         if " gate-ended " in line][3:] and
                [int(line.rsplit("=", 1)[1]) for line in self.host.log(port).splitlines()
                 if " gate-ended " in line], "deaths are logged")
            self.assertEqual(delays[0], 0)
            self.assertGreater(max(delays), 0)
            self.host.login(port, self.user).quit()

    def test_term_lets_sessions_finish(self):
        with self.host.standalone(self.config) as port:
            family = self.running_family()
            client = self.host.login(port, self.user)
            stranger = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
            self.assertTrue(stranger.recv(512).startswith(b"+OK"))
            os.kill(family.master.pid, signal.SIGTERM)
            self.assertIn(b"-ERR", stranger.recv(512))
            stranger.close()
            popper_host.wait_until(lambda: not popper_host.accepts(port), "nobody listens")
            self.assertEqual(client.stat()[0], 3)
            client.dele(1)
            client.quit()
            family.wait_for_gone()
        self.assertEqual(self.host.read_spool(self.user).count(b"Subject: number"), 2)

    def test_a_second_term_ends_at_once(self):
        """As on any end without QUIT, update-on-abort decides about what was deleted."""
        for update, left in ((True, 2), (False, 3)):
            with self.subTest(update_on_abort=update):
                self.host.write_spool(self.user, popper_host.simple_spool(3))
                self.config = self.host.configure("roles.conf", gate_root=self.gate_root,
                                                  update_on_abort=update)
                with self.host.standalone(self.config) as port:
                    family = self.running_family()
                    client = self.host.login(port, self.user)
                    client.dele(1)
                    os.kill(family.master.pid, signal.SIGTERM)
                    popper_host.wait_until(lambda: not popper_host.accepts(port), "it drains")
                    began = time.monotonic()
                    os.kill(family.master.pid, signal.SIGTERM)
                    family.wait_for_gone()
                    self.assertLess(time.monotonic() - began, 15)
                    self.assertIn(b"-ERR", client.file.read())
                    client.close()
                self.assertEqual(self.host.read_spool(self.user).count(b"Subject: number"), left)

    def test_without_a_master_the_roles_serve_whom_they_have_and_end(self):
        with self.host.standalone(self.config) as port:
            family = self.running_family()
            self.shut_in_gates(family)
            client = self.host.login(port, self.user)
            roles = [process.pid for process in family.gates() + family.keepers()]
            os.kill(family.master.pid, signal.SIGKILL)
            popper_host.wait_until(lambda: not popper_host.accepts(port), "nobody listens")
            self.assertEqual(client.stat()[0], 3)
            client.quit()
            popper_host.wait_until(
                lambda: not any(daemon_processes.is_running(pid) for pid in roles), "roles end")

    def test_hup_reads_the_configuration_anew(self):
        with self.host.standalone(self.config) as port:
            family = self.running_family()
            client = self.host.login(port, self.user)
            self.assertIn(b"Popper", self.greeting(port))
            self.host.configure("roles.conf", gate_root=self.gate_root, shy=True)
            os.kill(family.master.pid, signal.SIGHUP)
            popper_host.wait_until(lambda: b"Popper" not in self.greeting(port), "shy is set")
            self.assertEqual(client.stat()[0], 3)  # a session of the time before
            client.quit()
            self.host.login(port, self.user).quit()
            gates = len(os.sched_getaffinity(0))
            popper_host.wait_until(lambda: len(family.gates()) == gates
                                   and len(family.keepers()) == daemon_processes.KEEPERS * gates, "the old roles end")

    def test_hup_with_a_bad_configuration_changes_nothing(self):
        with self.host.standalone(self.config) as port:
            family = self.running_family()
            before = {process.pid for process in family.members()}
            self.host.write(self.config, b"set shy\nset timeuot = 5\n", mode=0o644)
            os.kill(family.master.pid, signal.SIGHUP)
            popper_host.wait_until(lambda: "did you mean" in self.host.log(port),
                                   "the complaint is logged")
            self.assertIn("roles.conf:2:", self.host.log(port))
            self.assertEqual({process.pid for process in family.members()}, before)
            self.assertIn(b"Popper", self.greeting(port))

    def test_hup_with_nowhere_to_listen_changes_nothing(self):
        port = popper_host.free_port()
        listen = f'[[listen]]\naddress = "127.0.0.1:{port}"\n'
        config = self.host.write(self.host.path("listen.toml"), listen.encode(), mode=0o644)
        with open(self.host.path("log.listen"), "wb") as log:
            process = subprocess.Popen(
                [popper_host.POPPER, "--foreground", "--gate-root", self.gate_root, "-f", config],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            popper_host.wait_until(lambda: popper_host.accepts(port), "popper listens")
            self.host.write(config, b"shy = true\n", mode=0o644)
            process.send_signal(signal.SIGHUP)
            popper_host.wait_until(lambda: "reload refused" in self.host.log("listen"), "refused")
            self.assertIn(b"Popper", self.greeting(port))
        finally:
            popper_host.stop(process)

    def greeting(self, port):
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as client:
            return client.recv(512)


if __name__ == "__main__":
    popper_host.main()
