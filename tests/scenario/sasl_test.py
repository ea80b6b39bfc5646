#!/usr/bin/env python3
"""AUTH: its mechanisms with real clients and with one of our own, and what each sasl option does."""

import contextlib
import glob
import hashlib
import os
import shutil
import signal
import ssl
import subprocess
import time
from types import SimpleNamespace

import certificates
import daemon_processes
import mail_clients
import popper_host
import private_mounts
import sasl_client
from popper_host import PATIENCE, HostTest, wait_until
from sasl_client import (Client, Digest, ExportingClient, Scram, cram_md5, cram_md5_answer, encoded,
                         plain)

REFUSED = b"-ERR [AUTH] authentication failure"
SECRET = b"a secret of jo"


class SaslTest(HostTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.authority = certificates.Authority(cls.host.path("ca"))
        cls.certificate, cls.key = cls.authority.issue("host", "127.0.0.1")
        cls.file = cls.host.path("credentials.gdbm")
        cls.popauth("init")
        cls.set_secret("jo")
        cls.set_secret("other", b"another secret")
        cls.set_secret("anonymous")

    @classmethod
    def popauth(cls, *arguments, text=b""):
        subprocess.run([popper_host.POPAUTH, *arguments, "-q", "--credential-file", cls.file],
                       input=text, check=True, timeout=PATIENCE, stdout=subprocess.DEVNULL)

    @classmethod
    def set_secret(cls, name, secret=SECRET, *more):
        """A virtual user with a password, and an APOP secret that is the same."""
        cls.popauth("set", name, "--stdin", "--apop", "--uid", str(cls.user.uid), "--gid",
                    str(cls.user.gid), "--home", cls.user.home, *more, text=secret + b"\n")

    def setUp(self):
        super().setUp()
        for name in ("jo", "other"):
            self.host.write(os.path.join(self.host.spool_dir, name), popper_host.simple_spool(3),
                            owner=self.user.uid)

    @contextlib.contextmanager
    def serving(self, *switches, popen=None, **more):
        """In clear, with STLS, and every mechanism that sends no password."""
        config = self.host.configure(**{
            "credential_file": self.file, "tls_support": "stls",
            "clear_text_password": "always",
            "tls_server_cert_file": self.certificate, "tls_private_key_file": self.key, **more})
        self.config = config
        with self.host.standalone(config, *switches, **(popen or {})) as port:
            self.port = port
            yield port

    def connect(self, source="127.0.0.1"):
        client = Client(self.port, source=source)
        self.addCleanup(client.close)
        return client

    def under_tls(self, version=ssl.TLSVersion.TLSv1_3):
        client = self.connect()
        context = self.authority.client()
        context.minimum_version = context.maximum_version = version
        client.start_tls(context)
        return client

    def assert_in(self, line, client, user=b"jo"):
        """Somebody is logged in."""
        self.assertTrue(line.startswith(b"+OK " + user + b" has 3"), line)
        self.assertEqual(client.say(b"NOOP")[:3], b"+OK")
        client.say(b"QUIT")

    def log(self):
        return self.host.log(self.port)

    # What is offered.

    def test_capa_and_auth_tell_what_works(self):
        with self.serving():
            in_clear = [b"SCRAM-SHA-256", b"SCRAM-SHA-1", b"CRAM-MD5"]
            client = self.connect()
            self.assertEqual(client.mechanisms(), in_clear)
            self.assertEqual(client.rest(b"AUTH"), in_clear)
            for mechanism in (b"PLAIN", b"LOGIN", b"SCRAM-SHA-256-PLUS", b"DIGEST-MD5", b"NTLM"):
                self.assertTrue(client.say(b"AUTH " + mechanism).startswith(b"-ERR"), mechanism)
            client = self.under_tls()
            self.assertEqual(client.mechanisms(),
                             [b"SCRAM-SHA-256-PLUS", b"SCRAM-SHA-1-PLUS", *in_clear, b"PLAIN",
                              b"LOGIN"])
            self.assert_in(plain(client, b"jo", SECRET), client)
        with self.serving(credential_file=self.host.path("none.gdbm")):
            self.assertEqual(self.connect().mechanisms(), [])
            self.assertTrue(self.connect().say(b"AUTH").startswith(b"-ERR"))
            self.assertEqual(self.under_tls().mechanisms(), [b"PLAIN", b"LOGIN"])
        with self.serving(clear_text_password="never"):
            self.assertNotIn(b"PLAIN", self.under_tls().mechanisms())

    def test_capa_after_the_login_named_no_mechanisms(self):
        with self.serving():
            for client, log_in in ((self.connect(), lambda client: cram_md5(client, b"jo", SECRET)),
                                   (self.under_tls(), lambda client: plain(client, b"jo", SECRET)),
                                   (self.connect(), self.by_pass)):
                before = client.mechanisms()
                self.assertIn(b"SCRAM-SHA-256", before)
                self.assertTrue(log_in(client).startswith(b"+OK"))
                self.assertEqual(client.mechanisms(), before)
                client.say(b"QUIT")
        with self.serving(credential_file=self.host.path("none.gdbm")):
            self.host.write_spool(self.user, popper_host.simple_spool(1))
            client = self.connect()
            self.assertTrue(self.by_pass(client, self.user.name, self.user.password.encode())
                            .startswith(b"+OK"))
            self.assertNotIn(b"SASL", client.capabilities())

    def by_pass(self, client, user="other", password=b"another secret"):
        client.say(b"USER " + user.encode())
        return client.say(b"PASS " + password)

    def test_missing_modules_are_told_once_and_not_by_each_keeper(self):
        module, = glob.glob("/usr/lib/*/sasl2/libcrammd5.so")
        instead = self.host.path("modules")
        os.mkdir(instead)
        shutil.copy(module, instead)
        popen = {"preexec_fn": private_mounts.see_instead({os.path.dirname(module): instead})}
        with self.serving(popen=popen, keepers=3):
            self.assertEqual(self.connect().mechanisms(), [b"CRAM-MD5"])
            family = daemon_processes.Family(self.config)
            wait_until(lambda: len(family.keepers()) == 3 * len(family.gates()), "all keepers run")
            client = self.connect()
            self.assert_in(cram_md5(client, b"jo", SECRET), client)
            self.assertEqual(self.log().count(
                "sasl-mechanisms: libsasl2 has no module for SCRAM-SHA-256, SCRAM-SHA-1 in "), 1)

    # PLAIN and LOGIN.

    def test_plain_and_login_are_checked_as_pass_is(self):
        with self.serving(sasl_no_plaintext=False):
            for user, password in ((b"jo", SECRET),
                                   (self.user.name.encode(), self.user.password.encode())):
                with self.subTest(user=user):
                    self.host.write_spool(self.user, popper_host.simple_spool(3))
                    client = self.connect()
                    self.assert_in(plain(client, user, password), client, user)
                    client = self.connect()
                    self.assert_in(sasl_client.login(client, user, password), client, user)
            expected = b'-ERR [AUTH] Password supplied for "jo" is incorrect.'
            for mechanism in (plain, sasl_client.login):
                self.assertEqual(mechanism(self.connect(), b"jo", b"wrong"), expected)
            self.assertEqual(self.log().count("[AUTH] Failed attempted login to jo from host"), 2)
            self.assertIn("by=PLAIN", self.log())
            self.assertIn("by=LOGIN", self.log())
            client = self.connect()
            self.assertEqual(client.say(b"AUTH PLAIN"), b"+ ")
            self.assert_in(client.respond(b"jo\0jo\0" + SECRET), client)
            client = self.connect()
            self.assertTrue(plain(client, b"jo", SECRET, b"other").startswith(b"-ERR"))
            # What follows in the same packet is the session's.
            client = self.connect()
            client.send(b"AUTH PLAIN " + encoded(b"\0jo\0" + SECRET), b"STAT", b"QUIT")
            self.assertTrue(client.line().startswith(b"+OK jo has 3"))
            self.assertTrue(client.line().startswith(b"+OK 3 "))
            self.assertTrue(client.line().startswith(b"+OK"))

    # The others.

    def test_scram_and_cram_md5(self):
        with self.serving():
            for mechanism in (b"SCRAM-SHA-256", b"SCRAM-SHA-1"):
                with self.subTest(mechanism=mechanism):
                    client = self.connect()
                    self.assert_in(Scram(b"jo", SECRET, mechanism).run(client), client)
                    client = self.connect()
                    self.assertEqual(Scram(b"jo", b"wrong", mechanism).run(client), REFUSED)
                    self.assertEqual(client.line(), b"")  # the connection has ended
            client = self.connect()
            self.assert_in(cram_md5(client, b"jo", SECRET), client)
            self.assertEqual(cram_md5(self.connect(), b"jo", b"wrong"), REFUSED)
            # An empty answer at the end, and more behind it at once.
            client = self.connect()
            scram = Scram(b"jo", SECRET)
            scram.begin(client)
            self.assertTrue(scram.answer(client).startswith(b"+ "))
            client.send(b"", b"STAT", b"QUIT")
            self.assertTrue(client.line().startswith(b"+OK jo has 3"))
            self.assertTrue(client.line().startswith(b"+OK 3 "))

    def test_digest_md5_and_its_layers(self):
        with self.serving(sasl_mechanisms="DIGEST-MD5"):
            self.assertEqual(self.connect().mechanisms(), [b"DIGEST-MD5"])
            client = self.connect()
            self.assert_in(Digest(b"jo", SECRET).run(client), client)
            self.assertEqual(Digest(b"jo", b"wrong").run(self.connect()), REFUSED)
            for protection in (b"auth-int", b"auth-conf"):
                with self.subTest(protection=protection):
                    client = self.connect()
                    digest = Digest(b"jo", SECRET, protection)
                    self.assertTrue(digest.run(client).startswith(b"+OK jo has 3"))
                    layer = digest.layer(client)
                    self.assertTrue(layer.say(b"STAT").startswith(b"+OK 3 "))
                    layer.send(b"RETR 2")
                    text = list(iter(layer.line, b"."))
                    self.assertIn(b"Subject: number 2", text)
                    self.assertTrue(layer.say(b"DELE 2").startswith(b"+OK"))
                    self.assertTrue(layer.say(b"QUIT").startswith(b"+OK"))
                    self.setUp()
            # What is not of the layer is no command, and ends the session.
            client = self.connect()
            digest = Digest(b"jo", SECRET, b"auth-int")
            self.assertTrue(digest.run(client).startswith(b"+OK"))
            layer = digest.layer(client)
            self.assertTrue(layer.say(b"NOOP").startswith(b"+OK"))
            client.send(b"DELE 1", b"DELE 2", b"DELE 3", b"QUIT")
            with contextlib.suppress(ConnectionError):
                self.assertEqual(layer.line(), b"")
            wait_until(lambda: "how=connection-lost" in self.log(), "the session has ended")
            client = self.connect()
            self.assertTrue(Digest(b"jo", SECRET).run(client).startswith(b"+OK jo has 3"))

    # Channel binding.

    def end_point(self):
        der = certificates.openssl("x509", "-in", self.certificate, "-outform", "DER")
        return hashlib.sha256(der).digest()

    def bound(self, kind, binding, mechanism=b"SCRAM-SHA-256-PLUS"):
        return Scram(b"jo", SECRET, mechanism, b"p=" + kind, binding)

    def test_scram_plus_is_good_on_this_connection_only(self):
        with self.serving():
            client = self.under_tls(ssl.TLSVersion.TLSv1_2)
            unique = client.socket.get_channel_binding("tls-unique")
            self.assert_in(self.bound(b"tls-unique", unique).run(client), client)
            for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
                client = self.under_tls(version)
                scram = self.bound(b"tls-server-end-point", self.end_point(),
                                   b"SCRAM-SHA-1-PLUS")
                self.assert_in(scram.run(client), client)
                client = self.under_tls(version)
                scram = self.bound(b"tls-server-end-point", bytes(32))
                self.assertEqual(scram.run(client), REFUSED)
            # That of another connection, as somebody between the two would have it.
            client = self.under_tls(ssl.TLSVersion.TLSv1_2)
            self.assertEqual(self.bound(b"tls-unique", unique).run(client), REFUSED)
            for flipped in (0, 1):
                client = ExportingClient(self.port)
                self.addCleanup(client.close)
                exported = bytes([client.exported[0] ^ flipped]) + client.exported[1:]
                line = self.bound(b"tls-exporter", exported).run(client)
                self.assertTrue(line.startswith(REFUSED if flipped else b"+OK jo has 3"), line)

    def test_hidden_channel_binding_is_noticed(self):
        with self.serving():
            client = self.under_tls()
            self.assertEqual(Scram(b"jo", SECRET, flag=b"y").run(client), REFUSED)
            client = self.connect()  # in clear there is none to hide
            self.assert_in(Scram(b"jo", SECRET, flag=b"y").run(client), client)
            # A client that binds what is not bound does no harm to the keeper.
            for client in (self.connect(), self.under_tls()):
                scram = Scram(b"jo", SECRET, flag=b"p=tls-unique", binding=b"x")
                self.assertEqual(scram.run(client), REFUSED)
            self.assertNotIn("keeper-lost", self.log())

    # Who is a stranger, and how long.

    def test_strangers_learn_nothing(self):
        self.set_secret("locked", SECRET, "--lock")
        with self.serving():
            names = {b"jo": b"wrong", b"locked": SECRET, b"nobody": SECRET,
                     self.user.name.encode(): b"wrong"}
            for name, password in names.items():
                with self.subTest(name=name):
                    salts = set()
                    for _ in range(2):
                        scram = Scram(name, password)
                        client = self.connect()
                        facts = scram.begin(client)
                        self.assertEqual(len(facts[b"s"]), 24)
                        self.assertEqual(facts[b"i"], b"10000")
                        salts.add(facts[b"s"])
                        self.assertEqual(scram.answer(client), REFUSED)
                    self.assertEqual(len(salts), 1)
                    self.assertEqual(cram_md5(self.connect(), name, password), REFUSED)

    def test_slow_exchanges_hold_nobody_up(self):
        with self.serving(keepers=1):
            slow = []
            for _ in range(40):
                client, scram = self.connect(), Scram(b"jo", SECRET)
                self.assertIsNotNone(scram.begin(client))
                slow.append((client, scram))
            client = self.connect()
            self.assert_in(Scram(b"other", b"another secret").run(client), client, b"other")
            for client, scram in slow[:3]:
                self.assert_in(scram.finish(client, scram.answer(client)), client)
            client, scram = slow[3]
            self.assertTrue(client.say(b"*").startswith(b"-ERR"))
            self.assert_in(scram.run(client), client)
            # With its keeper an exchange is lost, and nothing else is.
            client, scram = slow[4]
            for keeper in daemon_processes.Family(self.config).keepers():
                os.kill(keeper.pid, signal.SIGKILL)
            wait_until(lambda: "keeper-lost" in self.log(), "the gate has noticed")
            self.assertTrue(scram.answer(client).startswith(b"-ERR [SYS/TEMP]"))
            client = self.connect()
            self.assert_in(Scram(b"jo", SECRET).run(client), client)

    def test_failures_slow_an_address_down(self):
        with self.serving(failure_delay=1):
            for mechanism in (lambda client: Scram(b"jo", b"wrong").run(client),
                              lambda client: cram_md5(client, b"jo", b"wrong")):
                self.assertEqual(mechanism(self.connect()), REFUSED)
            begin = time.monotonic()
            client = self.connect()
            self.assert_in(Scram(b"jo", SECRET).run(client), client)
            self.assertGreater(time.monotonic() - begin, 1)

    def fail_everywhere(self, network, mechanism, user):
        """From more addresses than one user's wrong secrets are free of charge."""
        for number in range(1, 7):
            line = mechanism(self.connect(f"127.0.{network}.{number}"), user, b"wrong")
            self.assertEqual(line, REFUSED)

    def test_guesses_at_one_user_did_not_wait_where_no_password_was_sent(self):
        """A user who exists, and one who does not, by each way that a name can come."""
        mechanisms = {"SCRAM": lambda *words: Scram(*words[1:]).run(words[0]),
                      "CRAM": cram_md5, "DIGEST": lambda *words: Digest(*words[1:]).run(words[0])}
        with self.serving(failure_delay=4, failure_delay_most=16,
                          sasl_mechanisms="SCRAM-SHA-256 CRAM-MD5 DIGEST-MD5"):
            began = {}
            for network, (name, mechanism) in enumerate(mechanisms.items(), 10):
                for place, user in enumerate((b"jo", b"popt-nobody-" + name.encode())):
                    if place == 0 and name != "CRAM":
                        continue  # the counts are of the user, whatever the mechanism
                    self.fail_everywhere(network + 10 * place, mechanism, user)
                    client = self.connect(f"127.0.{network}.99")
                    began[name, user] = (client, time.monotonic())
                    if name == "SCRAM":
                        scram = Scram(user, b"wrong")
                        scram.begin(client)
                        client.send(encoded(scram.final()))
                    elif name == "CRAM":
                        client.send(cram_md5_answer(client, user, b"wrong"))
                    else:
                        digest = Digest(user, b"wrong")
                        digest.begin(client)
                        client.send(encoded(digest.final()))
            for key, (client, begin) in began.items():
                with self.subTest(guess=key):
                    self.assertEqual(client.line(), REFUSED)
                    self.assertGreater(time.monotonic() - begin, 3)

    def test_who_has_been_there_before_does_not_wait_for_guessers(self):
        with self.serving(failure_delay=3600, failure_delay_most=3600):
            client = self.connect("127.0.30.99")
            self.assert_in(Scram(b"jo", SECRET).run(client), client)
            self.fail_everywhere(30, cram_md5, b"jo")
            for mechanism in (lambda *words: Scram(*words[1:]).run(words[0]), cram_md5):
                client = self.connect("127.0.30.99")
                self.assert_in(mechanism(client, b"jo", SECRET), client)

    # The last word.

    def assert_refused_after_the_proof(self, user, **how):
        scram = Scram(user, SECRET)
        client = self.connect()
        scram.begin(client)
        self.assertEqual(scram.answer(client), REFUSED, how)

    def test_the_servers_proof_told_that_the_password_was_right_though_nobody_was_let_in(self):
        self.set_secret("locked", SECRET, "--lock")
        with self.serving():
            self.assert_refused_after_the_proof(b"locked")
        listed = self.host.path("nonauth")
        self.host.write(listed, b"jo\n")
        with self.serving(nonauth_file=listed, sasl_mechanisms="SCRAM-SHA-256 DIGEST-MD5"):
            self.assert_refused_after_the_proof(b"jo", by="nonauth-file")
            digest, client = Digest(b"jo", SECRET), self.connect()
            digest.begin(client)
            self.assertEqual(client.respond(digest.final()), REFUSED)
            for line in self.log().splitlines():
                self.assertNotIn("login-left", line)

    def test_who_leaves_after_the_proof_is_logged(self):
        with self.serving(login_timeout=3, timeout=3):
            client, scram = self.connect(), Scram(b"jo", SECRET)
            scram.begin(client)
            self.assertTrue(scram.answer(client).startswith(b"+ "))
            client.close()
            wait_until(lambda: "login-left" in self.log(), "the keeper has given it up")
            self.assertRegex(self.log(), "login-left id=.* user=jo from=127.0.0.1 "
                                         "by=SCRAM-SHA-256")
            client, scram = self.connect(), Scram(b"jo", SECRET)
            scram.begin(client)
            self.assertTrue(scram.answer(client).startswith(b"+ "))
            self.assertTrue(client.respond(b"more").startswith(REFUSED))
            self.assertEqual(self.log().count("login-left"), 1)

    # The options.

    def test_each_option_takes_mechanisms_away_or_adds_them(self):
        scram = [b"SCRAM-SHA-256", b"SCRAM-SHA-1"]
        for option, value, in_clear, under_tls in (
                ("sasl_no_active", True, scram,
                 [b"SCRAM-SHA-256-PLUS", b"SCRAM-SHA-1-PLUS", *scram]),
                ("sasl_no_dictionary", True, [], []),
                ("sasl_forward_secrecy", True, [], []),
                ("sasl_no_plaintext", False, [*scram, b"CRAM-MD5", b"PLAIN", b"LOGIN"], None),
                ("sasl_no_anonymous", False, [*scram, b"CRAM-MD5", b"ANONYMOUS"], None),
                ("sasl_min_ssf", 257, [], []),
                ("sasl_min_ssf", 1, [], None),
                ("sasl_mechanisms", "CRAM-MD5 PLAIN", [b"CRAM-MD5"], [b"CRAM-MD5", b"PLAIN"])):
            with self.subTest(option=option, value=value), self.serving(**{option: value}):
                self.assertEqual(self.connect().mechanisms(), in_clear)
                if under_tls is None:
                    self.assertIn(b"PLAIN", self.under_tls().mechanisms())
                else:
                    self.assertEqual(self.under_tls().mechanisms(), under_tls)
                if b"CRAM-MD5" not in in_clear:
                    self.assertTrue(self.connect().say(b"AUTH CRAM-MD5").startswith(b"-ERR"))

    def test_the_strength_of_a_layer_is_limited(self):
        digest = {"sasl_mechanisms": "DIGEST-MD5"}
        with self.serving(sasl_max_ssf=0, **digest):
            self.assertEqual(Digest(b"jo", SECRET).begin(self.connect())[b"qop"], b"auth")
        with self.serving(sasl_max_ssf=1, **digest):
            facts = Digest(b"jo", SECRET).begin(self.connect())
            self.assertEqual(facts[b"qop"], b"auth,auth-int")
        with self.serving(sasl_min_ssf=2, **digest):
            self.assertEqual(Digest(b"jo", SECRET).begin(self.connect())[b"qop"], b"auth-conf")
            line = Digest(b"jo", SECRET, b"auth").run(self.connect())
            self.assertTrue(line.startswith(b"-ERR"), line)

    def test_anonymous_reads_the_maildrop_of_that_name(self):
        with self.serving(sasl_no_anonymous=False):
            self.host.write(os.path.join(self.host.spool_dir, "anonymous"),
                            popper_host.simple_spool(3), owner=self.user.uid)
            client = self.connect()
            line = client.say(b"AUTH ANONYMOUS eA==")
            self.assertTrue(line.startswith(b"+OK anonymous has 3"), line)
            self.assertTrue(client.say(b"DELE 1").startswith(b"-ERR"))
            self.popauth("set", "anonymous", "--lock")
            self.addCleanup(self.popauth, "set", "anonymous", "--unlock")
            self.assertTrue(self.connect().say(b"AUTH ANONYMOUS eA==").startswith(b"-ERR"))

    def test_sasl_log_login(self):
        with self.serving(sasl_log_login="by AUTH: %1 %3 as %4 with %5 at %6 bits",
                          log_login="by PASS: %1 %5"):
            client = self.connect()
            self.assert_in(cram_md5(client, b"jo", SECRET), client)
            wait_until(lambda: "by AUTH: jo 127.0.0.1 as jo with CRAM-MD5 at 0 bits" in self.log(),
                       "the login is logged")
            client = self.connect()
            client.say(b"USER jo")
            self.assert_in(client.say(b"PASS " + SECRET), client)
            wait_until(lambda: "by PASS: jo %5" in self.log(), "the login is logged")

    # Lines.

    def test_lines_have_limits(self):
        with self.serving():
            client = self.connect()
            line = client.say(b"AUTH SCRAM-SHA-256 " + b"A" * 2000)
            self.assertTrue(line.startswith(b"-ERR"), line)
            self.assertEqual(client.say(b"AUTH SCRAM-SHA-256"), b"+ ")
            line = client.say(encoded(b"n,,n=jo,r=" + b"x" * 8000))
            self.assertTrue(line.startswith((b"+ ", REFUSED)), line)
            client = self.connect()
            client.say(b"AUTH CRAM-MD5")
            self.assertTrue(client.say(b"A" * 13000).startswith(b"-ERR"))
            client = self.connect()
            for line in (b"=", b"AAA", b"====", b"AAAA AAAA", b"\xff\xff\xff\xff"):
                client.say(b"AUTH CRAM-MD5")
                self.assertTrue(client.say(line).startswith(b"-ERR"), line)

    # Certificates.

    def test_external(self):
        clients = certificates.Authority(self.host.path("ca-clients"), "Clients")
        jo, nobody = (clients.issue(name, f"{name}@example.org", usage="clientAuth",
                                    subject=f"/CN={name}") for name in ("jo", "popt-nobody"))
        options = {"tls_client_ca_file": clients.certificate, "tls_client_certificates": "optional"}

        def client_of(pair):
            client, context = self.connect(), self.authority.client()
            if pair:
                context.load_cert_chain(*pair)
            client.start_tls(context)
            return client

        with self.serving(tls_client_user="subject-cn", **options):
            client = client_of(jo)
            self.assertIn(b"EXTERNAL", client.mechanisms())
            self.assert_in(client.say(b"AUTH EXTERNAL ="), client)
            client = client_of(jo)
            self.assertEqual(client.say(b"AUTH EXTERNAL"), b"+ ")
            self.assert_in(client.respond(b"jo"), client)
            self.assertEqual(client_of(jo).say(b"AUTH EXTERNAL " + encoded(b"other")), REFUSED)
            self.assertEqual(client_of(nobody).say(b"AUTH EXTERNAL ="), REFUSED)
            for client in (client_of(None), self.connect()):
                self.assertNotIn(b"EXTERNAL", client.mechanisms())
                self.assertTrue(client.say(b"AUTH EXTERNAL =").startswith(b"-ERR"))
        # A certificate of jo@example.org is not one of jo, whatever is cut off names that are typed.
        with self.serving(tls_client_user="san-email", trim_domain=True, **options):
            for message in (b"=", encoded(b"jo"), encoded(b"jo@example.org")):
                self.assertEqual(client_of(jo).say(b"AUTH EXTERNAL " + message), REFUSED)
            self.assertIn("the certificate is of jo@example.org", self.log())
        with self.serving(**options):
            self.assertNotIn(b"EXTERNAL", client_of(jo).mechanisms())

    # Real clients.

    def test_real_clients(self):
        jo = SimpleNamespace(name="jo", password=SECRET.decode(), uid=self.user.uid,
                             gid=self.user.gid, home=self.user.home)
        with self.serving(sasl_mechanisms="SCRAM-SHA-256 CRAM-MD5 DIGEST-MD5 PLAIN LOGIN",
                          sasl_no_plaintext=False):
            for words in ("PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5"):
                with self.subTest(curl=words):
                    done = mail_clients.run(
                        jo, ["curl", "--silent", "--show-error", "--user",
                             f"jo:{jo.password}", "--login-options", f"AUTH={words}",
                             f"pop3://127.0.0.1:{self.port}/2"])
                    mail_clients.check(done, "curl")
                    self.assertIn(b"Subject: number 2", done.stdout)
                    self.assertIn(f"by={words}", self.log())
            rc = mail_clients.write_private(jo, "mpoprc", f"""
account default
host 127.0.0.1
port {self.port}
user jo
password "{jo.password}"
auth scram-sha-256
tls off
keep on
only_new off
uidls_file {jo.home}/mpop.uidls
delivery mda "cat >>{jo.home}/mpop.mail"
""")
            mail_clients.check(mail_clients.run(jo, ["mpop", "-C", rc, "--quiet"]), "mpop")
            self.assertIn("by=SCRAM-SHA-256", self.log())
            rc = mail_clients.write_private(jo, "fetchmailrc", f"""
set no bouncemail
set invisible
set idfile "{jo.home}/fetchids"
poll 127.0.0.1 protocol POP3 port {self.port} no dns auth cram-md5
  user "jo" there with password "{jo.password}"
  fetchall keep sslproto '' mda "cat >>{jo.home}/fetchmail.mail"
""")
            count = self.log().count("by=CRAM-MD5")
            done = mail_clients.run(jo, ["fetchmail", "--fetchmailrc", rc, "--pidfile",
                                         f"{jo.home}/fetchmail.pid", "--nosyslog", "--nodetach"])
            mail_clients.check(done, "fetchmail")
            self.assertEqual(self.log().count("by=CRAM-MD5"), count + 1)
            for name in ("mpop.mail", "fetchmail.mail"):
                with open(os.path.join(jo.home, name), "rb") as stream:
                    self.assertEqual(stream.read().count(b"Subject: number"), 3)


if __name__ == "__main__":
    popper_host.main()
