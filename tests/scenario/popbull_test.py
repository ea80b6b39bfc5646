#!/usr/bin/env python3
"""popbull publishes bulletins that real sessions get as it said, and tells the truth about them."""

import contextlib
import email
import email.policy
import fcntl
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import threading

import daemon_processes
import popper_host
from popper_host import HostTest, message_of, simple_spool

POPBULL = os.path.abspath(os.environ.get(
    "POPBULL", os.path.join(os.path.dirname(popper_host.POPPER), "popbull")))
PATIENCE = popper_host.PATIENCE
WRITES = 500 if os.environ.get("POPPER_POPBULL") == "full" else 25  # of each of two writers

NOTICE = b"From: Operator <ops@example.org>\nSubject: Notice\nDate: Wed, 9 Nov 1994 13:31:07 -0800\n"


class PopbullTest(HostTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.other = cls.host.add_user("b")

    def setUp(self):
        super().setUp()
        for name in os.listdir(self.other.home):
            os.unlink(os.path.join(self.other.home, name))
        self.bulls = self.host.path("bulls-" + self._testMethodName)
        os.mkdir(self.bulls, 0o755)
        self.configure()

    def configure(self, **options):
        """Nobody else's users count: other tests have some at the same time."""
        names = f"{self.user.name}\n{self.other.name}\n".encode()
        self.host.write(self.host.path("users"), names, mode=0o644)
        self.config = self.host.configure(auth_file=self.host.path("users"), bulldir=self.bulls,
                                          server_mode=True, host_name="mail.example.org", **options)

    def popbull(self, *arguments, check=0, data=b"", **more):
        done = subprocess.run([POPBULL, "-f", self.config, *arguments], input=data,
                              capture_output=True, timeout=PATIENCE * 4, **more)
        self.assertEqual(done.returncode, check,
                         (arguments, done.stdout, done.stderr.decode(errors="replace")))
        return done

    def json_of(self, *arguments, **more):
        return json.loads(self.popbull("--json", *arguments, **more).stdout)

    def publish(self, *arguments, data=b"text\n"):
        """The number and the path that it prints."""
        number, path = self.popbull("publish", *arguments, data=data).stdout.decode().split()
        return number, path

    def complaint(self, *arguments, check, data=b""):
        done = self.popbull(*arguments, check=check, data=data)
        self.assertEqual(done.stdout, b"")
        lines = done.stderr.decode().splitlines()
        self.assertTrue(lines and lines[-1].startswith("popbull: "), lines)
        return lines[-1]

    def mail(self, port, user):
        with contextlib.closing(self.host.login(port, user)) as client:
            messages = [message_of(client, i + 1) for i in range(client.stat()[0])]
            client.quit()
        return messages

    def subjects(self, port, user):
        return [str(email.message_from_bytes(m, policy=email.policy.default)["Subject"])
                for m in self.mail(port, user)]

    def snapshot(self):
        found = {}
        for name in sorted(os.listdir(self.bulls)):
            with open(os.path.join(self.bulls, name), "rb") as stream:
                found[name] = stream.read()
        return found

    def counts(self, number):
        return {key: count for key, count in self.json_of("status", number)["counts"].items()
                if count}

    def write_popbull(self, user, content):
        self.host.write(os.path.join(user.home, ".popbull"), content, owner=user.uid,
                        group=user.gid, mode=0o600)

    # Publishing.

    def test_a_text_becomes_a_message(self):
        attached = self.host.write(self.host.path("räume.bin"), bytes(range(256)), mode=0o644)
        number, path = self.publish("-s", "Wartung für alle", "--sender", "Jörg <ops>",
                                    "-a", attached, data="Schön.\n\nFrom hier an\n".encode())
        self.assertEqual(path, f"{self.bulls}/{int(number):05}.ALL.{os.path.basename(path)[10:]}")
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o644)
        with open(path, "rb") as stream:
            line, octets = stream.read().split(b"\n", 1)
        self.assertRegex(line, rb"^From ops@mail\.example\.org [A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d ")
        self.assertTrue(octets.isascii())
        self.assertNotIn(b"\nFrom ", octets)
        message = email.message_from_bytes(octets, policy=email.policy.default)
        self.assertEqual(message["Subject"], "Wartung für alle")
        self.assertEqual(str(message["From"]), "Jörg <ops@mail.example.org>")
        self.assertTrue(message["Date"].datetime and message["Message-ID"])
        text, file = message.iter_parts()
        self.assertEqual(text.get_content(), "Schön.\n\nFrom hier an\n")
        self.assertEqual(file.get_filename(), "räume.bin")
        self.assertEqual(file.get_payload(decode=True), bytes(range(256)))
        self.assertEqual(self.json_of("check"), {"defects": []})

    def test_a_message_stays_as_it_is(self):
        body = b"line\nline =20 \n.\n"
        _, path = self.publish("-", data=b"From ops Thu Jan  1 00:00:00 1970\nStatus: RO\n" + NOTICE
                               + b"Message-ID: <1@a>\nTo: me\nBcc: boss@a\n\n" + body)
        with open(path, "rb") as stream:
            _, octets = stream.read().split(b"\n", 1)
        self.assertEqual(octets, NOTICE + b"Message-ID: <1@a>\nTo: me\n\n" + body)

    def test_what_can_be_no_bulletin_is_refused_and_burns_nothing(self):
        refused = {
            b"": "there is no header",
            NOTICE + b"no field\n\nx\n": "line 4: neither a header field",
            NOTICE + b"\n" + b"x" * 999 + b"\n": "line 5: longer than 998",
            NOTICE + b"Subject: again\n\nx\n": "line 4: a second Subject",
            b"Subject: x\n\nx\n": "no From: field",
            NOTICE + b"\nsch\xf6n\n": "no known set",
        }
        for data, expected in refused.items():
            self.assertIn(expected, self.complaint("publish", check=65, data=data))
        self.assertIn("text is empty", self.complaint("publish", "-s", "x", check=65))
        usage = {("-s", ""): "subject", ("-s", "x", "--sender", "a@b, c@d"): "not one address",
                 ("-s", "x", "-g", "staff"): "group-bulletins is not set",
                 ("-s", "x", "--from", "tomorrow"): "no date",
                 ("-s", "x", "--until", "2001-01-01"): "has passed",
                 ("-s", "x", "--from", "2101-01-02", "--until", "2101-01-01"): "before --from",
                 ("-s", "x", "-u", "jo\nX: y"): "characters",
                 ("-s", "x", "--pattern", "("): "Pattern",
                 ("-s", "x", "--name", "a.b"): "--name",
                 ("a", "b"): "one FILE"}
        for arguments, expected in usage.items():
            self.assertIn(expected, self.complaint("publish", *arguments, check=64, data=b"x\n"))
        self.complaint("publish", "/nowhere", check=66)
        self.complaint("publish", self.bulls, check=77)
        self.assertEqual(self.snapshot(), {})

    def test_without_a_directory_the_configuration_is_wrong(self):
        os.rmdir(self.bulls)
        self.assertIn("bulldir", self.complaint("list", check=78))
        self.config = self.host.configure()
        self.assertIn("bulldir is not set", self.complaint("list", check=78))

    def test_a_dry_run_changes_nothing(self):
        self.publish("-s", "one")
        before = self.snapshot()
        said = self.popbull("publish", "-n", "-s", "two", data=b"x\n").stdout
        self.popbull("retract", "-n", "1")
        self.popbull("expire", "-n", "--older-than", "1h")
        self.popbull("reset", "-n", "-u", self.user.name, "--to", "1")
        self.popbull("migrate", "-n", "--to", "database")
        self.assertEqual(said, f"would publish 2 {self.bulls}/00002.ALL.two\n".encode())
        self.assertEqual(self.snapshot(), before)
        self.assertFalse(os.path.exists(os.path.join(self.user.home, ".popbull")))

    def test_cron_and_ssh_hear_nothing_of_a_success(self):
        done = self.popbull("publish", "-q", "-s", "one", data=b"x\n", env={},
                            start_new_session=True)
        self.assertEqual((done.stdout, done.stderr), (b"", b""))
        for arguments in (("check",), ("expire", "-q"), ("retract", "-q", "1")):
            done = self.popbull(*arguments, env={}, start_new_session=True)
            self.assertEqual((done.stdout, done.stderr), (b"", b""), arguments)

    def test_two_writers_get_different_numbers(self):
        """And every number is that of a whole bulletin."""
        printed = [[], []]

        def write(writer):
            for i in range(WRITES):
                printed[writer].append(
                    self.publish("-s", f"{writer}.{i}", data=b"line\n" * 2000))

        threads = [threading.Thread(target=write, args=(writer,)) for writer in (0, 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        numbers = sorted(int(number) for numbers in printed for number, _ in numbers)
        self.assertEqual(numbers, list(range(1, 2 * WRITES + 1)))
        for writer in (0, 1):
            own = [int(number) for number, _ in printed[writer]]
            self.assertEqual(own, sorted(own))
            for i, (_, path) in enumerate(printed[writer]):
                with open(path, "rb") as stream:
                    octets = stream.read()
                self.assertIn(b"\nSubject: %d.%d\n" % (writer, i), octets)
                self.assertTrue(octets.endswith(b"\n\n" + b"line\n" * 2000))
        self.assertEqual({name for name in os.listdir(self.bulls) if name.startswith(".")},
                         {".lock", ".last-number"})

    def test_a_number_is_never_used_again(self):
        self.publish("-s", "one")
        self.assertEqual(self.publish("-s", "two")[0], "2")
        self.popbull("retract", "2")
        self.assertEqual(self.publish("-s", "three")[0], "3")
        for name in os.listdir(self.bulls):
            if not name.startswith("."):
                os.unlink(os.path.join(self.bulls, name))
        self.assertEqual(self.publish("-s", "four")[0], "4")
        self.write_popbull(self.user, b"70\n")
        self.assertEqual(self.publish("-s", "five")[0], "71")

    def test_numbers_that_were_dates_go_on(self):
        """The first bulletin of popbull's in an emptied directory is one that everybody gets."""
        self.write_popbull(self.user, b"20261122\n")
        self.assertEqual(self.publish("-s", "one")[0], "20261123")

    def test_what_users_write_leads_nobody_astray(self):
        """A .popbull of any number, kind and owner stops no publisher, and root opens none."""
        self.publish("-s", "one")
        path = os.path.join(self.user.home, ".popbull")
        secret = self.host.write(self.host.path("secret"), b"500\n", mode=0o600)
        for make in (lambda: self.write_popbull(self.user, b"9000000000000000000\n"),
                     lambda: os.symlink(secret, path), lambda: os.mkfifo(path),
                     lambda: os.mkdir(path)):
            make()
            before = int(self.json_of("stats")["highest_used"])
            done = self.popbull("publish", "-s", "next", data=b"x\n")
            self.assertEqual(int(done.stdout.split()[0]), before + 1)
            self.assertIn(self.user.name.encode(), done.stderr)
            os.rmdir(path) if os.path.isdir(path) else os.unlink(path)

    def test_what_a_user_brings_into_the_database_uses_no_numbers_up(self):
        """By the login that takes a .popbull over, or by migrate; the user gets what is next."""
        self.configure(bulldb=self.host.path("bulldb-" + self._testMethodName))
        self.publish("-s", "one")
        for user in (self.user, self.other):
            self.write_popbull(user, b"9223372036854775807\nowed 1 9223372036854775806\n")
        with self.host.serving(self.config) as port:
            self.assertEqual(self.subjects(port, self.user), ["one"])
            done = self.popbull("migrate", "--to", "database")
            self.assertIn(self.other.name.encode(), done.stderr)
            self.assertEqual({(u["number"], u["place"]) for u in self.json_of("seen")["users"]},
                             {(1, "database")})
            self.assertEqual(self.publish("-s", "two")[0], "2")
            self.assertEqual(self.subjects(port, self.user), ["one", "two"])
            self.assertEqual(self.subjects(port, self.other), ["one", "two"])

    # What is there.

    def test_list_show_and_check_tell_what_is_there(self):
        self.configure(group_bulletins=True)
        self.publish("-s", "one", "--until", "2101-01-01 00:00 Z")
        self.publish("-s", "two", "-u", "jo,al*", "--from", "2100-12-31 23:00 -0100")
        self.publish("-s", "three", "-g", "mail")
        write = lambda name, content, mode=0o644: self.host.write(  # noqa: E731
            os.path.join(self.bulls, name), content, mode=mode)
        write("4.ALL.x", b"Subject: no separator\n\nx\n")
        write("5.nogroup-of-this-name.x", b"From a Thu Jan  1 00:00:00 1970\n" + NOTICE + b"\nx\n")
        write("5.ALL.twice", b"From a Thu Jan  1 00:00:00 1970\n" + NOTICE + b"\nx\n", 0o600)
        write("6", b"From a Thu Jan  1 00:00:00 1970\n" + NOTICE + b"x y\n\nx\n")
        write("README", b"hello")
        listed = self.json_of("list")["bulletins"]
        self.assertEqual([(b["number"], b["state"]) for b in listed],
                         [(1, "current"), (2, "not-yet"), (3, "current"), (4, "broken"),
                          (5, "current"), (5, "current"), (6, "broken")])
        self.assertEqual(listed[0]["until"], "2101-01-01T00:00:00Z")
        self.assertEqual((listed[1]["users"], listed[1]["from"]),
                         (["jo", "al*"], "2101-01-01T00:00:00Z"))
        self.assertEqual(listed[2]["group"], "mail")
        text = self.popbull("list").stdout.decode().splitlines()
        self.assertEqual(len(text), 7)
        self.assertRegex(text[1], r"^2 +not-yet +\S+Z +users jo,al\*: two$")
        self.assertEqual(self.popbull("show", "1").stdout,
                         self.snapshot()["00001.ALL.one"])
        found = self.popbull("check", check=1).stdout.decode().splitlines()
        for expected in (r"^4\.ALL\.x:1: error: .*separator", r"^5\.nogroup.*error: there is no group",
                         r"^5\.ALL\.twice: error: not everybody may read",
                         r"^5\.nogroup.* has the number of|^5\.ALL\.twice: error: has the number of",
                         r"^6:5: error: \"x y\" is no header", r"^6: warning: its name has no group",
                         r"^README: warning: is no bulletin"):
            self.assertTrue([line for line in found if re.search(expected, line)],
                            (expected, found))
        defects = self.json_of("check", check=1)["defects"]
        self.assertEqual(len(defects), len(found))
        self.assertIn("2 files have that number", self.complaint("show", "5", check=65))
        self.complaint("show", "99", check=66)
        self.complaint("show", "x", check=64)

    # With the daemon.

    def test_a_preview_is_what_the_session_brings(self):
        self.host.fill(self.user, simple_spool(1))
        self.publish("-s", "first", "-u", self.other.name)
        number, _ = self.publish(data=NOTICE + b"To: all of you,\n\tand others\n\nHello\n.\nend\n")
        said = self.popbull("preview", number, "-u", self.user.name).stdout
        self.assertIn(f"To: {self.user.name}@mail.example.org\n".encode(), said)
        with self.host.serving(self.config) as port:
            mail = self.mail(port, self.user)
            self.assertEqual(len(mail), 2)
            brought = mail[1].replace(b"\r\n", b"\n")
            without_id = [line for line in said.splitlines() if not line.startswith(b"X-UIDL:")]
            self.assertEqual([line for line in brought.rstrip(b"\n").splitlines()
                              if not line.startswith((b"X-UIDL:", b"Status:"))], without_id)
            self.assertEqual(len(self.mail(port, self.user)), 2)
        again = self.popbull("preview", number, "-u", self.user.name, check=1)
        self.assertIn(b"has had it", again.stderr)
        self.assertIn(b"for others",
                      self.popbull("preview", "1", "-u", self.user.name, check=1).stderr)
        self.assertEqual(self.json_of("preview", "1", "-u", self.user.name, check=1)["standing"],
                         "excluded")
        self.complaint("preview", number, "-u", "nobody-of-this-name", check=67)

    def test_status_follows_the_logins(self):
        self.configure(max_bulletins=5)
        number, _ = self.publish("-s", "one")
        late, _ = self.publish("-s", "two", "--from", "2100-01-01")
        self.assertEqual(self.counts(number), {"waiting": 2})
        self.assertEqual(self.counts(late), {"not-yet": 2})
        with self.host.serving(self.config) as port:
            self.assertEqual(self.subjects(port, self.user), ["one"])
            self.assertEqual(self.counts(number), {"had": 1, "waiting": 1})
            self.assertEqual(self.counts(late), {"not-yet": 2})
            groups = {group["group"]: group for group in self.json_of("status", number)["groups"]}
            self.assertTrue(any((group["had"], group["waiting"]) == (1, 1)
                                for group in groups.values()), groups)
            text = self.popbull("status", "-v", number).stdout.decode()
            self.assertIn("all: 1 had, 1 waiting\n", text)
            self.assertIn(f"{self.other.name}: waiting\n", text)
            self.popbull("retract", number)
            self.assertEqual(self.counts(number), {"had": 1, "missed": 1})
            self.assertEqual(self.subjects(port, self.other), [])
            self.assertEqual(self.subjects(port, self.user), ["one"])
        self.complaint("retract", number, check=66)

    def test_a_reset_brings_bulletins_again(self):
        self.publish("-s", "one")
        self.publish("-s", "two")
        with self.host.serving(self.config) as port:
            self.assertEqual(self.subjects(port, self.user), ["two"])
            seen = self.json_of("seen", "-u", self.user.name)["users"]
            self.assertEqual([(u["number"], u["place"]) for u in seen], [(2, ".popbull")])
            self.complaint("reset", "-u", self.user.name, "--to", "3", check=64)
            with contextlib.closing(self.host.login(port, self.user)) as client:
                client.dele(1)
                client.quit()
            self.assertEqual(self.subjects(port, self.user), [])
            self.popbull("reset", "-u", self.user.name, "--to", "0")
            self.assertEqual(self.subjects(port, self.user), ["one", "two"])
            self.popbull("reset", "-u", self.user.name, "--to", "0")
            self.assertEqual(self.subjects(port, self.user), ["one", "two"])  # they are still there
        path = os.path.join(self.user.home, ".popbull")
        self.assertEqual((os.stat(path).st_uid, stat.S_IMODE(os.stat(path).st_mode)),
                         (self.user.uid, 0o600))
        self.assertEqual(self.json_of("seen", "-u", self.other.name)["users"][0]["place"], "nowhere")

    def test_an_unreadable_record_is_told(self):
        number, _ = self.publish("-s", "one")
        os.symlink("/etc/hostname", os.path.join(self.user.home, ".popbull"))
        status = self.json_of("status", number, check=1)
        self.assertEqual({key: count for key, count in status["counts"].items() if count},
                         {"waiting": 1, "unknown": 1})

    def test_numbers_move_to_the_database_and_back(self):
        """And nobody sees a bulletin twice on the way."""
        for subject in ("one", "two", "three"):
            self.publish("-s", subject)
        self.write_popbull(self.user, b"2\n")
        self.write_popbull(self.other, b"3\n")
        with self.host.serving(self.config) as port:
            self.popbull("migrate", "--to", "database")
            places = {u["place"] for u in self.json_of("seen")["users"]}
            self.assertEqual(places, {"database"})
            self.assertEqual(self.subjects(port, self.user), ["three"])
            self.assertEqual(self.subjects(port, self.other), [])
            self.assertEqual(self.popbull("migrate", "--to", "files").stdout, b"moved 2 numbers\n")
            self.assertTrue(os.path.exists(os.path.join(self.bulls, "bulldb.old")))
            self.assertEqual({(u["number"], u["place"]) for u in self.json_of("seen")["users"]},
                             {(3, ".popbull")})
            self.assertEqual(self.subjects(port, self.user), ["three"])
            self.assertEqual(self.subjects(port, self.other), [])
        self.complaint("migrate", "--to", "files", check=66)
        self.complaint("migrate", "--to", "elsewhere", check=64)

    def test_an_old_directory_is_carried_on(self):
        """Bulletins and numbers as Qpopper left them: numbers go on behind them."""
        old = (b"From qpop Wed Nov  9 13:31:08 1994\nDate: Wed, 9 Nov 1994 13:31:07 -0800 (PST)\n"
               b"To: user@localhost\nFrom: POP Administrator <postmaster@localhost>\n"
               b"Subject: %s\n\nold\n")
        for name in ("00001.Bulletin_one", "00002.four_hour_Downtime_2-4-98", "00083.Quota-Revisions"):
            self.host.write(os.path.join(self.bulls, name), old % name.encode(), mode=0o644)
        self.write_popbull(self.user, b"83\n")
        self.write_popbull(self.other, b"2\n")
        self.assertEqual(self.json_of("check"), {"defects": []})
        self.assertEqual(self.counts("83"), {"had": 1, "waiting": 1})
        self.assertEqual(self.publish("-s", "new")[0], "84")
        with self.host.serving(self.config) as port:
            self.assertEqual(self.subjects(port, self.user), ["new"])
            self.assertEqual(self.subjects(port, self.other), ["00083.Quota-Revisions", "new"])
            self.assertEqual(len(self.mail(port, self.user)), 1)
        self.assertEqual(self.counts("84"), {"had": 2})

    def test_expired_bulletins_go(self):
        self.publish("-s", "kept")
        old = b"From a Thu Jan  1 00:00:00 1970\n" + NOTICE
        self.host.write(os.path.join(self.bulls, "2.ALL.over"),
                        old + b"Popper-Bulletin-End: 2001-01-01\n\nx\n", mode=0o644)
        self.host.write(os.path.join(self.bulls, "3.ALL.old"), old + b"\nx\n", mode=0o644)
        expired = self.json_of("expire")["expired"]
        self.assertEqual([b["number"] for b in expired], [2])
        self.assertIn("retracted.2.ALL.over", self.snapshot())
        self.popbull("expire", "--older-than", "52w", "--remove")
        self.assertEqual(sorted(name for name in self.snapshot() if not name.startswith(".")),
                         ["00001.ALL.kept", "retracted.2.ALL.over"])
        self.assertEqual(self.publish("-s", "next")[0], "4")
        self.complaint("expire", "--older-than", "1y", check=64)


class VirtualUsersTest(HostTest):
    """Users of one uid, who are served by processes that stay."""

    PASSWORD = "right"
    NAMES = ("popbull-ann", "popbull-jo")

    def setUp(self):
        super().setUp()
        self.bulls = self.host.path("bulls-" + self._testMethodName)
        os.mkdir(self.bulls, 0o755)
        credentials = self.host.path("credentials-" + self._testMethodName)
        subprocess.run([popper_host.POPAUTH, "init", "-q", "--credential-file", credentials],
                       check=True, timeout=PATIENCE)
        for name in self.NAMES:
            home = os.path.join(self.user.home, name)
            os.makedirs(home, exist_ok=True)
            os.chown(home, self.user.uid, self.user.gid)
            self.addCleanup(shutil.rmtree, home)
            subprocess.run(
                [popper_host.POPAUTH, "set", name, "--stdin", "--uid", str(self.user.uid), "--gid",
                 str(self.user.gid), "--home", home, "--credential-file", credentials],
                input=self.PASSWORD.encode() + b"\n", check=True, timeout=PATIENCE)
        # Nobody else's users count: other tests have some at the same time.
        names = self.host.write(self.host.path("users"), "\n".join(self.NAMES).encode(), mode=0o644)
        self.config = self.host.configure(
            auth_file=names, bulldir=self.bulls, auth_source="credentials", credential_file=credentials,
            clear_text_password="always", server_mode=True, bulldb_max_tries=1000000)

    def popbull(self, *arguments, data=b""):
        subprocess.run([POPBULL, "-f", self.config, *arguments], input=data, check=True,
                       stdout=subprocess.DEVNULL, timeout=PATIENCE * 4)

    def publish(self, subject):
        self.popbull("publish", "-s", subject, data=b"text\n")

    def login(self, port, name):
        client = popper_host.connect(port)
        try:
            client.user(name)
            client.pass_(self.PASSWORD)
        except (OSError, popper_host.poplib.error_proto):
            client.close()
            raise
        return client

    def take(self, port, name):
        """The subjects of all mail, which is gone then."""
        with contextlib.closing(self.login(port, name)) as client:
            numbers = range(1, client.stat()[0] + 1)
            found = [str(email.message_from_bytes(message_of(client, i))["Subject"])
                     for i in numbers]
            for number in numbers:
                client.dele(number)
            client.quit()
        return found

    def named(self, name):
        return daemon_processes.Family(self.config).named(name)

    def test_numbers_that_move_are_lost_on_no_process_that_stays(self):
        ann, jo = self.NAMES
        self.publish("one")
        with self.host.standalone(self.config) as port:
            self.assertEqual(self.take(port, jo), ["one"])
            for to, subject in (("database", "two"), ("files", "three")):
                popper_host.wait_until(lambda: self.named("pop-idle"), "a process waits")
                self.popbull("migrate", "--to", to)
                self.publish(subject)
                found = self.take(port, jo)  # perhaps from the process that knows the old place
                other = self.login(port, ann)
                try:
                    found += self.take(port, jo)  # from another
                finally:
                    other.quit()
                found += self.take(port, jo)
                self.assertEqual(found, [subject], to)

    def test_a_kill_between_mail_and_number_doubles_nothing(self):
        _, jo = self.NAMES
        self.publish("one")
        self.popbull("migrate", "--to", "database")
        with self.host.standalone(self.config) as port:
            self.assertEqual(self.take(port, jo), ["one"])
            self.publish("two")
            spool = os.path.join(self.host.spool_dir, jo)

            def mail_has_come():
                with open(spool, "rb") as stream:
                    return b"Subject: two" in stream.read()
            answers = []

            def login():
                try:
                    with contextlib.closing(self.login(port, jo)):
                        answers.append(b"")
                except (OSError, popper_host.poplib.error_proto) as refused:
                    answers.append(refused.args[0])
            with open(os.path.join(self.bulls, "bulldb.lock"), "r+b") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)  # the number waits for it
                thread = threading.Thread(target=login)
                thread.start()
                try:
                    popper_host.wait_until(mail_has_come, "the mail is there")
                    for teller in self.named("pop-bulletins"):
                        os.kill(teller.pid, signal.SIGKILL)
                finally:
                    fcntl.flock(lock, fcntl.LOCK_UN)
                    thread.join(PATIENCE * 4)
            self.assertEqual(len(answers), 1)
            self.assertIn(b"Unable to open Bulletin database", answers[0])
            self.assertEqual(self.take(port, jo), ["two"])
            self.assertEqual(self.take(port, jo), [])


if __name__ == "__main__":
    popper_host.main()
