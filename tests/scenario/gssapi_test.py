#!/usr/bin/env python3
"""AUTH GSSAPI: who has a Kerberos ticket needs no password. With a real KDC."""

import contextlib
import os
import re
import signal
import subprocess
import time

import certificates
import daemon_processes
import gss_client
import kdc
import popper_host
from popper_host import PATIENCE, HostTest, wait_until
from sasl_client import Client, encoded, plain

SECRET = b"a secret of jo"
REFUSED = b"-ERR [AUTH] authentication failure"
UNAVAILABLE = b"-ERR [SYS/TEMP]"


class GssapiTest(HostTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.realm = kdc.Realm(skew=300)
        cls.addClassCleanup(cls.realm.close)
        cls.addClassCleanup(os.environ.pop, "KRB5CCNAME", None)
        cls.keytab = cls.realm.add_service("pop", cls.realm.path("keytab"))
        cls.realm.add_service("post", cls.keytab)
        cls.authority = certificates.Authority(cls.host.path("ca"))
        cls.certificate, cls.key = cls.authority.issue("host", "127.0.0.1", "localhost")
        cls.file = cls.host.path("credentials.gdbm")
        cls.popauth("init")
        for name, more in (("jo", ()), ("locked", ("--lock",)), ("whole@" + kdc.REALM, ())):
            cls.popauth("set", name, "--stdin", "--uid", str(cls.user.uid), "--gid",
                        str(cls.user.gid), "--home", cls.user.home, *more, text=SECRET + b"\n")
        cls.caches = {}
        for name in ("jo", "locked", "whole", "stranger", "jo/admin"):
            cls.realm.add_user(name)
            cls.caches[name] = cls.realm.ticket(name)

    @classmethod
    def popauth(cls, *arguments, text=b""):
        subprocess.run([popper_host.POPAUTH, *arguments, "-q", "--credential-file", cls.file],
                       input=text, check=True, timeout=PATIENCE, stdout=subprocess.DEVNULL)

    def setUp(self):
        super().setUp()
        for name in ("jo", "whole@" + kdc.REALM):
            self.host.write(os.path.join(self.host.spool_dir, name), popper_host.simple_spool(3),
                            owner=self.user.uid)

    def options(self, **more):
        return {"credential_file": self.file, "kerberos_keytab": self.keytab,
                "kerberos_replay_file": self.host.path("replay", "kerberos.replay"),
                "pid_file": self.host.path("pid"), "tls_support": "stls", "tls_server_cert_file": self.certificate,
                "tls_private_key_file": self.key, **more}

    @contextlib.contextmanager
    def serving(self, **more):
        """Until all acceptors are there, one for each gate and core."""
        with self.host.standalone(self.host.configure(**self.options(**more))) as port:
            self.port = port
            self.wait_for_acceptors(len(os.sched_getaffinity(0)))
            yield port

    def wait_for_acceptors(self, count):
        wait_until(lambda: self.log().count("kerberos-acceptor-ready gssapi=true") >= count,
                   "the acceptors are ready")

    def log(self):
        return self.host.log(self.port)

    def connect(self, tls=False):
        client = Client(self.port)
        self.addCleanup(client.close)
        if tls:
            client.start_tls(self.authority.client())
        return client

    def context(self, name="jo", **more):
        return gss_client.Context(self.caches[name], **more)

    def assert_in(self, line, client, user=b"jo"):
        self.assertTrue(line.startswith(b"+OK " + user + b" has 3"), line)
        self.assertTrue(client.say(b"STAT").startswith(b"+OK 3 "))
        self.assertTrue(client.say(b"QUIT").startswith(b"+OK"))
        client.close()

    def log_in(self, tls=False):
        client = self.connect(tls)
        self.assert_in(self.context().run(client), client)

    def assert_refused(self, line, client, why):
        self.assertEqual(line, REFUSED)
        self.assertEqual(client.line(), b"")  # the connection has ended
        client.close()
        last = [line for line in self.log().splitlines() if "login-failed" in line][-1]
        self.assertRegex(last, "by=GSSAPI .*why=.*" + why)

    # Who gets in.

    def test_a_ticket_is_as_good_as_a_password(self):
        with self.serving(clear_text_password="never"):
            for tls in (False, True):
                self.log_in(tls)
            self.assertRegex(self.log(), f"kerberos id=.* principal=jo@{kdc.REALM}")
            self.assertEqual(len(re.findall("login id=.* user=jo .*by=GSSAPI", self.log())), 2)
            # Who says it himself; and who wants no proof of the server.
            client = self.connect()
            self.assert_in(self.context().run(client, b"jo"), client)
            client = self.connect()
            self.assert_in(self.context(flags=gss_client.SEQUENCE).run(client), client)
            # What follows in the same packet is the session's.
            client, context = self.connect(), self.context()
            context.negotiate(client)
            client.send(encoded(context.answer()), b"STAT", b"QUIT")
            self.assertTrue(client.line().startswith(b"+OK jo has 3"))
            self.assertTrue(client.line().startswith(b"+OK 3 "))
            self.assertTrue(client.line().startswith(b"+OK"))

    def test_the_whole_principal_may_be_the_name(self):
        name = b"whole@" + kdc.REALM.encode()
        with self.serving():
            client = self.connect()
            self.assert_in(self.context("whole").run(client, name), client, name)

    def test_fetchmail_and_curl(self):
        with self.serving() as port:
            for tls in (False, True):
                with self.subTest(tls=tls):
                    self.assertIn("Subject: number 2", self.fetchmail(port, tls))
                    self.assertIn("Subject: number 1", self.curl(port, tls))
            logins = re.findall("login id=.* user=jo .*by=GSSAPI", self.log())
            self.assertEqual(len(logins), 4)

    def environment(self):
        return dict(os.environ, KRB5CCNAME="FILE:" + self.caches["jo"], LANG="C",
                    HOME=self.host.root)

    def fetchmail(self, port, tls):
        fetched = self.host.path(f"fetched.{tls}")
        proto = (f"sslproto 'tls1.2+' sslcertck sslcertfile '{self.authority.certificate}'" if tls
                 else "sslproto ''")
        rc = self.host.write(self.host.path("fetchmailrc"), f"""
poll localhost protocol pop3 service {port} auth gssapi
  user "jo" {proto} fetchall keep mda "cat >> {fetched}"
""".encode(), mode=0o600)
        done = subprocess.run(["fetchmail", "-f", rc, "--nosyslog", "-vv", "--pidfile",
                               self.host.path("fetchmail.pid")], env=self.environment(),
                              capture_output=True, text=True, timeout=PATIENCE)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        with open(fetched) as stream:
            return stream.read()

    def curl(self, port, tls):
        secured = ["--ssl-reqd", "--cacert", self.authority.certificate] if tls else []
        done = subprocess.run(["curl", "--silent", "--show-error", "--user", f"jo@{kdc.REALM}:", *secured,
                               "--login-options", "AUTH=GSSAPI", f"pop3://localhost:{port}/1"],
                              env=self.environment(), capture_output=True, text=True,
                              timeout=PATIENCE)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_under_inetd(self):
        config = self.host.configure(**self.options())
        with self.host.inetd(config) as port:
            self.port = port
            with self.connect() as client:
                self.assertIn(b"GSSAPI", client.mechanisms())
            client = self.connect()
            self.assert_in(self.context().run(client), client)

    # Who does not.

    def test_nobody_is_somebody_else(self):
        with self.serving():
            for name, wanted, why in (("jo", b"locked", "has proven to be jo@"),
                                      ("stranger", b"jo", "has proven to be stranger@"),
                                      ("stranger", b"", ""), ("locked", b"", "locked"),
                                      ("jo/admin", None, "jo/admin@")):
                with self.subTest(name=name, wanted=wanted):
                    client = self.connect()
                    if wanted is None:  # maps to nobody, as is seen at once
                        client.challenge_after(b"AUTH GSSAPI")
                        line = client.respond(self.context(name).step())
                    else:
                        line = self.context(name).run(client, wanted)
                    self.assert_refused(line, client, why)
            self.assertIn("[AUTH] Failed attempted login to jo from host", self.log())
            self.log_in()

    def test_the_rules_about_users_hold(self):
        listed = self.host.write(self.host.path("nonauth"), b"jo\n", mode=0o644)
        with self.serving(nonauth_file=listed):
            client = self.connect()
            self.assert_refused(self.context().run(client), client, "")

    def test_failures_are_counted(self):
        with self.serving(failure_delay=50):
            client = self.connect()
            self.assert_refused(self.context("stranger").run(client), client, "")
            client, context = self.connect(), self.context()
            context.negotiate(client)
            client.send(encoded(context.answer()))
            client.socket.settimeout(1)
            with self.assertRaises(TimeoutError):
                client.line()
            client.close()

    def test_kerberos_service_says_for_whom_a_ticket_must_be(self):
        with self.serving():
            client = self.connect()
            client.challenge_after(b"AUTH GSSAPI")
            self.assert_refused(client.respond(self.context(service="post").step()), client, "")
            self.log_in()
        with self.serving(kerberos_service="post"):
            client = self.connect()
            self.assert_in(self.context(service="post").run(client), client)
            client = self.connect()
            client.challenge_after(b"AUTH GSSAPI")
            self.assert_refused(client.respond(self.context().step()), client, "")

    def test_a_ticket_is_no_good_twice(self):
        early, other = self.context().step(), self.context().step()
        context = self.context(flags=gss_client.SEQUENCE)
        time.sleep(2)  # they count in seconds
        with self.serving(kerberos_replay_file=self.host.path("fresh", "kerberos.replay")):
            # Nobody remembers what was used before the file was there.
            client = self.connect()
            client.challenge_after(b"AUTH GSSAPI")
            self.assert_refused(client.respond(early), client, "replay|REPEAT|eplay")
            token = context.step()
            client = self.connect()
            client.challenge_after(b"AUTH GSSAPI")
            line = client.respond(token)
            self.assertTrue(line.startswith(b"+ "), line)
            self.assert_in(client.respond(context.answer()), client)
            client = self.connect()
            client.challenge_after(b"AUTH GSSAPI")
            self.assert_refused(client.respond(token), client, "replay|REPEAT|eplay")
            # Nor does who starts when others have begun to remember.
            self.kill_acceptors()
            client = self.connect()
            client.challenge_after(b"AUTH GSSAPI")
            self.assert_refused(client.respond(other), client, "replay|REPEAT|eplay")

    def test_what_is_no_exchange_is_refused(self):
        with self.serving():
            good = self.context().step()
            for token in (b"", b"x", good[:-1], good + b"x", gss_client.token_of(b"x"), good[17:],
                          good[:-9] + bytes([good[-9] ^ 1]) + good[-8:], b"\x60" * 5000):
                with self.subTest(token=token[:20]):
                    client = self.connect()
                    client.challenge_after(b"AUTH GSSAPI")
                    self.assert_refused(client.respond(token), client, "")
            client = self.connect()
            client.challenge_after(b"AUTH GSSAPI")
            token = self.context(flags=gss_client.MUTUAL | gss_client.DCE_STYLE).step()
            self.assert_refused(client.respond(token), client, "")
            for more in ({"layer": 2}, {"layer": 3}, {"layer": 0}, {"user": b"jo\0locked"}):
                with self.subTest(**more):
                    client = self.connect()
                    self.assert_refused(self.context().run(client, **more), client, "")
            for answer in (b"", b"x", good):
                with self.subTest(answer=answer[:20]):
                    client, context = self.connect(), self.context()
                    context.negotiate(client)
                    self.assert_refused(client.respond(answer), client, "")
            client, context = self.connect(), self.context()
            context.negotiate(client)
            self.assert_refused(client.respond(context.wrap(b"\1\0\0")), client, "")
            # Cancelled, and something else then.
            client, context = self.connect(tls=True), self.context()
            context.negotiate(client)
            self.assertTrue(client.say(b"*").startswith(b"-ERR"))
            self.assert_in(plain(client, b"jo", SECRET), client)
            client = self.connect()
            self.context().negotiate(client)
            self.assertTrue(client.say(b"*").startswith(b"-ERR"))
            self.assert_in(self.context().run(client), client)

    # Where it is offered.

    def offers(self):
        with self.connect() as client:
            mechanisms = client.mechanisms()
            self.assertEqual(client.rest(b"AUTH"), mechanisms)
            if b"GSSAPI" not in mechanisms:
                self.assertTrue(client.say(b"AUTH GSSAPI").startswith(b"-ERR"))
            return b"GSSAPI" in mechanisms

    def test_offered_where_it_can_work(self):
        with self.serving():
            self.assertTrue(self.offers())
        for without in ({"sasl_mechanisms": "SCRAM-SHA-256"}, {"sasl_min_ssf": 1},
                        {"kerberos_keytab": None},
                        {"sasl_mechanisms": "GSSAPI SCRAM-SHA-256",
                         "kerberos_keytab": self.realm.path("none")}):
            with self.subTest(without=without):
                config = self.host.configure(**self.options(**without))
                with self.host.standalone(config) as self.port:
                    self.assertFalse(self.offers())
                    if "sasl_mechanisms" in without and "kerberos_keytab" in without:
                        wait_until(lambda: "start a Kerberos acceptor" in self.log(),
                                   "the acceptor has tried")
                        self.assertFalse(self.offers())

    def test_an_acceptor_that_is_killed_costs_its_exchanges_and_comes_again(self):
        with self.serving():
            client, context = self.connect(), self.context()
            context.negotiate(client)
            self.kill_acceptors()
            line = client.respond(context.answer())
            self.assertEqual(line[:len(UNAVAILABLE)], UNAVAILABLE)
            client.close()
            self.assertNotIn("login-failed", self.log())
            self.log_in()

    def kill_acceptors(self):
        """Others take their place."""
        with open(self.host.path("pid")) as stream:
            master = int(stream.read())
        for process in daemon_processes.all_processes():
            if process.parent == master and process.name == "pop-kerberos":
                os.kill(process.pid, signal.SIGKILL)
        self.wait_for_acceptors(2 * len(os.sched_getaffinity(0)))


class ExpiryTest(HostTest):
    def test_an_expired_ticket_is_refused(self):
        realm = kdc.Realm(skew=1)
        self.addCleanup(realm.close)
        keytab = realm.add_service("pop", realm.path("keytab"))
        realm.add_user(self.user.name)
        credentials, life = realm.short_lived_credentials(self.user.name, "pop")
        with self.host.standalone(self.host.configure(
                kerberos_keytab=keytab,
                kerberos_replay_file=self.host.path("replay", "other.replay"))) as port:
            time.sleep(life + 2)
            realm.libkrb5.forget_expiry(credentials)
            request, _ = realm.libkrb5.request(credentials)
            wait_until(lambda: self.host.log(port).count("kerberos-acceptor-ready gssapi=true") >=
                       len(os.sched_getaffinity(0)), "the acceptors are ready")
            with Client(port) as client:
                client.challenge_after(b"AUTH GSSAPI")
                self.assertEqual(client.respond(gss_client.token_of(request)), REFUSED)
            self.assertRegex(self.host.log(port), "login-failed .*by=GSSAPI .*why=.*expired")


if __name__ == "__main__":
    popper_host.main()
