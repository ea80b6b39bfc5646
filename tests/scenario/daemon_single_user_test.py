#!/usr/bin/env python3
"""Without root, and detached from the terminal."""

import contextlib
import os
import signal
import socket
import subprocess
import threading

import daemon_processes
import popper_host
from popper_host import PATIENCE, POPAUTH, POPPER, HostTest

SYSLOG = "/dev/log"


class SingleUserTest(HostTest):
    """Every process keeps the caller's id, and only users of that id can log in."""

    def setUp(self):
        super().setUp()
        self.me = dict(user=self.user.uid, group=self.user.gid, extra_groups=[])
        self.mail = os.path.join(self.user.home, "mail")
        os.mkdir(self.mail, 0o700)
        os.chown(self.mail, self.user.uid, self.user.gid)
        self.config = self.host.configure(
            "single.conf", spool_dir=self.mail, auth_source="credentials",
            clear_text_password="always",
            credential_file=os.path.join(self.user.home, "credentials.gdbm"))
        self.popauth("init")
        self.guest = self.add_guest("guest", self.user.uid)

    def popauth(self, *arguments, password=""):
        subprocess.run([POPAUTH, "-f", self.config, *arguments], input=password + "\n", text=True,
                       check=True, timeout=PATIENCE, capture_output=True, **self.me)

    def add_guest(self, name, uid):
        guest = popper_host.User.__new__(popper_host.User)
        guest.name, guest.password = name, "guest password"
        self.popauth("set", name, "--stdin", "--apop", "--uid", str(uid), "--gid",
                     str(self.user.gid), "--home", self.user.home, password=guest.password)
        path = os.path.join(self.mail, name)
        self.host.write(path, popper_host.simple_spool(2), owner=self.user.uid,
                        group=self.user.gid, mode=0o600)
        return guest

    def test_login_and_update(self):
        with self.host.standalone(self.config, cwd=self.user.home, **self.me) as port:
            client = self.host.login(port, self.guest)
            self.assertEqual(client.stat()[0], 2)
            client.dele(1)
            client.quit()
            again = self.host.login(port, self.guest)
            self.assertEqual(again.stat()[0], 1)
            again.quit()

    def test_apop(self):
        with self.host.standalone(self.config, cwd=self.user.home, **self.me) as port:
            for secret, accepted in (("guest password", True), ("wrong", False)):
                client = popper_host.poplib.POP3("127.0.0.1", port, timeout=PATIENCE)
                if accepted:
                    self.assertTrue(client.apop("guest", secret).startswith(b"+OK"))
                    client.quit()
                else:
                    self.assert_refused(client.apop, "guest", secret)
                    client.close()

    def assert_refused(self, function, *arguments):
        with self.assertRaises(popper_host.poplib.error_proto) as caught:
            function(*arguments)
        self.assertTrue(caught.exception.args[0].startswith(b"-ERR"), caught.exception)

    def test_all_processes_are_the_caller(self):
        with self.host.standalone(self.config, cwd=self.user.home, **self.me) as port:
            client = self.host.login(port, self.guest)
            family = daemon_processes.Family(self.config)
            popper_host.wait_until(lambda: all(g.status["Seccomp"] == "2" for g in family.gates()),
                                   "gates are shut in")
            self.assertEqual({uid for p in family.members() for uid in p.uids}, {self.user.uid})
            for process in family.gates() + family.sessions():
                self.assertEqual(process.status["NoNewPrivs"], "1")
            client.quit()

    def test_a_user_of_another_uid_is_refused(self):
        other = self.add_guest("other", 54321)
        with self.host.standalone(self.config, cwd=self.user.home, **self.me) as port:
            self.assert_refused(self.host.login, port, other)
            self.assertIn("without root only users of uid", self.host.log(port))
            self.host.login(port, self.guest).quit()


class DetachedTest(HostTest):
    """Started as at boot: the command returns, a pid file tells whom to signal."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.pid_file = cls.host.path("popper.pid")

    def configure_detached(self, **options):
        return self.host.configure("detached.conf", pid_file=self.pid_file,
                                   gate_root=self.host.path("gate-root"), **options)

    @contextlib.contextmanager
    def detached(self, port, **options):
        config = self.configure_detached(**options)
        done = subprocess.run([POPPER, f"127.0.0.1:{port}", "-f", os.path.basename(config)],
                              cwd=os.path.dirname(config), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=PATIENCE)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"", b""))
        pid = int(popper_host.wait_until(lambda: self.written_pid(), "the pid file is there"))
        try:
            yield pid
        finally:
            os.kill(pid, signal.SIGINT)
            popper_host.wait_until(lambda: not daemon_processes.is_running(pid), "it ends")

    def written_pid(self):
        with contextlib.suppress(FileNotFoundError):
            with open(self.pid_file) as stream:
                return stream.read().strip()

    def test_the_pid_file_names_the_master_and_goes_with_it(self):
        self.host.write_spool(self.user, popper_host.simple_spool(1))
        port = popper_host.free_port()
        with self.detached(port) as pid:
            master = daemon_processes.Process(pid)
            self.assertEqual(master.name, "pop-master")
            self.assertEqual(os.readlink(f"/proc/{pid}/cwd"), "/")
            self.assertEqual(os.getsid(pid), pid)
            self.assertEqual({master.descriptors[i] for i in range(3)}, {"/dev/null"})
            client = self.host.login(port, self.user)
            session, = [p for p in daemon_processes.all_processes()
                        if p.name == "pop-session" and self.user.uid in p.uids]
            self.assertEqual({session.descriptors[i] for i in range(3)}, {"/dev/null"})
            client.quit()
        self.assertFalse(os.path.exists(self.pid_file))

    def test_hup_finds_a_relative_file_after_it_has_detached(self):
        port = popper_host.free_port()
        with self.detached(port) as pid:
            self.configure_detached(shy=True)
            os.kill(pid, signal.SIGHUP)
            popper_host.wait_until(lambda: b"Popper" not in self.greeting(port), "shy is set")

    def greeting(self, port):
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as client:
            return client.recv(512)

    def test_every_role_reaches_syslog(self):
        """Also the gate, from inside its sandbox and its root directory."""
        if os.path.exists(SYSLOG):
            self.skipTest("a real syslog is running here")
        self.host.write_spool(self.user, popper_host.simple_spool(1))
        with small_syslog() as seen:
            port = popper_host.free_port()
            with self.detached(port, timeout=1):
                self.host.login(port, self.user).quit()
                with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as idle:
                    while idle.recv(512):
                        pass
                for word in (b" login id=", b" session-end id=", b" login-timeout id=",
                             b" listening on="):
                    popper_host.wait_until(lambda: word in seen, f"{word} is logged")
                self.assertRegex(bytes(seen), rb"<\d+>.* popper\[\d+\]: login id=")


@contextlib.contextmanager
def small_syslog():
    """Yields what has been logged until now. Always reads: a full queue would stop whoever logs."""
    seen = bytearray()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as syslog:
        syslog.bind(SYSLOG)
        try:
            os.chmod(SYSLOG, 0o666)
            reader = threading.Thread(target=collect, args=(syslog, seen), daemon=True)
            reader.start()
            yield seen
        finally:
            os.unlink(SYSLOG)
            syslog.shutdown(socket.SHUT_RDWR)
            reader.join(PATIENCE)


def collect(syslog, seen):
    while line := syslog.recv(8192):
        seen += line + b"\n"


if __name__ == "__main__":
    popper_host.main()
