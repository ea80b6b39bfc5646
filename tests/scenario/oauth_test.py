#!/usr/bin/env python3
"""AUTH OAUTHBEARER and XOAUTH2: a program of the site says whose a token is."""

import base64
import contextlib
import json
import os
import signal
import subprocess

import certificates
import daemon_processes
import popper_host
from popper_host import PATIENCE, HostTest, wait_until
from sasl_client import Client, Scram, encoded, plain

SECRET = b"a secret of jo"
ACKNOWLEDGED = b"\1"
UNAVAILABLE = b"-ERR [SYS/TEMP]"

# Tokens say what it is to do: "good.jo" is jo's. They have no '@'.
HELPER = r"""#!/bin/sh
cd {reports} || exit 1
{{ echo "$(id -u) $(id -G) $#"; ls /proc/self/fd | wc -l; env; }} > rights.$$
cat > question.$$
token=$(sed -n 's/^token //p' question.$$)
rm -f question rights
ln -s question.$$ question
ln -s rights.$$ rights
name=$(echo "${{token#*.}}" | tr "~" @)
case $token in
good.*) echo active; echo "user $name"; echo scope mail pop ;;
late.*) echo active; echo "user $name"; echo scope mail; echo expires 1000000000 ;;
early.*) echo "user $name"; echo scope mail; echo expires 32503680000; echo active ;;
other.*) echo active; echo "user $name"; echo scope calendar ;;
hang.*) sleep 600 & echo $! > hanging.$!; echo $$ > hanging.$$; sleep 600 ;;
wait.*) touch waiting.$$; i=0
  while [ ! -e release ] && [ $i -lt 600 ]; do sleep 0.1; i=$((i + 1)); done
  echo active; echo "user $name"; echo scope mail ;;
crash.*) kill -SEGV $$ ;;
status.*) echo active; echo "user $name"; echo scope mail; exit 3 ;;
garbage.*) echo active; echo "user $name"; echo scope mail; echo whatever ;;
silent.*) ;;
cut.*) echo active; echo scope mail; printf "user $name" ;;
twice.*) echo active; echo user somebody; echo "user $name"; echo scope mail ;;
forged.*) echo claim somebody; echo active; echo "user $name"; echo scope mail ;;
flood.*) yes active ;;
*) echo inactive ;;
esac
"""


def oauthbearer(user, token):
    name = f"a={user}" if user else ""
    return bearer(f"n,{name},\1host=localhost\1auth=Bearer {token}\1\1")


def bearer(message):
    return b"AUTH OAUTHBEARER " + (encoded(message.encode()) or b"=")


def xoauth2(user, token):
    return b"AUTH XOAUTH2 " + encoded(f"user={user}\1auth=Bearer {token}\1\1".encode())


class OAuthTest(HostTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.reports = cls.host.path("reports")
        os.mkdir(cls.reports)
        os.chmod(cls.reports, 0o777)
        cls.helper = cls.host.write(cls.host.path("helper"),
                                    HELPER.format(reports=cls.reports).encode(), mode=0o755)
        cls.authority = certificates.Authority(cls.host.path("ca"))
        cls.certificate, cls.key = cls.authority.issue("host", "127.0.0.1")
        cls.file = cls.host.path("credentials.gdbm")
        cls.popauth("init")
        for name in ("jo", "other", "locked"):
            cls.popauth("set", name, "--stdin", "--uid", str(cls.user.uid), "--gid",
                        str(cls.user.gid), "--home", cls.user.home, text=SECRET + b"\n")
        cls.popauth("set", "locked", "--lock")

    @classmethod
    def popauth(cls, *arguments, text=b""):
        subprocess.run([popper_host.POPAUTH, *arguments, "-q", "--credential-file", cls.file],
                       input=text, check=True, timeout=PATIENCE, stdout=subprocess.DEVNULL)

    def setUp(self):
        super().setUp()
        for name in os.listdir(self.reports):
            os.unlink(os.path.join(self.reports, name))
        for name in ("jo", "other"):
            self.host.write(os.path.join(self.host.spool_dir, name), popper_host.simple_spool(3),
                            owner=self.user.uid)

    @contextlib.contextmanager
    def serving(self, start=None, **more):
        config = self.host.configure(**{
            "credential_file": self.file, "tls_support": "alternate-port",
            "tls_server_cert_file": self.certificate, "tls_private_key_file": self.key,
            "oauth_helper": self.helper, "oauth_helper_user": self.user.name, "oauth_scope": "mail",
            **more})
        with (start or self.host.standalone)(config) as port:
            self.port = port
            yield port

    def connect(self, source="127.0.0.1"):
        context = self.authority.client()
        client = Client(self.port, source=source,
                        wrap=lambda raw: context.wrap_socket(raw, server_hostname="127.0.0.1"))
        self.addCleanup(client.close)
        return client

    def say(self, command):
        with self.connect() as client:
            return client.say(command)

    def assert_in(self, command, user=b"jo"):
        client = self.connect()
        line = client.say(command)
        self.assertTrue(line.startswith(b"+OK " + user + b" has 3"), line)
        self.assertTrue(client.say(b"STAT").startswith(b"+OK 3 "))
        self.assertTrue(client.say(b"QUIT").startswith(b"+OK"))
        client.close()

    def assert_refused(self, command, challenge, answer=ACKNOWLEDGED):
        client = self.connect()
        said = client.say(command)
        self.assertEqual(said[:2], b"+ ", said)
        self.assertEqual(json.loads(base64.b64decode(said[2:])), challenge)
        self.assertEqual(client.respond(answer), b"-ERR [AUTH] authentication failure")
        self.assertEqual(client.line(), b"")  # the connection has ended
        client.close()

    def report(self, name):
        with open(os.path.join(self.reports, name)) as stream:
            return stream.read()

    def log(self):
        return self.host.log(self.port)

    # Whoever has a good token gets in.

    def test_both_mechanisms_let_the_owner_in(self):
        with self.serving():
            self.assert_in(oauthbearer("jo", "good.jo"))
            self.assert_in(oauthbearer("", "good.jo"))
            self.assert_in(oauthbearer("other", "good.other"), b"other")
            self.assert_in(xoauth2("jo", "early.jo"))
            self.assertRegex(self.log(), "login id=.* user=jo .*by=OAUTHBEARER")
            self.assertRegex(self.log(), "login id=.* user=jo .*by=XOAUTH2")
            # After a challenge; and what follows in the same packet is the session's.
            client = self.connect()
            verb, mechanism, message = oauthbearer("jo", "good.jo").split(b" ")
            self.assertEqual(client.say(verb + b" " + mechanism), b"+ ")
            client.send(message, b"STAT", b"QUIT")
            self.assertTrue(client.line().startswith(b"+OK jo has 3"))
            self.assertTrue(client.line().startswith(b"+OK 3 "))
            self.assertTrue(client.line().startswith(b"+OK"))

    def test_names_are_treated_as_everywhere(self):
        with self.serving(downcase_user=True, trim_domain=True):
            self.assert_in(oauthbearer("Jo@example.org", "good.jo"))
            self.assert_in(xoauth2("jo", "good.JO"))
        with self.serving():
            self.assert_refused(oauthbearer("jo", "good.Jo"),
                                {"status": "invalid_token", "scope": "mail"})

    def test_a_token_of_another_domain_opens_no_local_maildrop(self):
        invalid = {"status": "invalid_token", "scope": "mail"}
        with self.serving(downcase_user=True, trim_domain=True, folder="[+]([^%@/]*)"):
            for owner in ("jo@elsewhere", "jo+lists", "jo+lists@elsewhere"):
                for claim in ("", "jo", owner, "jo@example.org"):
                    with self.subTest(owner=owner, claim=claim):
                        self.assert_refused(oauthbearer(claim, "good." + owner.replace("@", "~")),
                                            invalid)
            self.assertEqual(self.log().count("the token is of jo@elsewhere"), 4)
            self.assert_in(oauthbearer("jo", "good.jo"))

    def test_curl(self):
        with self.serving() as port:
            for mechanism in ("OAUTHBEARER", "XOAUTH2"):
                for token, text in (("good.jo", b"Subject: number 1"), ("bad.jo", b"")):
                    with self.subTest(mechanism=mechanism, token=token):
                        done = subprocess.run(
                            ["curl", "--silent", "--show-error", "--cacert",
                             self.authority.certificate, "--user", "jo:", "--oauth2-bearer", token,
                             "--login-options", "AUTH=" + mechanism, f"pop3s://127.0.0.1:{port}/1"],
                            capture_output=True, timeout=PATIENCE)
                        self.assertEqual(done.returncode == 0, token == "good.jo", done.stderr)
                        self.assertIn(text, done.stdout)
            # Whether or not the client has waited for our last word.
            self.assertEqual(self.log().count("login-failed"), 2)

    def test_under_inetd(self):
        with self.serving(self.host.inetd):
            with self.connect() as client:
                self.assertIn(b"OAUTHBEARER", client.mechanisms())
            self.assert_in(xoauth2("jo", "good.jo"))

    # The program.

    def test_what_the_helper_is_told(self):
        with self.serving():
            self.assert_in(oauthbearer("jo", "good.jo"))
            self.assertEqual(self.report("question"),
                             "popper-token 1\nmechanism OAUTHBEARER\nuser jo\n"
                             "address 127.0.0.1\ntoken good.jo\n\n")
            self.assert_in(oauthbearer("", "good.jo"))
            self.assertEqual(self.report("question"), "popper-token 1\nmechanism OAUTHBEARER\n"
                             "address 127.0.0.1\ntoken good.jo\n\n")
            long = "bad." + "x" * 6000
            with self.connect() as client:
                self.assertEqual(client.say(b"AUTH OAUTHBEARER"), b"+ ")
                self.assertTrue(client.say(oauthbearer("jo", long).split()[-1]).startswith(b"+ "))
            self.assertIn(f"\ntoken {long}\n", self.report("question"))

    def test_the_helper_has_no_rights_and_nothing_in_sight(self):
        with self.serving(debug=True):
            self.assert_in(oauthbearer("jo", "good.jo"))
            self.assertTrue(self.say(xoauth2("jo", "bad.jo")).startswith(b"+ "))
            self.assertTrue(self.say(xoauth2("jo", "crash.jo")).startswith(b"-ERR"))
            log = self.log()
        rights = self.report("rights").splitlines()
        uid, groups, arguments = rights[0].split()
        self.assertNotEqual(uid, "0")
        self.assertNotEqual(groups, "0")
        self.assertEqual(arguments, "0")
        self.assertLessEqual(int(rights[1]), 5)  # 0 to 2, the directory that ls reads, the report
        self.assertEqual({line.split("=")[0] for line in rights[2:]} - {"PWD", "OLDPWD", "_", "SHLVL"},
                         {"PATH"})
        for token in ("good.jo", "bad.jo", "crash.jo"):
            self.assertNotIn(token, "\n".join(rights) + log)
            self.assertNotIn(encoded(token.encode()).decode()[:6], log)

    def test_oauth_helper_user_says_whom_it_runs_as(self):
        with self.serving():
            self.assert_in(oauthbearer("jo", "good.jo"))
        self.assertEqual(self.report("rights").split()[:2], [str(self.user.uid), str(self.user.gid)])

    # Whoever has none does not get in.

    def test_the_errors_of_rfc_7628(self):
        invalid = {"status": "invalid_token", "scope": "mail"}
        with self.serving():
            self.assert_refused(oauthbearer("jo", "bad"), invalid)
            self.assert_refused(oauthbearer("jo", "late.jo"), invalid, b"")
            self.assert_refused(oauthbearer("jo", "good.other"), invalid, b"whatever")
            self.assert_refused(oauthbearer("", "good.nobody-at-all"), invalid)
            self.assert_refused(oauthbearer("locked", "good.locked"), invalid)
            self.assert_refused(oauthbearer("jo", "other.jo"),
                                {"status": "insufficient_scope", "scope": "mail"})
            self.assertEqual(self.log().count("[AUTH] Failed attempted login to jo from host"), 4)
            for why in ("not active", "expired", "of other", "for other things"):
                self.assertRegex(self.log(), "login-failed .*by=OAUTHBEARER .*why=.*" + why)

    def test_the_errors_of_xoauth2(self):
        more = {"schemes": "bearer", "scope": "mail"}
        with self.serving():
            self.assert_refused(xoauth2("jo", "bad"), {"status": "401", **more}, b"")
            self.assert_refused(xoauth2("jo", "other.jo"), {"status": "403", **more}, b"")
            self.assert_refused(xoauth2("", "good.jo"), {"status": "400", **more}, b"")

    def test_oauth_scope_says_what_a_token_must_have(self):
        with self.serving(oauth_scope="pop mail"):
            self.assert_in(oauthbearer("jo", "good.jo"))
            self.assert_refused(oauthbearer("jo", "early.jo"),
                                {"status": "insufficient_scope", "scope": "pop mail"})
        with self.serving(oauth_scope=None):
            self.assert_in(oauthbearer("jo", "other.jo"))
            self.assert_refused(oauthbearer("jo", "bad"), {"status": "invalid_token"})

    def test_the_rules_about_users_hold(self):
        invalid = {"status": "invalid_token", "scope": "mail"}
        listed = self.host.write(self.host.path("nonauth"), b"jo\n", mode=0o644)
        with self.serving(nonauth_file=listed):
            self.assert_refused(oauthbearer("jo", "good.jo"), invalid)
            self.assert_refused(oauthbearer("", "good.root"), invalid)
            self.assert_in(oauthbearer("other", "good.other"), b"other")

    def test_malformed_messages_are_refused(self):
        with self.serving():
            for text in ("", "n,,", "n,a=jo,\1auth=Bearer good.jo\1",
                         "n,a=jo,\1auth=Basic good.jo\1\1", "n,,\1auth=Bearer good.jo\nuser x\1\1"):
                with self.subTest(text=text):
                    self.assert_refused(bearer(text), {"status": "invalid_request", "scope": "mail"})
            self.assertEqual(os.listdir(self.reports), [])  # nobody was asked

    def test_failures_are_counted_though_the_client_goes(self):
        with self.serving(failure_delay=10):
            client = self.connect()
            self.assertTrue(client.say(oauthbearer("jo", "bad")).startswith(b"+ "))
            client.close()
            wait_until(lambda: "login-failed" in self.log(), "the failure is logged")
            # The next one has to wait, be it good or not.
            client = self.connect()
            client.send(oauthbearer("jo", "good.jo"))
            client.socket.settimeout(1)
            with self.assertRaises(TimeoutError):
                client.socket.recv(1)
            client.socket.settimeout(PATIENCE)
            self.assertTrue(client.line().startswith(b"+OK jo"))
            client.close()

    # A program that does not do as it should.

    def test_a_helper_that_fails_is_no_verdict(self):
        with self.serving():
            for what in ("crash", "status", "garbage", "silent", "cut", "twice", "forged", "flood"):
                with self.subTest(what=what):
                    reply = self.say(oauthbearer("jo", f"{what}.jo"))
                    self.assertTrue(reply.startswith(UNAVAILABLE), reply)
            self.assert_in(oauthbearer("jo", "good.jo"))
            self.assertNotIn("login-failed", self.log())
            self.assertIn("signal 11", self.log())
            self.assertIn("status 3", self.log())
            os.chmod(self.helper, 0o757)
            try:
                reply = self.say(oauthbearer("jo", "good.jo"))
            finally:
                os.chmod(self.helper, 0o755)
            self.assertTrue(reply.startswith(UNAVAILABLE), reply)
            self.assertIn("others than root can change it", self.log())

    def test_oauth_timeout_ends_a_helper_that_hangs(self):
        with self.serving(oauth_timeout=1):
            reply = self.say(oauthbearer("jo", "hang.jo"))
            self.assertTrue(reply.startswith(UNAVAILABLE), reply)
            self.assertIn("has not answered within 1000 ms", self.log())
            pids = self.reported("hanging")
            self.assertEqual(len(pids), 2)
            for pid in pids:
                wait_until(lambda pid=pid: not popper_host.is_alive(pid), "it has been killed")

    def test_a_helper_ends_with_its_keeper(self):
        with self.serving(oauth_timeout=300, login_timeout=600):
            client = self.connect()
            client.send(oauthbearer("jo", "wait.jo"))
            wait_until(lambda: self.reported("waiting"), "the helper waits")
            helper, = self.reported("waiting")
            os.kill(daemon_processes.Process(helper).parent, signal.SIGKILL)
            self.assertEqual(client.line()[:len(UNAVAILABLE)], UNAVAILABLE)
            client.close()
            wait_until(lambda: not popper_host.is_alive(helper), "it has ended")

    def test_a_helper_that_is_slow_holds_nobody_else_up(self):
        with self.serving(oauth_timeout=300, login_timeout=600, keepers=2):
            waiting = [self.connect(f"127.0.0.{number}") for number in range(3, 9)]
            for client in waiting:
                client.send(oauthbearer("other", "wait.other"))
            wait_until(lambda: self.reported("waiting"), "the helper waits")
            for number in (2, 3, 4, 5, 6, 7, 8):  # from elsewhere, and from the same addresses
                client = self.connect(f"127.0.0.{number}")
                line = plain(client, b"jo", SECRET)
                self.assertTrue(line.startswith(b"+OK jo"), line)
                client.say(b"QUIT")
            self.release(waiting)

    def on_one_processor(self, config):
        """With one gate."""
        processor = min(os.sched_getaffinity(0))
        return self.host.standalone(
            config, preexec_fn=lambda: os.sched_setaffinity(0, {processor}))

    def release(self, waiting):
        with open(os.path.join(self.reports, "release"), "w"):
            pass
        for client in waiting:
            self.assertRegex(client.line(), rb"^(\+OK other|-ERR \[IN-USE\])")
            client.close()

    def test_a_slow_token_held_up_an_exchange_that_had_begun(self):
        with self.serving(self.on_one_processor, oauth_timeout=300, login_timeout=600, keepers=2):
            client, scram = self.connect(), Scram(b"jo", SECRET)
            self.assertTrue(scram.begin(client))
            slow = self.connect("127.0.0.3")
            slow.send(oauthbearer("other", "wait.other"))
            wait_until(lambda: self.reported("waiting"), "the helper waits")
            self.assertTrue(scram.answer(client).startswith(b"+ "))
            self.assertTrue(client.say(b"").startswith(b"+OK jo"))
            self.release([slow])

    def test_slow_tokens_of_one_address_held_up_those_of_others(self):
        with self.serving(self.on_one_processor, oauth_timeout=300, login_timeout=600, keepers=4):
            waiting = [self.connect("127.0.0.3") for _ in range(6)]
            for client in waiting:
                client.send(oauthbearer("other", "wait.other"))
            wait_until(lambda: len(self.reported("waiting")) == 2, "two helpers wait")
            waiting.pop().close()  # does not wait any more, or its helper is not waited for
            self.assert_in(oauthbearer("jo", "good.jo"))
            self.assertEqual(len(self.reported("waiting")), 2)
            self.release(waiting)

    def test_whoever_starts_popper_may_ignore_sigchld(self):
        def start(config):
            return self.host.standalone(
                config, preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))

        with self.serving(start):
            self.assert_in(oauthbearer("jo", "good.jo"))
            reply = self.say(oauthbearer("jo", "status.jo"))
            self.assertTrue(reply.startswith(UNAVAILABLE), reply)
            self.assertIn("status 3", self.log())

    def reported(self, what):
        return [int(name.split(".")[1]) for name in os.listdir(self.reports)
                if name.startswith(what + ".")]

    # Where it is offered.

    def test_offered_where_a_password_may_pass_and_nobody_can_read_it(self):
        both = {b"OAUTHBEARER", b"XOAUTH2"}
        with self.serving(tls_support="stls", clear_text_password="always"):
            client = Client(self.port)
            self.addCleanup(client.close)
            self.assertFalse(both & set(client.mechanisms()))
            for command in (oauthbearer("jo", "good.jo"), xoauth2("jo", "good.jo")):
                self.assertTrue(client.say(command).startswith(b"-ERR"))
            client.start_tls(self.authority.client())
            self.assertLessEqual(both, set(client.mechanisms()))
            self.assertLessEqual(both, set(client.rest(b"AUTH")))
            self.assertTrue(client.say(xoauth2("jo", "good.jo")).startswith(b"+OK"))
            client.close()
        for without in ({"oauth_helper": None}, {"clear_text_password": "never"},
                        {"sasl_mechanisms": "PLAIN"}):
            with self.subTest(without=without), self.serving(**without), self.connect() as client:
                self.assertFalse(both & set(client.mechanisms()))
                self.assertTrue(client.say(oauthbearer("jo", "good.jo")).startswith(b"-ERR"))
        self.assertEqual(len(self.reported("question")), 1)

    def test_what_cannot_be_served_is_refused_at_the_start(self):
        loose = self.host.write(self.host.path("loose"), b"#!/bin/sh\n", mode=0o757)
        os.mkdir(self.host.path("open"))
        os.chmod(self.host.path("open"), 0o757)
        below = self.host.write(self.host.path("open", "helper"), b"#!/bin/sh\n", mode=0o755)
        link = self.host.path("link")
        os.symlink(below, link)
        for options in ({"oauth_helper": loose}, {"oauth_helper": self.host.path("none")},
                        {"oauth_helper": self.certificate}, {"oauth_helper": below},
                        {"oauth_helper": link}, {"oauth_helper_user": "root"},
                        {"oauth_helper_user": None}, {"oauth_helper_user": "nobody"},
                        {"credential_owner": self.user.name},
                        {"oauth_helper_user": "no-such-user"}, {"oauth_scope": "m\u00e4il"}):
            with self.subTest(options=options):
                done = subprocess.run(
                    [popper_host.POPPER, "127.0.0.1:1", "--foreground", "-f",
                     self.host.configure(**{"oauth_helper": self.helper,
                                            "oauth_helper_user": self.user.name, **options})],
                    capture_output=True, text=True, timeout=PATIENCE)
                self.assertNotEqual(done.returncode, 0)
                self.assertIn("oauth-", done.stderr)


if __name__ == "__main__":
    popper_host.main()
