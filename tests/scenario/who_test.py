#!/usr/bin/env python3
"""Who is on, who is sent away, and what is counted: the scoreboard and the verbs that read it."""

import grp
import json
import os
import pty
import re
import select
import signal
import stat
import subprocess
import time
from unittest import mock

from prometheus_client.openmetrics import parser

import popper_host
from popper_host import PATIENCE, POPPER, HostTest, wait_until

POPCHECK = os.path.abspath(os.environ.get(
    "POPCHECK", os.path.join(os.path.dirname(POPPER), "popcheck")))
STARTS = ("standalone", "inetd", "inetd-wait", "systemd", "single-user")


class WhoTest(HostTest):
    def setUp(self):
        super().setUp()
        self.host.write_spool(self.user, popper_host.simple_spool(5))
        self.as_user = {}

    def configure(self, name="who.conf", **options):
        """A board of the test's own, which nobody has used yet."""
        options.setdefault("scoreboard", self.host.path("run-" + self.id().split(".")[-1], "board"))
        self.board = options["scoreboard"]
        self.config = self.host.configure(name, **options)
        return self.config

    def popcheck(self, *arguments, status=0):
        done = subprocess.run([POPCHECK, "-f", self.config, *arguments], capture_output=True,
                              text=True, timeout=PATIENCE, **self.as_user)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout if status == 0 else done.stderr

    def sessions(self):
        return json.loads(self.popcheck("--json", "who"))["sessions"]

    def wait_for(self, count):
        """That many are on, and all wait for their clients."""
        def are_there():
            found = self.sessions()
            settled = all(one["state"] == "waiting" for one in found)
            return (found,) if len(found) == count and settled else None
        return wait_until(are_there, f"{count} are on")[0]

    def samples(self):
        text = self.popcheck("metrics")
        return {(sample.name, *sorted(sample.labels.values())): sample.value
                for family in parser.text_string_to_metric_families(text)
                for sample in family.samples}

    # who

    def check_who(self, port):
        client = self.host.login(port, self.user)
        client.stat()
        client.retr(2)
        client.dele(3)
        found, = self.wait_for(1)
        self.assertEqual((found["user"], found["uid"], found["address"], found["mechanism"]),
                         (self.user.name, self.user.uid, "127.0.0.1", "password"))
        self.assertEqual((found["tls"], found["read_only"]), (False, False))
        self.assertEqual((found["messages"], found["retrieved"], found["deleted"]), (5, 1, 1))
        self.assertGreater(found["octets_sent"], 100)
        self.assertEqual(found["octets_received"], len("STAT\r\nRETR 2\r\nDELE 3\r\n"))
        with open(f"/proc/{found['process']}/status") as stream:
            self.assertIn(f"\nUid:\t{self.user.uid}\t", stream.read())
        self.assertIn(self.user.name, self.popcheck("who", self.user.name))
        client.quit()
        self.wait_for(0)
        self.assertIn("nobody is on", self.popcheck("who"))

    def check_start(self, start):
        home = self.user.home
        mine = {}
        if start == "single-user":
            self.as_user = dict(user=self.user.uid, group=self.user.gid, cwd=home,
                                extra_groups=[grp.getgrnam("mail").gr_gid])
            mine = {"scoreboard": os.path.join(home, "run", "board")}
        config = self.configure(update_on_abort=False, **mine)
        with mock.patch.object(popper_host, "START", start), \
                self.host.serving(config) as port:
            self.check_who(port)
            status = os.stat(self.board)
            owner = self.user.uid if mine else 0
            self.assertEqual((status.st_uid, stat.S_IMODE(status.st_mode)), (owner, 0o600))
            self.check_kick(port)

    def test_several_are_on_at_once_and_two_daemons_share_a_board(self):
        other = self.host.add_user("b")
        self.addCleanup(self.host.users.pop, other.name)  # a start without root serves only one
        self.host.write_spool(other, popper_host.simple_spool(1))
        config = self.configure()
        with self.host.standalone(config) as first, self.host.standalone(config) as second:
            one, two = self.host.login(first, self.user), self.host.login(second, other)
            self.assertEqual([found["user"] for found in self.wait_for(2)],
                             [self.user.name, other.name])
            seen = json.loads(self.popcheck("--json", "who"))
            self.assertGreaterEqual(seen["gates"], 2)
            self.assertGreaterEqual(seen["keepers"], 2)
            one.quit()
            self.assertEqual([found["user"] for found in self.wait_for(1)], [other.name])
            two.quit()

    def test_a_killed_session_is_not_shown_and_its_place_is_used_again(self):
        with self.host.standalone(self.configure()) as port:
            for _ in range(3):
                client = self.host.login(port, self.user)
                found, = self.wait_for(1)
                os.kill(found["process"], signal.SIGKILL)
                self.wait_for(0)
                client.close()
            wait_until(lambda: self.samples()["popper_ended_sessions_total", "crashed"] == 3,
                       "all ends are counted")

    def test_a_session_without_a_connection_any_more_counts_as_aborted(self):
        with self.host.standalone(self.configure()) as port:
            client = self.host.login(port, self.user)
            client.sock.close()
            client.file.close()
            wait_until(lambda: self.samples()["popper_ended_sessions_total", "connection-lost"] == 1,
                       "the end is counted")

    def test_nobody_else_can_read_it(self):
        with self.host.standalone(self.configure()) as port:
            self.host.login(port, self.user).quit()
            self.as_user = dict(user=self.user.uid, group=self.user.gid, extra_groups=[])
            self.assertIn("Permission denied", self.popcheck("who", status=77))
            self.assertIn("Permission denied", self.popcheck("kick", self.user.name, status=77))

    def test_a_board_that_was_replaced_by_something_else_is_left_alone(self):
        """Mail is served without it, and a user's file is not overwritten."""
        directory = self.host.path("run-wrong")
        os.mkdir(directory, 0o755)
        board = self.host.write(os.path.join(directory, "board"), b"dear diary\n" * 100, mode=0o600)
        with self.host.standalone(self.configure(scoreboard=board)) as port:
            self.assertEqual(self.host.login(port, self.user).stat()[0], 5)
            self.popcheck("who", status=65)
        with open(board, "rb") as stream:
            self.assertEqual(stream.read(), b"dear diary\n" * 100)

    def test_without_a_board_mail_is_served_and_popcheck_says_so(self):
        with self.host.standalone(self.configure(scoreboard="")) as port:
            self.host.login(port, self.user).quit()
            self.assertIn("sets no scoreboard", self.popcheck("who", status=66))

    def test_watching_redraws_a_terminal(self):
        with self.host.standalone(self.configure()) as port:
            client = self.host.login(port, self.user)
            ours, theirs = pty.openpty()
            process = subprocess.Popen([POPCHECK, "-f", self.config, "who", "-w", "--every", "1"],
                                       stdin=theirs, stdout=theirs, stderr=theirs)
            try:
                os.close(theirs)
                shown = b""
                deadline = time.monotonic() + PATIENCE
                while shown.count(b"\x1b[2J") < 2 and time.monotonic() < deadline:
                    if select.select([ours], [], [], 1)[0]:
                        shown += os.read(ours, 65536)
                self.assertGreaterEqual(shown.count(b"\x1b[2J"), 2)
                self.assertIn(self.user.name.encode(), shown)
            finally:
                process.terminate()
                process.wait(PATIENCE)
                os.close(ours)
            client.quit()
            self.assertIn("--watch is for a terminal", self.popcheck("who", "-w", status=64))

    # kick

    def check_kick(self, port):
        """As an abort: nothing is deleted, and the user may come again at once."""
        client = self.host.login(port, self.user)
        before = client.stat()[0]
        client.dele(1)
        self.assertIn("would end", self.popcheck("-n", "kick", self.user.name))
        self.assertEqual(client.noop()[:3], b"+OK")
        self.assertRegex(self.popcheck("kick", self.user.name),
                         rf"^ended the session of {self.user.name} from 127\.0\.0\.1, process \d+\n$")
        with self.assertRaises((popper_host.poplib.error_proto, OSError)):
            client.noop()
            client.noop()
        client.close()
        again = self.host.login(port, self.user)
        self.assertEqual(again.stat()[0], before)
        again.quit()
        self.wait_for(0)
        self.popcheck("kick", self.user.name, status=66)

    def test_kick_does_what_update_on_abort_says(self):
        with self.host.standalone(self.configure(update_on_abort=True)) as port:
            client = self.host.login(port, self.user)
            client.dele(1)
            self.popcheck("kick", self.user.name)
            client.close()
            self.assertEqual(len(self.host.mail_of(self.user)), 4)

    def test_kick_ends_a_session_that_sends_to_who_does_not_read(self):
        self.host.write_spool(self.user, popper_host.SEPARATOR
                              + popper_host.simple_message(1, body=b"x" * 70 * 1000000 + b"\n"))
        with self.host.standalone(self.configure()) as port:
            client = self.host.login(port, self.user)
            client._putcmd("RETR 1")
            wait_until(lambda: any(one["state"] == "answering" and one["octets_sent"] > 100000
                                   for one in self.sessions()), "it sends")
            self.popcheck("kick", self.user.name)
            client.close()
            self.assertEqual(len(self.host.mail_of(self.user)), 1)

    def test_kick_sends_one_of_two_virtual_users_away_and_not_the_other(self):
        """Their sessions may come one after the other in one process."""
        credentials = self.host.path("virtual.gdbm")
        names = ("ann@example.org", "bob@example.org")
        config = self.configure(auth_source="credentials", credential_file=credentials,
                                clear_text_password="always")
        self.popauth("init")
        for name in names:
            maildrop = os.path.join(self.user.home, name)
            self.host.write(maildrop, popper_host.simple_spool(2), owner=self.user.uid,
                            group=self.user.gid, mode=0o600)
            self.popauth("set", name, "--stdin", "--uid", str(self.user.uid), "--gid",
                         str(self.user.gid), "--home", self.user.home, "--maildrop", maildrop,
                         text="secret word\n")
        with self.host.standalone(config) as port:
            for _ in range(3):
                clients = [self.virtual_login(port, name) for name in names]
                self.wait_for(2)
                self.popcheck("kick", names[0])
                with self.assertRaises((popper_host.poplib.error_proto, OSError)):
                    clients[0].noop()
                    clients[0].noop()
                clients[0].close()
                self.assertEqual([one["user"] for one in self.wait_for(1)], [names[1]])
                self.assertEqual(clients[1].stat()[0], 2)
                clients[1].quit()
                self.wait_for(0)

    def virtual_login(self, port, name):
        client = popper_host.poplib.POP3("127.0.0.1", port, timeout=PATIENCE)
        self.addCleanup(client.close)
        client.user(name)
        client.pass_("secret word")
        return client

    def popauth(self, *arguments, text=""):
        subprocess.run([popper_host.POPAUTH, "-q", "-f", self.config, *arguments], input=text,
                       text=True, check=True, timeout=PATIENCE)

    # metrics

    def test_everything_is_counted_and_promtool_finds_no_fault(self):
        with self.host.standalone(self.configure(statistics=True)) as port:
            self.assert_says("[AUTH]", self.host.login, port, self.user, "wrong")
            client = self.host.login(port, self.user)
            client.uidl()
            wire = client.retr(1)[2]
            client.top(2, 0)
            client.dele(1)
            client.quit()
            self.wait_for(0)
            samples = self.samples()
            for expected, *key in (
                    (1, "popper_logins_total", "accepted", "password"),
                    (1, "popper_logins_total", "password", "rejected"),
                    (2, "popper_login_seconds_count"),
                    (2, "popper_login_queue_seconds_count"),
                    (1, "popper_ended_sessions_total", "quit"),
                    (1, "popper_open_seconds_count"), (1, "popper_update_seconds_count"),
                    (1, "popper_open_seconds_bucket", "+Inf"),
                    (1, "popper_commands_total", "retr"), (1, "popper_commands_total", "top"),
                    (1, "popper_retrieved_messages_total"), (1, "popper_deleted_messages_total"),
                    (0, "popper_sessions", "no"), (0, "popper_strangers"),
                    (0, "popper_queued_logins"), (0, "popper_changed_unique_ids_total")):
                self.assertEqual(samples[tuple(key)], expected, key)
            self.assertGreaterEqual(samples["popper_lock_wait_seconds_count",], 1)
            self.assertGreater(samples["popper_reply_bytes_total", "retr"], wire)
            self.assertGreaterEqual(samples["popper_connections_total",], 2)
            self.check_textfile()

    def check_textfile(self):
        path = self.host.path("popper.prom")
        self.popcheck("metrics", "--textfile", path)
        with open(path) as stream:
            text = stream.read()
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o644)
        self.assertEqual(text, self.popcheck("metrics", "--format", "prometheus"))
        self.assertIsNone(re.search("# EOF", text))
        done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True,
                              text=True, timeout=PATIENCE)
        self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))
        self.assertEqual([name for name in os.listdir(self.host.root) if "popper.prom" in name],
                         ["popper.prom"])

    def test_unique_ids_that_change_are_counted(self):
        """So that somebody hears of it before all clients download all mail again."""
        with self.host.standalone(self.configure()) as port:
            self.host.login(port, self.user).quit()
            self.wait_for(0)
        with self.host.standalone(self.configure(uid_format="qpopper")) as port:
            self.host.login(port, self.user).quit()
            self.wait_for(0)
            self.assertEqual(self.samples()["popper_changed_unique_ids_total",], 5)

    def test_counts_outlive_the_daemon(self):
        config = self.configure()
        for count in (1, 2):
            with self.host.standalone(config) as port:
                self.host.login(port, self.user).quit()
                self.wait_for(0)
                self.assertEqual(self.samples()["popper_ended_sessions_total", "quit"], count)


def add_start_tests():
    for start in STARTS:
        def test(self, start=start):
            self.check_start(start)
        setattr(WhoTest, "test_who_and_kick_under_" + start.replace("-", "_"), test)


add_start_tests()

if __name__ == "__main__":
    popper_host.main()
