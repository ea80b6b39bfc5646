#!/usr/bin/env python3
"""What the log says: in which shape, in which place, and under which name of the client."""

import contextlib
import json
import os
import poplib
import random
import re
import signal
import socket
import struct
import threading
import time

import daemon_processes
import popper_host
import private_mounts
from popper_host import PATIENCE, HostTest, wait_until

MAN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "man")

CLASSIC_LOGIN = '(v%0) POP login by user "%1" at (%2) %3'

# Equal in effect to what analysers of Qpopper's log look for, behind the prefix of each line.
LOGIN = re.compile(r'^\(v[0-9.]+\) POP login by user "([^"]+)" at \(([^)]*)\) (\S+)$')
FAILED = re.compile(r"^\[AUTH\] Failed attempted login to (\S+) from host \(([^)]*)\) (\S+)$")
STATS = re.compile(r"^Stats: (\S+) (\d+) (\d+) (\d+) (\d+) (\S+) (\S+)$")
TIMING = re.compile(r"^\(v[0-9.]+\) Timing for (\S+)@(\S+) \((normal|error)\) "
                    r"auth=\d+ init=\d+ clean=\d+ id=\w+$")
REFUSED = re.compile(r"^(\S+) at (\S+) \((\S+)\): -ERR (.*)$")

# Nobody waits for the resolver, so only a client that takes its time is known by name. Each gate
# has a resolver of its own.
PAUSE = 0.1

ON_STDERR = re.compile(r"^\S+Z \[\d+\] [a-z]+: ")
TRACED = re.compile(r"^[A-Z][a-z]{2} \d\d \d\d:\d\d:\d\d\.\d{3} \d{4} \[\d+\] ")


class LogsTest(HostTest):
    def setUp(self):
        super().setUp()
        self.host.write_spool(self.user, popper_host.simple_spool(3))

    def configure(self, **options):
        options = {"reverse_lookup": False, "statistics": True, "timing": True,
                   "log_login": None, **options}
        config = self.host.configure("logs.conf", **options)
        with open(config, "a") as stream:
            stream.write(f"set log-login = '{CLASSIC_LOGIN}'\n")
        return config

    def found(self, pattern, text, strip=ON_STDERR):
        """The matches among the lines of a log."""
        lines = (strip.sub("", line) for line in text.splitlines())
        return [match for match in map(pattern.match, lines) if match]

    def wait_for(self, pattern, read, strip=ON_STDERR):
        return wait_until(lambda: self.found(pattern, read(), strip), pattern.pattern)

    def read(self, path):
        with contextlib.suppress(FileNotFoundError), open(path, errors="replace") as stream:
            return stream.read()
        return ""

    def failed_login(self, port, name, pause=0):
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as client:
            time.sleep(pause)
            client.sendall(b"USER " + name + b"\r\nPASS wrong\r\n")
            with client.makefile("rb") as replies:
                return replies.read()

    def test_a_session_leaves_the_lines_that_analysers_know(self):
        name = self.user.name
        with self.host.standalone(self.configure()) as port:
            client = self.host.login(port, self.user)
            sizes = popper_host.sizes_of(client)
            client.dele(2)
            with self.assertRaises(poplib.error_proto):
                client.retr(9)
            client.quit()
            self.wait_for(TIMING, lambda: self.host.log(port))
            log = self.host.log(port)
        here = ("127.0.0.1", "127.0.0.1")
        self.assertEqual([m.groups() for m in self.found(LOGIN, log)], [(name, *here)])
        stats, = self.found(STATS, log)
        self.assertEqual(stats.groups(), (name, "1", str(sizes[1]), "2",
                                          str(sizes[0] + sizes[2]), *here))
        timing, = self.found(TIMING, log)
        self.assertEqual(timing.groups(), (name, "127.0.0.1", "normal"))
        refused, = self.found(REFUSED, log)
        self.assertEqual(refused.groups()[:3], (name, *here))

    def test_a_lost_connection_has_its_statistics_too(self):
        for update_on_abort, deleted in ((True, "1"), (False, "0")):
            self.host.write_spool(self.user, popper_host.simple_spool(3))
            with self.host.standalone(self.configure(update_on_abort=update_on_abort)) as port:
                client = self.host.login(port, self.user)
                client.dele(1)
                client.close()
                stats, = self.wait_for(STATS, lambda: self.host.log(port))
                self.assertEqual(stats.group(2), deleted)
                timing, = self.wait_for(TIMING, lambda: self.host.log(port))
                self.assertEqual(timing.group(3), "error")

    def test_a_failed_login_is_told_twice_and_in_order(self):
        with self.host.standalone(self.configure()) as port:
            for name in (self.user.name, "no-such-user"):
                self.failed_login(port, name.encode())
            log = self.host.log(port)
        for name in (self.user.name, "no-such-user"):
            order = [ON_STDERR.sub("", line) for line in log.splitlines()
                     if name in line and "spool-dir" not in line]
            self.assertRegex(order[0], REFUSED)
            self.assertRegex(order[1], FAILED)

    def test_logins_and_failures_have_the_fields_that_the_manual_names(self):
        name = self.user.name
        with self.host.standalone(self.configure()) as port:
            self.host.login(port, self.user).quit()
            self.failed_login(port, name.encode())
            self.failed_login(port, name.encode())
            log = self.host.log(port)
        events = [ON_STDERR.sub("", line) for line in log.splitlines()]
        logins = [event for event in events if event.startswith("login ")]
        failures = [event for event in events if event.startswith("login-failed ")]
        self.assertRegex(logins[0], rf"^login id=[0-9a-f]+ user={name} from=127.0.0.1 by=password$")
        for failure, guess in zip(failures, ("new", "repeated"), strict=True):
            self.assertRegex(failure, rf"^login-failed id=[0-9a-f]+ user={name} from=127.0.0.1 "
                                      rf'by=password guess={guess} why="[^"]+"$')
        fields = {name: re.findall(r"(\w+)=", line) for name, line in
                  (("login", logins[0]), ("login-failed", failures[0]))}
        with open(os.path.join(MAN, "popper.8")) as stream:
            manual = stream.read()
        for event, names in fields.items():
            self.assertIn(f".Cm {event}\n{' '.join(names)}\n", manual)

    def test_no_name_forges_a_line(self):
        names = [b'x"at(h)9.9.9.9', b"[AUTH]", b"Stats:", b"(v1)", b"a\x1b[2Jb\x80", b"%n%s", b"{}",
                 b'"\\"', b"x" * 200]
        with self.host.standalone(self.configure()) as port:
            for name in names:
                self.failed_login(port, name)
            log = self.host.log(port)
        self.assertEqual(len(self.found(FAILED, log)), len(names))
        for match in self.found(FAILED, log):
            self.assertEqual(match.groups()[1:], ("127.0.0.1", "127.0.0.1"))
        self.assertEqual(self.found(LOGIN, log) + self.found(STATS, log), [])
        self.assertEqual([c for c in log if c != "\n" and not " " <= c <= "~"], [])

    def test_json_lines_are_objects_that_an_id_ties_together(self):
        with self.host.standalone(self.configure(log_format="json", debug=True)) as port:
            self.failed_login(port, b'x"\\{\x80\x1b')
            client = self.host.login(port, self.user)
            client.quit()
            wait_until(lambda: "Timing for" in self.host.log(port), "the session's end")
            lines = [json.loads(line) for line in self.host.log(port).splitlines()]
        for line in lines:
            self.assertLessEqual({"time", "pid", "event", "severity"}, set(line))
        login, = [line for line in lines if line["event"] == "login"]
        tied = [line for line in lines if line.get("id") == login["id"]]
        texts = " ".join(line.get("text", "") for line in tied)
        for part in ("POP login by", "Stats: ", "Timing for"):
            self.assertIn(part, texts)
        self.assertLessEqual({"login", "command", "session-end"}, {line["event"] for line in tied})
        failed, = [line for line in lines if line["event"] == "login-failed"]
        self.assertEqual(sum(line.get("id") == failed["id"] and line["event"] == "sentence"
                             for line in lines), 2)

    def test_a_trace_file_hears_every_role_and_is_opened_anew_on_hup(self):
        path = self.host.path("trace")
        config = self.configure(tracefile=path)
        with self.host.standalone(config) as port:
            self.host.login(port, self.user).quit()
            self.wait_for(TIMING, lambda: self.read(path), TRACED)
            traced = self.read(path)
            for line in traced.splitlines():
                self.assertRegex(line, TRACED)
            for verb in ("USER", "QUIT"):
                self.assertRegex(traced, rf"(?im)command id=\w+ verb={verb}$")
            self.assertNotIn("verb=", self.host.log(port), "debug was asked for in the trace only")
            status = os.stat(path)
            self.assertEqual((status.st_mode & 0o7777, status.st_uid), (0o600, 0))
            os.rename(path, path + ".1")
            os.kill(daemon_processes.Family(config).master.pid, signal.SIGHUP)
            wait_until(lambda: "reloaded" in self.host.log(port), "the reload")
            self.host.login(port, self.user).quit()
            self.wait_for(TIMING, lambda: self.read(path), TRACED)

    def test_a_user_traces_as_the_user(self):
        trace = os.path.join(self.user.home, "trace")
        precious = self.host.write(self.host.path("precious"), b"", mode=0o666)
        self.host.write(os.path.join(self.user.home, ".qpopper-options"),
                        f"set tracefile = {trace}\n".encode(), owner=self.user.uid, mode=0o600)
        with self.host.standalone(self.configure(user_options=True)) as port:
            self.host.login(port, self.user).quit()
            self.wait_for(TIMING, lambda: self.read(trace), TRACED)
            self.assertEqual(os.stat(trace).st_uid, self.user.uid)
            os.unlink(trace)
            os.symlink(precious, trace)
            self.host.login(port, self.user).quit()
            wait_until(lambda: "trace: " in self.host.log(port), "the refusal of the link")
        self.assertEqual(os.stat(precious).st_size, 0)

    def test_bodies_are_traced_only_when_that_is_asked_for(self):
        self.host.write_spool(self.user, popper_host.simple_spool(1, body=b"hidden text\n"))
        trace = os.path.join(self.user.home, "trace")
        for asked in (False, True):
            text = f"set tracefile = {trace}\nset trace-bodies = {str(asked).lower()}\n"
            self.host.write(os.path.join(self.user.home, ".qpopper-options"), text.encode(),
                            owner=self.user.uid, mode=0o600)
            with self.host.standalone(self.configure(user_options=True)) as port:
                client = self.host.login(port, self.user)
                client.retr(1)
                client.quit()
                self.wait_for(TIMING, lambda: self.read(trace), TRACED)
                log = self.host.log(port)
            self.assertEqual('line="hidden text"' in self.read(trace), asked)
            self.assertNotIn("hidden text", log)
            os.unlink(trace)
        for options in ({"debug": True}, {"debug": True, "trace_bodies": True}):
            with self.host.standalone(self.configure(**options)) as port:
                client = self.host.login(port, self.user)
                client.top(1, 5)
                client.quit()
                wait_until(lambda: " session-end " in self.host.log(port), "the session ends")
                self.assertEqual("hidden text" in self.host.log(port), "trace_bodies" in options)

    def names_file(self, text):
        return {"/etc/hosts": self.host.write(self.host.path("hosts"), text, mode=0o644)}

    def login_name(self, port, read, strip=ON_STDERR):
        """What a login is logged under, once the resolver has answered."""
        before = len(self.found(LOGIN, read(), strip))
        client = poplib.POP3("127.0.0.1", port, timeout=PATIENCE)
        time.sleep(PAUSE)
        client.user(self.user.name)
        client.pass_(self.user.password)
        client.quit()
        wait_until(lambda: len(self.found(LOGIN, read(), strip)) > before, "the login's line")
        return self.found(LOGIN, read(), strip)[-1].group(2)

    def test_names_come_from_the_resolver(self):
        files = self.names_file(b"127.0.0.1 pc.example.org pc\n")
        config = self.configure(reverse_lookup=True)
        with self.host.standalone(config, preexec_fn=private_mounts.see_instead(files)) as port:
            read = lambda: self.host.log(port)
            wait_until(lambda: self.login_name(port, read) == "pc.example.org", "the name")

            def failed_line():
                self.failed_login(port, b"nobody-here", pause=PAUSE)
                return self.found(FAILED, read())[-1].groups()

            expected = ("nobody-here", "pc.example.org", "127.0.0.1")
            wait_until(lambda: failed_line() == expected, "the name of who failed")

    def test_inetd_has_a_resolver_for_its_one_connection(self):
        files = self.names_file(b"127.0.0.1 pc.example.org\n")
        trace = self.host.path("trace.inetd")
        config = self.configure(reverse_lookup=True, tracefile=trace)
        with self.host.inetd(config, prefix=private_mounts.prefix_for(files)) as port:
            wait_until(lambda: self.login_name(port, lambda: self.read(trace), TRACED)
                       == "pc.example.org", "the name")

    def login_under(self, server):
        """All names of logins when `server` is the only one to know names, and the log."""
        config = self.configure(reverse_lookup=True, debug=True)
        files = server.files(self.host, hosts="dns")
        with self.host.standalone(config, preexec_fn=private_mounts.see_instead(files)) as port:
            read = lambda: self.host.log(port)
            wait_until(lambda: self.login_name(port, read) and server.is_done(read()),
                       "the name server was asked")
            return {match.group(2) for match in self.found(LOGIN, read())}, read()

    def test_a_name_that_leads_back_is_believed(self):
        server = SmallNameServer("pc.example.org", "127.0.0.1",
                                 is_done=lambda log: "at (pc.example.org)" in log)
        self.addCleanup(server.close)
        self.assertIn("pc.example.org", self.login_under(server)[0])

    def test_names_that_lead_elsewhere_or_are_none_are_not_believed(self):
        for name, address, complaint in (
                ("pc.example.org", "192.0.2.9", 'Client address "127.0.0.1" not listed for its '
                 'host name "pc.example.org"'),
                ("pc.example.org", None, 'Client at "127.0.0.1" resolves to an unknown host name '
                 '"pc.example.org"'),
                ("x)y.example.org", "127.0.0.1", "for client|Client at|Unable to get"),
                (None, None, "Unable to get canonical name of client 127.0.0.1: ")):
            with self.subTest(name=name, address=address):
                pattern = re.compile(complaint)
                server = SmallNameServer(name, address, is_done=pattern.search)
                self.addCleanup(server.close)
                logged, log = self.login_under(server)
                self.assertEqual(logged, {"127.0.0.1"})
                self.assertRegex(log, pattern)

    def test_a_name_server_that_never_answers_disturbs_nobody(self):
        server = SilentNameServer()
        self.addCleanup(server.close)
        config = self.configure(reverse_lookup=True)
        files = server.files(self.host, hosts="dns")
        with self.host.standalone(config, preexec_fn=private_mounts.see_instead(files)) as port:
            read = lambda: self.host.log(port)
            for _ in range(5):
                self.assertEqual(self.login_name(port, read), "127.0.0.1")
            self.assertTrue(server.was_asked(), "the look-up went to the silent server")
            self.failed_login(port, b"nobody-here")
            self.assertEqual(self.found(FAILED, read())[-1].group(2), "127.0.0.1")

    def test_a_silent_name_server_does_not_hold_inetd_up_either(self):
        server = SilentNameServer()
        self.addCleanup(server.close)
        trace = self.host.path("trace.silent")
        config = self.configure(reverse_lookup=True, tracefile=trace)
        prefix = private_mounts.prefix_for(server.files(self.host, hosts="dns"))
        with self.host.inetd(config, prefix=prefix) as port:
            name = self.login_name(port, lambda: self.read(trace), TRACED)
            self.assertEqual(name, "127.0.0.1")
            self.assertTrue(server.was_asked(), "the look-up went to the silent server")

    def test_without_reverse_lookup_there_is_no_resolver(self):
        config = self.configure(reverse_lookup=True)
        for switches, wanted in (((), True), (("-R",), False)):
            with self.host.standalone(config, *switches) as port:
                self.host.login(port, self.user).quit()
                master = daemon_processes.Family(config).master.pid
                has_one = lambda: "pop-resolver" in children_of(master)
                if wanted:
                    wait_until(has_one, "a resolver")
                else:
                    self.assertFalse(has_one())


def children_of(pid):
    """The names of a process's children."""
    names = []
    with open(f"/proc/{pid}/task/{pid}/children") as stream:
        for child in stream.read().split():
            with contextlib.suppress(OSError), open(f"/proc/{child}/comm") as comm:
                names.append(comm.read().strip())
    return names


class SilentNameServer:
    """Takes questions on some address of the loopback network, and answers none."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        while True:
            self.address = "127." + ".".join(str(random.randint(1, 250)) for _ in range(3))
            with contextlib.suppress(OSError):
                self.socket.bind((self.address, 53))
                break
        self.socket.settimeout(PATIENCE)

    def files(self, host, hosts):
        """What makes a process ask here."""
        return {"/etc/resolv.conf": host.write(host.path("resolv.conf"),
                                               f"nameserver {self.address}\n".encode(), mode=0o644),
                "/etc/nsswitch.conf": host.write(
                    host.path("nsswitch.conf"),
                    f"passwd: files\ngroup: files\nshadow: files\nhosts: {hosts}\n".encode(),
                    mode=0o644)}

    def was_asked(self):
        return len(self.socket.recv(512)) > 0

    def close(self):
        self.socket.close()


class SmallNameServer(SilentNameServer):
    """Knows one name for all addresses, and one address for all names; None: there is none."""

    def __init__(self, name, address, is_done):
        super().__init__()
        self.is_done = is_done
        self.records = {12: name and b"".join(bytes([len(label)]) + label.encode()
                                              for label in name.split(".")) + b"\0",
                        1: address and socket.inet_aton(address)}
        self.socket.settimeout(0.1)
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while not self.ending.is_set():
            with contextlib.suppress(TimeoutError):
                question, client = self.socket.recvfrom(512)
                self.socket.sendto(self.answer(question), client)

    def answer(self, question):
        end = question.index(b"\0", 12) + 5
        kind, = struct.unpack(">H", question[end - 4:end - 2])
        data = self.records.get(kind)
        known = any(self.records.values()) and (data or kind == 28)
        head = struct.pack(">2sHHHHH", question[:2], 0x8180 if known else 0x8183, 1,
                           1 if data else 0, 0, 0)
        record = struct.pack(">HHHIH", 0xc00c, kind, 1, 60, len(data)) + data if data else b""
        return head + question[12:end] + record

    def close(self):
        self.ending.set()
        self.thread.join(PATIENCE)
        super().close()


if __name__ == "__main__":
    popper_host.main()
