"""Login notices as the services see them: logudp, whoson and DRAC on sockets of the test's own, SQL
on a MariaDB of its own where one is installed; and popserv.conf, which asks for them."""

import hashlib
import os
import shutil
import socket
import struct
import subprocess
import time
import unittest

import daemon_processes
from popper_host import HostTest, PATIENCE, POPPER, accepts, free_port, main, simple_spool, stop, wait_until


class UdpServer:
    """Keeps the datagrams that come; answers each with what `answer` makes of it, if anything."""

    def __init__(self, answer=lambda datagram: None):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.answer = answer

    def receive(self, patience=PATIENCE):
        """The next datagram; None when there is none."""
        self.socket.settimeout(patience)
        try:
            datagram, sender = self.socket.recvfrom(65536)
        except TimeoutError:
            return None
        reply = self.answer(datagram)
        if reply is not None:
            self.socket.sendto(reply, sender)
        return datagram

    def close(self):
        self.socket.close()


def fields_of(packet):
    lines = packet.decode().split("\n")
    assert lines[-2:] == [".", ""], lines
    return dict(line.split(" ", 1) for line in lines[:-2])


def accept_rpc(call):
    """A reply that a DRAC server gives: xid, REPLY, accepted, no verifier, success, 0."""
    return call[:4] + struct.pack(">6I", 1, 0, 0, 0, 0, 0)


def processes_named(name, config):
    """Of the daemon with that configuration: its master is found by the command line."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/comm") as stream:
                comm = stream.read().strip()
            with open(f"/proc/{entry}/stat") as stream:
                parent = stream.read().rsplit(")", 1)[1].split()[1]
            with open(f"/proc/{parent}/cmdline", "rb") as stream:
                command = stream.read().decode(errors="replace")
        except OSError:
            continue
        if comm == name and config in command:
            found.append(int(entry))
    return found


class Database:
    """A MariaDB of the test's own, as nobody, on a loopback port and a temporary directory."""

    OPTIONS = ["--no-defaults", "--user=nobody", "--skip-grant-tables", "--innodb=off",
               "--default-storage-engine=Aria"]

    def __init__(self, host):
        self.program = shutil.which("mariadbd", path="/usr/sbin:/usr/local/sbin:/usr/bin")
        if self.program is None:
            raise unittest.SkipTest("mariadbd is not installed (mariadb-server-core)")
        self.host, self.port = host, free_port()
        self.files = host.path("database")
        if not os.path.isdir(self.files):
            os.mkdir(self.files)
            shutil.chown(self.files, "nobody")
            self.bootstrap("create database logins; create table logins.seen "
                           "(user text, address text, host text);")
        self.process = subprocess.Popen(
            [*self.command(), "--bind-address=127.0.0.1", f"--port={self.port}",
             f"--socket={self.files}/socket", f"--pid-file={self.files}/pid", "--general-log",
             f"--general-log-file={self.files}/queries"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: self.process.poll() is not None or accepts(self.port), "MariaDB listens")

    def command(self):
        return [self.program, *self.OPTIONS, f"--datadir={self.files}"]

    def bootstrap(self, statements):
        """Executes each line's statement without a server; the one way that needs no client."""
        return subprocess.run([*self.command(), "--bootstrap"], input=statements.replace("; ", ";\n"),
                              capture_output=True, text=True, check=True, timeout=PATIENCE)

    def wait_for_inserts(self, count):
        def inserts():
            with open(os.path.join(self.files, "queries"), errors="replace") as stream:
                return stream.read().count("insert into")
        wait_until(lambda: inserts() >= count, f"{count} statements reach MariaDB")

    def rows(self):
        """What was recorded; stops the server first."""
        stop(self.process)
        target = os.path.join(self.files, "rows")
        self.bootstrap(f"select * from logins.seen into outfile '{target}';")
        with open(target) as stream:
            return [line.rstrip("\n").split("\t") for line in stream]


def holds_in_memory(pid, octets):
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            borders, rights = line.split()[:2]
            begin, end = (int(border, 16) for border in borders.split("-"))
            if "w" not in rights:
                continue
            try:
                memory.seek(begin)
                if octets in memory.read(end - begin):
                    return True
            except (OSError, ValueError, OverflowError):
                continue
    return False


class NoticesTest(HostTest):
    def server(self, answer=lambda datagram: None):
        server = UdpServer(answer)
        self.addCleanup(server.close)
        return server

    def visit(self, port):
        client = self.host.login(port, self.user)
        client.quit()

    def test_logudp_packet_and_its_digest(self):
        listener = self.server()
        config = self.host.configure("logudp.conf", host_name="pop.test.example",
                                     logudp_destination=f"127.0.0.1:{listener.port}",
                                     logudp_secret="open sesame")
        for start in (self.host.standalone, self.host.inetd):
            with self.subTest(start=start.__name__), start(config) as port:
                before = int(time.time())
                self.visit(port)
                packet = listener.receive()
                self.assertIsNotNone(packet)
                fields = fields_of(packet)
                digest, challenge = fields.pop("md5").split(" ")
                self.assertEqual(hashlib.md5(f"{challenge}open sesame".encode()).hexdigest(), digest)
                self.assertTrue(before <= int(fields.pop("time")) <= time.time())
                self.assertEqual(fields, {"service": "pop", "user": self.user.name,
                                          "ip": "127.0.0.1", "source": "pop.test.example"})

    def test_logudp_without_secret_has_no_digest(self):
        listener = self.server()
        config = self.host.configure("plain.conf",
                                     logudp_destination=f"127.0.0.1:{listener.port}")
        with self.host.standalone(config) as port:
            self.visit(port)
            self.assertNotIn("md5", fields_of(listener.receive()))
            self.assert_says("[AUTH]", self.host.login, port, self.user, "wrong horse")
            self.assertIsNone(listener.receive(0.5))

    def test_logudp_reaches_a_multicast_group_and_no_router(self):
        group, receiver = "239.255.77.77", socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(receiver.close)
        receiver.bind(("", 0))
        receiver.settimeout(PATIENCE)
        port = receiver.getsockname()[1]
        try:
            receiver.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
                                socket.inet_aton(group) + socket.inet_aton("0.0.0.0"))
        except OSError as error:
            self.skipTest(f"no multicast here: {error}")
        receiver.setsockopt(socket.IPPROTO_IP, 12, 1)  # IP_RECVTTL
        # 0: the packet stays on this host.
        config = self.host.configure("multicast.conf", logudp_destination=f"{group}:{port}",
                                     logudp_multicast_ttl=0)
        with self.host.standalone(config) as pop3:
            self.visit(pop3)
            packet, ancillary, _, _ = receiver.recvmsg(4096, 100)
        self.assertEqual(fields_of(packet)["user"], self.user.name)
        self.assertEqual([struct.unpack("=i", data)[0] for _, kind, data in ancillary
                          if kind == socket.IP_TTL], [0])

    def test_whoson_hears_of_first_and_last(self):
        server = self.server(lambda request: b"+ OK\r\n\r\n")
        config = self.host.configure("whoson.conf", whoson_server=f"127.0.0.1:{server.port}",
                                     whoson_rules=f"deny:nobody allow:^{self.user.name.upper()}$")
        other = self.host.users.get(self.user.name[:-1] + "b") or self.host.add_user("b")
        with self.host.standalone(config) as port:
            denied = self.host.login(port, other)
            first = self.host.login(port, self.user)
            self.assertEqual(server.receive(), f"LOGIN 127.0.0.1 {self.user.name}\r\n\r\n".encode())
            denied.quit()
            self.assertIsNone(server.receive(0.5))
            first.quit()
            self.assertEqual(server.receive(), b"LOGOUT 127.0.0.1\r\n\r\n")

    def test_drac_lets_an_address_relay(self):
        server = self.server(accept_rpc)
        config = self.host.configure("drac.conf", drac_host=f"127.0.0.1:{server.port}",
                                     reverse_lookup=False)
        with self.host.standalone(config) as port:
            self.visit(port)
            call = server.receive()
            self.assertIsNotNone(call, self.host.log(port))
            numbers = struct.unpack(f">{len(call) // 4}I", call)
            self.assertEqual(numbers[1:6], (0, 2, 900101, 1, 1))
            self.assertEqual(numbers[-1], 0x7F000001)
            wait_until(lambda: f"[drac]: login by {self.user.name} from host" in self.host.log(port),
                       "the log tells of the login")
            self.assertNotIn("dracauth returned", self.host.log(port))

    def test_drac_refusal_is_logged(self):
        server = self.server(lambda call: call[:4] + struct.pack(">6I", 1, 0, 0, 0, 0, 1))
        config = self.host.configure("drac2.conf", drac_host=f"127.0.0.1:{server.port}")
        with self.host.standalone(config) as port:
            self.visit(port)
            server.receive()
            wait_until(lambda: "[drac]: dracauth returned 1: permission denied" in
                       self.host.log(port), "the log tells of the refusal")

    def test_sql_records_each_login_as_literals(self):
        database = Database(self.host)
        self.addCleanup(stop, database.process)
        config = self.host.configure(
            "sql.conf", host_name="o'hara.example.org", loginfo_host=f"127.0.0.1:{database.port}",
            loginfo_database="logins", loginfo_user="popper", loginfo_password="x",
            loginfo_query="insert into seen values (%u, '%a', %h)")
        row = [self.user.name, "127.0.0.1", "o'hara.example.org"]
        for start in (self.host.standalone, self.host.inetd):
            with start(config) as port:
                self.visit(port)
                self.visit(port)
        database.wait_for_inserts(4)
        self.assertEqual(database.rows(), [row] * 4)

    def test_dead_services_delay_nobody(self):
        silent = self.server()
        config = self.host.configure(
            "dead.conf", whoson_server=f"127.0.0.1:{silent.port}", whoson_rules="allow:.",
            drac_host=f"127.0.0.1:{silent.port}", loginfo_host=f"127.0.0.1:{free_port()}",
            loginfo_query="SELECT %u")
        listener = self.server()
        live = self.host.configure("live.conf", logudp_destination=f"127.0.0.1:{listener.port}",
                                   config_file=config)
        for start in (self.host.standalone, self.host.inetd):
            with self.subTest(start=start.__name__), start(live) as port:
                began = time.monotonic()
                for _ in range(10):
                    self.visit(port)
                # One silent whoson server alone would take 3 seconds a login.
                self.assertLess(time.monotonic() - began, 25)
                for _ in range(10):
                    self.assertIsNotNone(listener.receive())

    def test_killed_notifier_is_started_again_and_holds_no_rights(self):
        listener = self.server()
        config = self.host.configure("killed.conf",
                                     logudp_destination=f"127.0.0.1:{listener.port}",
                                     logudp_secret="secret-for-the-notifier")
        with self.host.standalone(config) as port:
            self.visit(port)
            self.assertIsNotNone(listener.receive())
            notifier, = processes_named("pop-notifier", config)
            with open(f"/proc/{notifier}/status") as stream:
                status = stream.read()
            self.assertNotRegex(status, r"(?m)^Uid:.*\b0\b")
            self.assertRegex(status, r"(?m)^CapEff:\s*0+$")
            secret = b"secret-for-the-notifier"
            self.assertTrue(holds_in_memory(notifier, secret))
            others = [pid for name in ("pop-gate", "pop-keeper")
                      for pid in processes_named(name, config)]
            self.assertGreaterEqual(len(others), 3)
            for pid in others:
                self.assertFalse(holds_in_memory(pid, secret), pid)
            os.kill(notifier, 9)
            self.visit(port)
            self.assertIsNotNone(listener.receive())
            self.assertNotEqual(processes_named("pop-notifier", config), [notifier])
            self.assertIn("notifier-ended", self.host.log(port))

    def test_under_inetd_only_the_notifier_holds_the_secrets(self):
        listener = self.server()
        config = self.host.configure("inetd-secret.conf",
                                     logudp_destination=f"127.0.0.1:{listener.port}",
                                     logudp_secret="secret-for-the-notifier",
                                     loginfo_password="password-for-the-notifier")

        def child_of(parent, name):
            return next((process.pid for process in daemon_processes.all_processes()
                         if process.parent == parent and process.name == name), None)

        def assert_knows_no_secret(pid):
            for secret in (b"secret-for-the-notifier", b"password-for-the-notifier"):
                self.assertFalse(holds_in_memory(pid, secret), pid)

        with self.host.inetd(config) as port:
            with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as client:
                self.assertTrue(client.recv(512).startswith(b"+OK"))
                gate, = [p for p in daemon_processes.all_processes() if p.name == "pop-gate"
                         and child_of(os.getpid(), "popper") == p.parent]
                assert_knows_no_secret(gate.pid)
                assert_knows_no_secret(gate.parent)
            client = self.host.login(port, self.user)
            session = wait_until(lambda: child_of(os.getpid(), "pop-session"), "a session serves")
            self.assertTrue(holds_in_memory(session, self.host.spool_dir.encode()))
            assert_knows_no_secret(session)
            client.quit()
            self.assertIsNotNone(listener.receive())

    def test_popserv_conf_starts_a_server(self):
        listener = self.server()
        self.host.write_spool(self.user, simple_spool(2))
        port = free_port()
        popserv = self.host.write(self.host.path("popserv.conf"), f"""
# as on the old host
bindto 127.0.0.1:{port}
hostname pop.old.example
timelimit 600
uid 1000
crypt 1
logudp.dst 127.0.0.1:{listener.port}
logudp.secret sesame
""".encode(), mode=0o644)
        base = self.host.configure("base.conf")
        shown = subprocess.run([POPPER, "-f", base, "-C", popserv, "--show-config"],
                               capture_output=True, text=True, timeout=PATIENCE)
        self.assertEqual(shown.returncode, 0, shown.stderr)
        self.assertRegex(shown.stdout, r"set timeout = 600 .*popserv.conf:5")
        self.assertRegex(shown.stdout, r"# note .*popserv.conf:6:1: uid 1000 is not needed")
        self.assertNotIn("sesame", shown.stdout)
        with open(self.host.path("popserv.log"), "wb") as log:
            process = subprocess.Popen([POPPER, "--foreground", "-f", base, "-C", popserv],
                                       stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.addCleanup(stop, process)

        def log_in():
            try:
                return self.host.login(port, self.user)
            except ConnectionRefusedError:
                return None
        client = wait_until(log_in, "popper serves")
        self.assertEqual(client.stat()[0], 2)
        client.quit()
        self.assertEqual(fields_of(listener.receive())["source"], "pop.old.example")
        with open(self.host.path("popserv.log")) as stream:
            self.assertIn("uid 1000 is not needed", stream.read())

    def test_popserv_conf_with_mistakes_is_refused(self):
        popserv = self.host.write(self.host.path("bad.conf"), b"timelimt 5\ncrypt 2\n", mode=0o644)
        refused = subprocess.run([POPPER, "-C", popserv], stdin=subprocess.DEVNULL,
                                 capture_output=True, text=True, timeout=PATIENCE)
        self.assertEqual(refused.returncode, 1)
        self.assertIn(f"{popserv}:1:1: unknown directive \"timelimt\"; did you mean timelimit",
                      refused.stderr)
        self.assertIn(f"{popserv}:2:7: crypt wants 0 or 1", refused.stderr)


if __name__ == "__main__":
    main()
