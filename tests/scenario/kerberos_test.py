#!/usr/bin/python3
"""KPOP: who shows a Kerberos ticket gets in, and nobody else does. With a real KDC."""

import contextlib
import os
import signal
import socket
import ssl
import struct
import subprocess
import time
import unittest

import certificates
import daemon_processes
import kdc
import popper_host
import private_mounts
from popper_host import PATIENCE, wait_until
from super_servers import stop

MAIL = b"From a@example.org Thu Jan  1 00:00:00 1970\nSubject: one\n\nhi\n\n"


def is_listening(place):
    with contextlib.suppress(OSError):
        socket.create_connection(place, timeout=1).close()
        return True


class Wire:
    """A client that says what it likes, octet by octet."""

    def __init__(self, port, wrap=lambda connection: connection):
        self.connection = wrap(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE))
        self.unread = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def send(self, octets):
        self.connection.sendall(octets)

    def octets(self, count):
        while len(self.unread) < count:
            got = self.connection.recv(4096)
            if not got:
                raise EOFError(self.unread)
            self.unread += got
        taken, self.unread = self.unread[:count], self.unread[count:]
        return taken

    def message(self):
        return self.octets(struct.unpack(">I", self.octets(4))[0])

    def line(self):
        line = b""
        while not line.endswith(b"\n"):
            line += self.octets(1)
        return line.decode("latin-1").rstrip("\r\n")

    def rest(self):
        got = b"more"
        with contextlib.suppress(ConnectionError):
            while got:
                got = self.connection.recv(4096)
                self.unread += got
        return self.unread

    def say(self, command):
        self.send(command.encode() + b"\r\n")
        return self.line()

    # The parts of krb5_sendauth(3).

    def offer(self, application=b"KPOPV1.0\0", exchange=b"KRB5_SENDAUTH_V1.0\0"):
        self.send(kdc.framed(exchange) + kdc.framed(application))
        return self.octets(1)

    def show(self, request):
        """What the server says to an AP-REQ: KRB-ERROR, empty if there is none."""
        self.send(kdc.framed(request))
        return self.message()


class KerberosTest(popper_host.HostTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.realm = kdc.Realm(skew=300)
        cls.addClassCleanup(cls.realm.close)
        cls.keytab = cls.realm.add_service("pop", cls.realm.path("keytab"))
        cls.realm.add_service("host", cls.keytab)
        for name in (cls.user.name, "somebody", cls.user.name + "/admin"):
            cls.realm.add_user(name)
        cls.cache = cls.realm.ticket(cls.user.name)

    def setUp(self):
        super().setUp()
        self.host.write_spool(self.user, MAIL)

    def options(self, **more):
        return {"kerberos": True, "kerberos_keytab": self.keytab,
                "kerberos_replay_file": self.host.path("replay", "kerberos.replay"), **more}

    def serving(self, *switches, **more):
        return self.host.standalone(self.host.configure(**self.options(**more)), *switches)

    def request(self, cache=None, service="pop"):
        libkrb5 = self.realm.libkrb5
        return libkrb5.request(libkrb5.credentials(cache or self.cache, service))

    def enter(self, wire, cache=None):
        """Shows a good ticket; the greeting."""
        request, exchange = self.request(cache)
        self.assertEqual(wire.offer(), b"\0")
        self.assertEqual(wire.show(request), b"")
        self.realm.libkrb5.check_reply(exchange, wire.message())
        return wire.line()

    def log_in(self, port, name=None, cache=None):
        with Wire(port) as wire:
            self.assertIn("+OK", self.enter(wire, cache))
            self.assertIn("+OK", wire.say(f"USER {name or self.user.name}"))
            reply = wire.say("PASS whatever")
            if reply.startswith("+OK"):
                self.assertEqual(wire.say("STAT").split()[:2], ["+OK", "1"])
                self.assertIn("+OK", wire.say("QUIT"))
            return reply

    # Who gets in.

    def test_a_ticket_is_as_good_as_a_password(self):
        with self.serving(clear_text_password="never") as port:
            self.assertIn("+OK", self.log_in(port))
            log = self.host.log(port)
        self.assertRegex(log, f"kerberos id=.* principal={self.user.name}@{kdc.REALM}")
        self.assertRegex(log, f"login id=.* user={self.user.name} .*by=kerberos")

    def test_krb5_sendauth_is_understood(self):
        with self.serving() as port:
            with Wire(port) as wire:
                wire.connection.settimeout(None)  # libkrb5 blocks
                self.realm.libkrb5.sendauth(wire.connection, self.cache, "pop")
                wire.connection.settimeout(PATIENCE)
                self.assertIn("+OK", wire.line())
                self.assertIn("+OK", wire.say(f"USER {self.user.name}"))
                self.assertIn("+OK", wire.say("PASS x"))

    def test_fetchmail_over_kpop(self):
        fetched = self.host.path("fetched")
        rc = self.host.write(self.host.path("fetchmailrc"), f"""
poll localhost protocol kpop auth kerberos_v5
  user "{self.user.name}" password "x" sslproto "" fetchall mda "cat >> {fetched}"
""".encode(), mode=0o600)
        with self.serving() as port:
            # It knows KPOP by the port's name, which services(5) has no more.
            services = self.host.write(self.host.path("services"),
                                       f"kpop {port}/tcp\n".encode(), mode=0o644)
            done = subprocess.run(
                [*private_mounts.prefix_for({"/etc/services": services}), "fetchmail", "-f", rc,
                 "--nosyslog", "-vv", "--pidfile", self.host.path("fetchmail.pid")],
                env=dict(os.environ, KRB5CCNAME=f"FILE:{self.cache}", LANG="C",
                         HOME=self.host.root),
                capture_output=True, text=True, timeout=PATIENCE)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        with open(fetched) as stream:
            self.assertIn("Subject: one", stream.read())

    def test_the_whole_principal_may_be_the_name(self):
        credentials = self.host.path("credentials.gdbm")
        maildrop = self.host.write_spool(self.user, MAIL, os.path.join(self.user.home, "mail"))
        name = f"{self.user.name}@{kdc.REALM}"
        for arguments in (["init"], ["set", name, "--stdin", "--uid", str(self.user.uid), "--gid",
                                     str(self.user.gid), "--home", self.user.home, "--maildrop",
                                     maildrop]):
            subprocess.run([popper_host.POPAUTH, *arguments, "-q", "--credential-file",
                            credentials], input="unused\n", text=True, check=True,
                           timeout=PATIENCE)
        with self.serving(credential_file=credentials) as port:
            self.assertIn("+OK", self.log_in(port, name))

    # Who does not.

    def test_another_users_ticket_is_refused(self):
        with self.serving() as port:
            reply = self.log_in(port, cache=self.realm.ticket("somebody"))
            self.assertEqual(reply, f"-ERR [AUTH] Wrong username supplied (somebody@{kdc.REALM} "
                                    f"vs. {self.user.name}).")
            self.assertIn(f"[AUTH] Failed attempted login to {self.user.name} from host",
                          self.host.log(port))

    def test_a_principal_without_a_user_is_refused(self):
        with self.serving() as port:
            with Wire(port) as wire:
                self.assertEqual(wire.offer(), b"\0")
                request, _ = self.request(self.realm.ticket(self.user.name + "/admin"))
                self.assertNotEqual(wire.show(request), b"")
            self.assert_refused(port)

    def test_a_user_of_the_realm_but_not_of_the_host_is_refused(self):
        with self.serving() as port:
            reply = self.log_in(port, name="somebody", cache=self.realm.ticket("somebody"))
            self.assertEqual(reply, '-ERR [AUTH] "somebody" may not log in.')

    def test_the_rules_about_users_hold(self):
        refused = self.host.write(self.host.path("nonauth"), self.user.name.encode() + b"\n",
                                  mode=0o644)
        with self.serving(nonauth_file=refused) as port:
            self.assertIn("may not log in", self.log_in(port))

    def assert_refused(self, port, why=""):
        wait_until(lambda: "by=kerberos" in self.host.log(port), "the refusal is logged")
        self.assertRegex(self.host.log(port),
                         "login-failed id=.* by=kerberos guess=new why=.*" + why)

    def test_a_ticket_is_no_good_twice(self):
        with self.serving() as port:
            request, _ = self.request()
            with Wire(port) as first:
                self.assertEqual(first.offer(), b"\0")
                self.assertEqual(first.show(request), b"")
            with Wire(port) as second:
                self.assertEqual(second.offer(), b"\0")
                self.assertNotEqual(second.show(request), b"")
                self.assertIn(b"-ERR [AUTH]", second.rest())
            self.assert_refused(port, "replay")

    def test_a_ticket_is_no_good_twice_across_a_restart(self):
        request, _ = self.request()
        with self.serving() as port:
            with Wire(port) as first:
                first.offer()
                self.assertEqual(first.show(request), b"")
        with self.serving() as port:
            with Wire(port) as second:
                second.offer()
                self.assertNotEqual(second.show(request), b"")
            self.assert_refused(port, "replay")

    def test_what_was_made_before_memory_was_lost_is_refused(self):
        request, _ = self.request()
        time.sleep(2)  # times in authenticators are whole seconds
        with self.serving(kerberos_replay_file=self.host.path("replay", "lost.replay")) as port:
            with Wire(port) as wire:
                wire.offer()
                self.assertNotEqual(wire.show(request), b"")
            self.assert_refused(port, "replay")
            self.assertIn("+OK", self.log_in(port))

    def test_a_ticket_for_another_service_is_refused(self):
        with self.serving() as port:
            with Wire(port) as wire:
                wire.offer()
                request, _ = self.request(service="host")
                self.assertNotEqual(wire.show(request), b"")
            self.assert_refused(port)

    def test_kerberos_service_says_which_one(self):
        with self.serving("-K", "host") as port:
            with Wire(port) as wire:
                wire.offer()
                request, _ = self.request(service="host")
                self.assertEqual(wire.show(request), b"")
            with Wire(port) as wire:
                wire.offer()
                request, _ = self.request(service="pop")
                self.assertNotEqual(wire.show(request), b"")

    def test_garbage_is_refused(self):
        with self.serving() as port:
            for request in (b"", b"\0" * 40, b"\x6e\x82\xff\xff" + b"A" * 200, os.urandom(8000)):
                with Wire(port) as wire:
                    wire.offer()
                    self.assertNotEqual(wire.show(request), b"")
                    self.assertIn(b"-ERR", wire.rest())
            request, _ = self.request()
            damaged = bytearray(request)
            damaged[-20] ^= 1
            with Wire(port) as wire:
                wire.offer()
                self.assertNotEqual(wire.show(bytes(damaged)), b"")
            with Wire(port) as wire:  # what follows was not asked for
                wire.offer()
                wire.send(kdc.framed(request) + b"USER jo\r\n")
                self.assertIn(b"-ERR", wire.rest())
            self.assertIn("+OK", self.log_in(port))

    def test_a_client_without_kerberos_is_told(self):
        with self.serving() as port:
            for words in (b"USER jo\r\nPASS x\r\n", b"\xff\xff\xff\xff", b"QUIT\r\n"):
                with Wire(port) as wire:
                    wire.send(words)
                    self.assertIn(b"-ERR [AUTH] Kerberos authentication failure", wire.rest())
            with Wire(port) as wire:
                self.assertEqual(wire.offer(application=b"rcmd\0"), b"\2")
                self.assertEqual(wire.rest(), b"")
            with Wire(port) as wire:
                self.assertEqual(wire.offer(exchange=b"KRB5_SENDAUTH_V9.0\0"), b"\1")
                self.assertEqual(wire.rest(), b"")

    def test_no_other_mechanism_nor_stls_is_offered(self):
        pair = certificates.Authority(self.host.path("tls-a")).issue("host", "127.0.0.1")
        with self.serving("-l", "1", tls_server_cert_file=pair[0],
                          tls_private_key_file=pair[1], sasl_no_plaintext=False) as port:
            with Wire(port) as wire:
                self.assertNotIn("<", self.enter(wire))
                self.assertIn("-ERR", wire.say("AUTH"))
                self.assertIn("-ERR", wire.say("AUTH PLAIN AGpvAHB3"))
                self.assertIn("-ERR", wire.say("STLS"))
                self.assertIn("-ERR", wire.say(f"APOP {self.user.name} {'0' * 32}"))

    # Where and how.

    def test_each_listener_has_its_own_mode(self):
        plain, kerberos = popper_host.free_port(), popper_host.free_port()
        listeners = f"""
[[listen]]
address = "127.0.0.1:{plain}"
[[listen]]
address = "127.0.0.1:{kerberos}"
kerberos = true
"""
        with self.listening(listeners, ("127.0.0.1", kerberos)):
            self.host.login(plain, self.user).quit()
            self.assertIn("+OK", self.log_in(kerberos))

    @contextlib.contextmanager
    def listening(self, listeners, place):
        """popper with these [[listen]] tables, of which one is that place."""
        config = self.host.write(self.host.path("popper.toml"), f"""
spool-dir = "{self.host.spool_dir}"
pam-service = "{self.host.add_pam_service()}"
kerberos-keytab = "{self.keytab}"
kerberos-replay-file = "{self.host.path('replay', 'kerberos.replay')}"
{listeners}""".encode(), mode=0o644)
        popper = subprocess.Popen([popper_host.POPPER, "--foreground", "-f", config],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL)
        try:
            wait_until(lambda: is_listening(place), "popper listens")
            yield
        finally:
            stop(popper)

    def test_under_implicit_tls(self):
        pair = certificates.Authority(self.host.path("tls-b")).issue("host", "127.0.0.1")
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with self.serving("-l", "2", tls_server_cert_file=pair[0],
                          tls_private_key_file=pair[1]) as port:
            with Wire(port, context.wrap_socket) as wire:
                self.assertIn("+OK", self.enter(wire))
                self.assertIn("+OK", wire.say(f"USER {self.user.name}"))
                self.assertIn("+OK", wire.say("PASS x"))
                self.assertIn("+OK", wire.say("QUIT"))

    def test_under_inetd(self):
        with self.host.inetd(self.host.configure(**self.options(kerberos=False)), "-k") as port:
            self.assertIn("+OK", self.log_in(port))
            with Wire(port) as wire:
                wire.send(b"USER jo\r\n")
                self.assertIn(b"-ERR [AUTH] Kerberos", wire.rest())

    # What strangers cannot do.

    def test_slow_clients_hold_nobody_up(self):
        request, _ = self.request()
        begun = (b"", b"\0", kdc.framed(b"KRB5_SENDAUTH_V1.0\0"), kdc.framed(request)[:100])
        with self.serving(keepers=1, login_timeout=8) as port, contextlib.ExitStack() as stack:
            slow = [stack.enter_context(Wire(port)) for _ in range(40)]
            for number, wire in enumerate(slow):
                if number % 4 == 3:
                    wire.offer()
                wire.send(begun[number % 4])
            self.assertIn("+OK", self.log_in(port))
            for wire in slow:  # and they are sent away
                self.assertIn(b"-ERR", wire.rest())

    def test_a_killed_acceptor_comes_again(self):
        with self.serving(pid_file=self.host.path("pid")) as port:
            self.assertIn("+OK", self.log_in(port))
            for process in self.acceptors():
                os.kill(process.pid, signal.SIGKILL)
            wait_until(lambda: self.tries_to_log_in(port), "somebody can log in again")

    def tries_to_log_in(self, port):
        with contextlib.suppress(EOFError):
            return self.log_in(port).startswith("+OK")

    def test_the_acceptor_has_no_rights(self):
        with self.serving(pid_file=self.host.path("pid")) as port:
            self.assertIn("+OK", self.log_in(port))
            acceptors = self.acceptors()
            self.assertTrue(acceptors)
            for process in acceptors:
                status = process.status
                self.assertNotIn(0, process.uids | process.gids)
                self.assertEqual(process.groups, set())
                self.assertEqual(int(status["CapEff"], 16) | int(status["CapPrm"], 16), 0)
                self.assertEqual(status["NoNewPrivs"], "1")
                self.assertEqual(status["Seccomp"], "2")

    def acceptors(self):
        with open(self.host.path("pid")) as stream:
            master = int(stream.read())
        return [process for process in daemon_processes.all_processes()
                if process.parent == master and process.name == "pop-kerberos"]


class ExpiryTest(popper_host.HostTest):
    def test_an_expired_ticket_is_refused(self):
        realm = kdc.Realm(skew=1)
        self.addCleanup(realm.close)
        keytab = realm.add_service("pop", realm.path("keytab"))
        realm.add_user(self.user.name)
        credentials, life = realm.short_lived_credentials(self.user.name, "pop")
        with self.host.standalone(self.host.configure(
                kerberos=True, kerberos_keytab=keytab,
                kerberos_replay_file=self.host.path("replay", "other.replay"))) as port:
            time.sleep(life + 2)
            realm.libkrb5.forget_expiry(credentials)
            request, _ = realm.libkrb5.request(credentials)
            with Wire(port) as wire:
                wire.offer()
                self.assertNotEqual(wire.show(request), b"")
            self.assertRegex(self.host.log(port), "login-failed .* why=.*expired")


if __name__ == "__main__":
    popper_host.main()
