#!/usr/bin/env python3
"""The one-letter switches of Qpopper, as inetd.conf and start-up scripts have them: each acts, joined with
its value or not, and a wrong one starts nothing."""

import contextlib
import os
import poplib
import re
import socket
import struct
import subprocess

import popper_host
import syslog_daemon
from popper_host import PATIENCE, POPAUTH, POPPER, simple_spool, wait_until
from tls_host import TlsHostTest, capabilities

BULLETIN = b"From qpop Wed Nov  9 13:31:08 1994\nTo: user@localhost\nSubject: bulletin\n\nnews\n\n"
FACILITIES = {"mail": 2, "local0": 16, "local1": 17, "local2": 18, "local3": 19, "local4": 20,
              "local5": 21, "local6": 22, "local7": 23}

# What is no switch, or no value of one; and what is said about it.
WRONG = [
    (["-Z"], "unknown switch"),
    (["-s", "-x"], "unknown switch"),
    (["-l3"], "from 0 to 2"),
    (["-lstls"], "from 0 to 2"),
    (["-p", "5"], "from 0 to 4"),
    (["-Tsoon"], "wants an integer"),
    (["-T0"], "from 1 to"),
    (["-T"], "-T: wants a value"),
    (["-L-1"], "from 1 to"),
    (["-b", "bulletins"], "must begin with a slash"),
    (["-ylpr"], "values are mail, local0"),
    (["-edelay=5"], "wants login_delay=SECONDS or expire=DAYS"),
    (["-elogin_delay=x,expire"], "expire wants =VALUE"),
    (["-K", ""], "kerberos-service"),
    (["-D"], "-D: wants a value"),
    (["-f", "/no/such/file"], "/no/such/file"),
    (["-s", "8110"], "must come first"),
]


class SwitchesTest(TlsHostTest):
    def config(self, **more):
        """All that a start needs, and nothing that a switch sets."""
        return self.configure(None, **more)

    def serving(self, *switches, **more):
        return self.host.standalone(self.config(**more), *switches)

    def session(self, port):
        client = self.host.login(port, self.user)
        count = client.stat()[0]
        client.quit()
        return count

    def test_the_line_of_the_manual(self):
        """Letters with their values joined, several settings of -e, and the address in front."""
        with self.serving("-l1", "-p2", "-T600", "-elogin_delay=5,expire=30", "-sS") as port:
            client = poplib.POP3("127.0.0.1", port, timeout=PATIENCE)
            offered = client.capa()
            self.assertIn("STLS", offered)
            self.assertEqual((offered["LOGIN-DELAY"], offered["EXPIRE"][0]), (["5"], "30"))
            client.quit()
            self.assertEqual(self.session(port), 3)
            wait_until(lambda: f"Stats: {self.user.name} 0 0 3 " in self.host.log(port), "-s acts")

    def test_a_wrong_one_starts_nothing(self):
        config = self.config()
        for switches, what in WRONG:
            with self.subTest(switches):
                port, pid = popper_host.free_port(), self.host.path("never.pid")
                done = subprocess.run(
                    [POPPER, f"127.0.0.1:{port}", "-f", config, f"--pid-file={pid}", *switches],
                    stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE)
                self.assertEqual((done.returncode, done.stdout), (1, ""))
                self.assertIn(what, done.stderr)
                self.assertTrue(done.stderr.startswith("popper: command line: "), done.stderr)
                if switches[0] != "-f":  # nothing wrong with the line itself
                    self.assertIn("\nusage: popper [[ADDRESS][:PORT]] [-Bc", done.stderr)
                self.assertFalse(popper_host.accepts(port) or os.path.exists(pid))

    def test_bulletins(self):
        """-b shows them, and with -B a database that cannot be used keeps no mail away."""
        folder = self.host.path("bulletins")
        os.mkdir(folder, 0o755)
        self.host.write(os.path.join(folder, "1.first"), BULLETIN, mode=0o644)
        with self.serving("-b", folder) as port:
            self.assertEqual(self.session(port), 4)
        self.host.write(os.path.join(folder, "bulldb"), b"x" * 5000, mode=0o600)
        with self.serving("-b" + folder) as port:
            self.assert_says("Unable to open Bulletin database", self.host.login, port, self.user)
        with self.serving("-B", "-b" + folder) as port:
            self.assertEqual(self.session(port), 4)

    def test_drac(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as service:
            service.bind(("127.0.0.1", 0))
            service.settimeout(PATIENCE)
            with self.serving("-R", "-D", f"127.0.0.1:{service.getsockname()[1]}") as port:
                self.session(port)
                call, sender = service.recvfrom(4096)
                service.sendto(call[:4] + struct.pack(">6I", 1, 0, 0, 0, 0, 0), sender)
                self.assertEqual(struct.unpack(f">{len(call) // 4}I", call)[3:6], (900101, 1, 1))

    def test_tls_support(self):
        with self.serving("-l0") as port:
            self.assertNotIn("STLS", self.offers(port))
        with self.serving("-l", "1") as port:
            self.assertIn("STLS", self.offers(port))
            self.login(port, "stls").quit()
        with self.serving("-l2") as port:
            self.login(port, "implicit").quit()

    def set_apop_secret(self):
        path = self.host.path("credentials")
        if not os.path.exists(path):
            for arguments in (["init"], ["set", self.user.name, "--stdin", "--apop"]):
                subprocess.run([POPAUTH, *arguments, "-q", "--credential-file", path],
                               input="the secret\n", text=True, check=True, timeout=PATIENCE)
        return path

    def lets_in(self, port, name, client="127.0.0.1"):
        """Whether a right password in clear does; the session before may not have ended yet."""
        reply = wait_until(lambda: [said for said in [self.says_to_password(port, name, client)]
                                    if "[IN-USE]" not in said], f"{name} is not on")[0]
        return reply.startswith("+OK")

    def says_to_password(self, port, name, client):
        """The reply to it, or to USER where that refuses it."""
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
            connection.sendall(b"PROXY TCP4 %s 127.0.0.1 40000 110\r\n" % client.encode())
            lines = connection.makefile("rb")
            self.assertTrue(lines.readline().startswith(b"+OK"))
            for word in (f"USER {name}", f"PASS {self.user.password}"):
                connection.sendall(word.encode() + b"\r\n")
                reply = lines.readline().decode()
                if not reply.startswith("+OK"):
                    return reply
            connection.sendall(b"QUIT\r\n")
            lines.read()
            return reply

    def test_clear_text_handling(self):
        """-p: 0 not for users with an APOP secret, 1 never, 2 always, 3 on this host, 4 under TLS."""
        other = self.host.add_user("b", self.user.password)
        self.host.write_spool(other, simple_spool(1))
        secrets = {"credential_file": self.set_apop_secret(), "proxy_networks": "127.0.0.0/8"}
        allowed = {  # for a user with a secret, one without, and one without from another host
            "-p0": (False, True, True),
            "-p1": (False, False, False),
            "-p2": (True, True, True),
            "-p3": (True, True, False),
            "-p4": (False, False, False),
        }
        for switch, wanted in allowed.items():
            with self.subTest(switch), self.serving(switch, **secrets) as port:
                found = tuple(self.lets_in(port, *who) for who in
                              ((self.user.name,), (other.name,), (other.name, "192.0.2.1")))
                self.assertEqual(found, wanted)
        del secrets["proxy_networks"]
        with self.serving("-p1", **secrets) as port:
            client = poplib.POP3("127.0.0.1", port, timeout=PATIENCE)
            client.apop(self.user.name, "the secret")
            client.quit()
        with self.serving("-p", "4", "-l1", **secrets) as port:
            self.assertNotIn("USER", self.offers(port))
            self.login(port, "stls").quit()

    def test_statistics(self):
        with self.serving("-s", "-R") as port:
            client = self.host.login(port, self.user)
            client.dele(1)
            client.quit()
            wait_until(lambda: re.search(rf"Stats: {self.user.name} 1 \d+ 2 \d+ 127.0.0.1 127.0.0.1$",
                                         self.host.log(port), re.MULTILINE), "the line is there")

    def test_trace_file(self):
        """-t FILE gets what -d would, and the log no more than before."""
        trace = self.host.path("trace")
        with self.serving("-t", trace) as port:
            self.session(port)
            wait_until(lambda: " session-end " in self.host.log(port), "it ends")
            self.assertNotIn(" command ", self.host.log(port))
        with open(trace) as stream:
            self.assertIn(" command ", stream.read())

    def test_options_from_files(self):
        """-f, -u and -U, which the others in between do not replace."""
        more = self.host.write(self.host.path("more.conf"), b"set shy\nset statistics\n", mode=0o644)
        self.host.write(os.path.join(self.user.home, ".qpopper-options"), b"reset statistics\n",
                        owner=self.user.uid, group=self.user.gid, mode=0o600)
        with self.serving("-f", more, "-u") as port:
            self.assertEqual(self.session(port), 3)
            with contextlib.closing(poplib.POP3("127.0.0.1", port, timeout=PATIENCE)) as client:
                self.assertNotIn(b"Popper", client.welcome)
            wait_until(lambda: " session-end " in self.host.log(port), "it ends")
            self.assertNotIn("Stats:", self.host.log(port))
        self.host.write(os.path.join(self.host.spool_dir, f".{self.user.name}.qpopper-options"),
                        b"set statistics\n", owner=0, mode=0o644)
        with self.serving("-uU", "-f" + more) as port:
            self.session(port)
            wait_until(lambda: "Stats:" in self.host.log(port), "the administrator's file decides")

    def check_facility(self, number, *switches, **options):
        with syslog_daemon.SyslogDaemon(self.host) as syslog, \
                syslog_daemon.detached(self.host, syslog, self.config(**options), *switches) as port:
            self.session(port)
            lines = wait_until(lambda: [line for line in syslog.lines() if " session-end " in line],
                               "syslog hears of it")
            for line in syslog.lines():
                self.assertEqual(int(re.match(r"<(\d+)>", line)[1]) // 8, number, line)
            self.assertEqual(len(lines), 1)

    def test_log_facility(self):
        """-y in both forms; without it, mail, and as log-facility says."""
        self.check_facility(FACILITIES["mail"])
        self.check_facility(FACILITIES["local3"], "-ylocal3")
        self.check_facility(FACILITIES["local7"], "-y", "local7", log_facility="local1")

    def test_each_log_facility(self):
        for word, number in FACILITIES.items():
            with self.subTest(word):
                self.check_facility(number, log_facility=word)

    def test_the_first_argument_says_where(self):
        """[address][:port], as the manual has it, with switches behind."""
        port = popper_host.free_port()
        for place, reached in ((f"127.0.0.1:{port}", "127.0.0.1"), (f"{port}", "127.0.0.1"),
                               (f":{port}", "127.0.0.1"), (f"[::1]:{port}", "::1")):
            with self.subTest(place):
                process = subprocess.Popen([POPPER, place, "-S", "-T600", "--foreground", "-f",
                                            self.config()], stdin=subprocess.DEVNULL,
                                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                try:
                    def greeting():
                        try:
                            return poplib.POP3(reached, port, timeout=PATIENCE)
                        except OSError:
                            self.assertIsNone(process.poll())
                    with contextlib.closing(wait_until(greeting, "popper listens")) as client:
                        self.assertIn("UIDL", capabilities(client))
                finally:
                    popper_host.stop(process)


if __name__ == "__main__":
    popper_host.main()
