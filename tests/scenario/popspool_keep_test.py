#!/usr/bin/env python3
"""popspool's daily maintenance beside the daemon, its sessions and deliveries: what should go goes,
and nothing else."""

import collections
import contextlib
import fcntl
import json
import os
import poplib
import re
import signal
import subprocess
import threading
import time

import popper_host
from popper_host import HostTest, ids_of, simple_message, sizes_of, wait_until
from popspool_host import POPSPOOL

PATIENCE = popper_host.PATIENCE
MARK = re.compile(rb"^Subject: number (\d+)$", re.MULTILINE)
DAY = 86400


def mail(number, days=0, header=b""):
    """A message that was delivered so many days ago."""
    moment = time.strftime("%a %b %e %H:%M:%S %Y", time.gmtime(time.time() - days * DAY))
    return b"From sender@example.org " + moment.encode() + b"\n" + simple_message(number,
                                                                                  header=header)


class KeepTest(HostTest):
    def popspool(self, *arguments, check=0, **more):
        done = subprocess.run([POPSPOOL, "-f", self.config, *arguments], capture_output=True,
                              timeout=PATIENCE * 4, **more)
        if check is not None:
            self.assertEqual(done.returncode, check, done.stderr.decode(errors="replace"))
        return done

    def told(self, *arguments):
        """What --json says of the only target, once no session holds it any more: a client's last
        +OK comes a moment before that."""
        done = []

        def is_free():
            done.append(self.popspool(*arguments, "--json", check=None))
            return done[-1].returncode != 75

        wait_until(is_free, "the maildrop is free")
        self.assertEqual(done[-1].returncode, 0, done[-1].stderr.decode(errors="replace"))
        return json.loads(done[-1].stdout)["targets"][0]

    def numbers(self, user=None):
        return [int(each) for each in MARK.findall(self.host.read_spool(user or self.user))]

    @contextlib.contextmanager
    def deliveries(self, first=1000, at_most=3000):
        """A delivery agent that takes the fcntl lock, in a thread; yields what it has delivered."""
        stop, delivered, failures = threading.Event(), [], []

        def deliver():
            try:
                for number in range(first, first + at_most):
                    if stop.is_set():
                        return
                    with open(self.host.spool_path(self.user), "r+b") as stream:
                        fcntl.lockf(stream, fcntl.LOCK_EX)
                        stream.seek(0, os.SEEK_END)
                        stream.write(mail(number))
                        stream.flush()
                        delivered.append(number)
                    time.sleep(0.01)
            except BaseException as error:
                failures.append(error)

        thread = threading.Thread(target=deliver)
        thread.start()
        try:
            wait_until(lambda: delivered or failures, "a delivery")
            yield delivered
        finally:
            stop.set()
            thread.join()
        if failures:
            raise failures[0]

    def ids_by_number(self, port):
        client = self.host.login(port, self.user)
        ids = {}
        for index, identifier in enumerate(ids_of(client), 1):
            text = b"\n".join(client.top(index, 0)[1])
            ids[int(MARK.search(text).group(1))] = identifier
        client.quit()
        return ids


class ExpireTest(KeepTest):
    def test_expired_mail_goes_while_mail_arrives(self):
        self.config = self.host.configure(server_mode=True)
        old = range(1, 21)
        young = range(101, 111)
        both = [mail(number, days=100) for number in old] + [mail(number) for number in young]
        self.host.write_spool(self.user, b"".join(both[::2] + both[1::2]))
        with self.host.standalone(self.config) as port:
            before = self.ids_by_number(port)
            with self.deliveries() as delivered:
                expired = 0
                for keep in (15, 10, 5, 0):
                    told = self.told("expire", "--older-than", "90d", "--max-messages",
                                     str(len(young) + len(delivered) + keep), self.user.name)
                    expired += len(told["expired"])
                    self.ids_by_number(port)  # a session in between
                told = self.told("expire", "--older-than", "90d", self.user.name)
                self.assertEqual(expired + len(told["expired"]), len(old))
                known = len(delivered)
                wait_until(lambda: len(delivered) > known, "a delivery after it")
            after = self.ids_by_number(port)
        counted = collections.Counter(self.numbers())
        self.assertEqual(sorted(counted), sorted([*young, *delivered]))
        self.assertEqual(set(counted.values()), {1})
        for number in young:
            self.assertEqual(after[number], before[number])

    def test_a_session_is_left_alone(self):
        self.config = self.host.configure()
        self.host.write_spool(self.user, mail(1, days=9) + mail(2))
        with self.host.standalone(self.config) as port:
            client = self.host.login(port, self.user)
            done = self.popspool("expire", "--older-than", "7d", self.user.name, check=75)
            self.assertIn(b"expire " + self.user.name.encode() + b": ", done.stderr)
            self.assertEqual(self.numbers(), [1, 2])
            planned = self.told("expire", "-n", "--older-than", "7d", self.user.name)
            self.assertEqual([each["number"] for each in planned["expired"]], [1])
            client.quit()
            self.told("expire", "--older-than", "7d", self.user.name)
        self.assertEqual(self.numbers(), [2])

    def test_what_was_not_fetched_for_long_stays(self):
        """Only what a client has retrieved, and a while ago."""
        self.config = self.host.configure(server_mode=True)
        self.host.write_spool(self.user, mail(1, days=9) + mail(2, days=9))
        with self.host.standalone(self.config) as port:
            client = self.host.login(port, self.user)
            client.retr(2)
            client.quit()
            expire = ["expire", "--retrieved-for", "7d", self.user.name]
            self.told(*expire)
            self.assertEqual(self.numbers(), [1, 2])
            record = os.path.join(self.host.spool_dir, f".{self.user.name}.retrieved")
            self.assertEqual(os.stat(record).st_uid, self.user.uid)
            with open(record, "r+b") as stream:
                text = re.sub(rb"(?m)^\d+ ", b"%d " % (time.time() - 8 * DAY), stream.read())
                stream.seek(0)
                stream.truncate()
                stream.write(text)
            self.popspool(*expire)
        self.assertEqual(self.numbers(), [1])

    def test_groups_have_their_own_rules(self):
        self.config = self.host.configure()
        other, group = self.host.add_user("g"), "games"
        popper_host.change_accounts("usermod", "-a", "-G", group, other.name)
        policy = self.host.write(self.host.path("policy.toml"), (
            f'[[policy]]\ngroups = "{group}"\nrules = [{{header = "Subject: number 1$"}}]\n'
            f'[[policy]]\nusers = "{popper_host.PREFIX}*"\nrules = [{{max-messages = 1}}]\n'
        ).encode(), mode=0o644)
        for user in (self.user, other):
            self.host.write_spool(user, mail(1, days=3) + mail(2, days=2) + mail(3, days=1))
        self.popspool("expire", "--policy", policy, "--all", "-j", "2")
        self.assertEqual(self.numbers(other), [2, 3])
        self.assertEqual(self.numbers(), [3])

    def test_a_maildir_expires_too(self):
        self.config = self.host.configure()
        path = self.host.spool_path(self.user)
        for folder in (path, path + "/tmp", path + "/new", path + "/cur"):
            os.mkdir(folder, 0o700)
            os.chown(folder, self.user.uid, self.user.gid)
        for number, days in ((1, 20), (2, 10), (3, 0)):
            self.host.write_to_maildir(self.user, "new", int(time.time()) - days * DAY, "",
                                       simple_message(number))
        told = self.told("expire", "--older-than", "15d", self.user.name)
        self.assertEqual(len(told["expired"]), 1)
        self.assertEqual(told["messages_left"], 2)
        told = self.told("expire", "--max-messages", "1", self.user.name)
        self.assertEqual(told["messages_left"], 1)
        self.assertEqual(len(os.listdir(path + "/new")), 1)


class LockTest(KeepTest):
    def lock(self, *command, **more):
        return subprocess.Popen([POPSPOOL, "-f", self.config, "lock", self.user.name, "--", *command],
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, **more)

    def is_locked(self):
        """Whether a delivery agent that takes the fcntl lock would have to wait."""
        with open(self.host.spool_path(self.user), "r+b") as stream:
            try:
                fcntl.lockf(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return True
            return False

    def held(self, *arguments, check=None):
        done = self.popspool("locks", "--json", self.user.name, *arguments, check=check)
        return json.loads(done.stdout)["targets"][0]["locks"]

    def dotlock(self):
        return self.host.spool_path(self.user) + ".lock"

    def setUp(self):
        super().setUp()
        self.config = self.host.configure()
        self.host.write_spool(self.user, mail(1) + mail(2))

    def test_a_command_runs_under_all_locks(self):
        with self.host.standalone(self.config) as port:
            with self.lock("sh", "-c", 'echo "$MAIL"; read line; rm "$MAIL"; exit 3') as process:
                try:
                    path = process.stdout.readline().strip().decode()
                    self.assertEqual(path, self.host.spool_path(self.user))
                    self.assertTrue(self.is_locked())
                    self.assertTrue(os.path.exists(self.dotlock()))
                    with self.assertRaises(poplib.error_proto) as refused:
                        self.host.login(port, self.user)
                    self.assertIn(b"[IN-USE]", refused.exception.args[0])
                    held = {each["lock"]: each for each in self.held(check=0)}
                    self.assertEqual(sorted(held), ["dotlock", "fcntl", "flock", "session"])
                    for lock in ("dotlock", "session"):
                        self.assertEqual(held[lock]["program"], "popspool")
                        self.assertNotEqual(held[lock]["process"], process.pid)
                    self.assertFalse(held["dotlock"]["abandoned"])
                finally:
                    out, err = process.communicate(b"go\n", timeout=PATIENCE)
            self.assertEqual((process.returncode, err), (3, b""))
            self.assertFalse(os.path.exists(path))
            self.assertEqual(self.held(check=0), [])
            self.host.login(port, self.user).quit()

    def test_its_words_are_its_own(self):
        for command, status in ((["true"], 0), (["list"], 127), (["/"], 126),
                                (["sh", "-c", "kill -9 $$"], 137)):
            self.popspool("lock", self.user.name, "--", *command, check=status)
        done = self.popspool("lock", self.user.name, "--", "echo", "-n", "--json", "locks")
        self.assertEqual(done.stdout, b"--json locks")
        self.popspool("lock", self.user.name, check=64)
        self.popspool("lock", "-n", self.user.name, "--", "true", check=64)
        self.popspool("lock", popper_host.PREFIX + "none", "--", "true", check=67)

    def test_signals_are_passed_on(self):
        with self.lock("sh", "-c", "trap 'exit 7' TERM; echo ready; read line") as process:
            process.stdout.readline()
            process.send_signal(signal.SIGTERM)
            self.assertEqual(process.wait(timeout=PATIENCE), 7)
        wait_until(lambda: not self.held(), "the locks are gone")

    def test_a_session_may_be_waited_for(self):
        with self.host.standalone(self.config) as port:
            client = self.host.login(port, self.user)
            self.popspool("lock", self.user.name, "--", "true", check=75)
            with subprocess.Popen([POPSPOOL, "-f", self.config, "lock", "-w", "300", self.user.name,
                                   "--", "echo", "done"], stdout=subprocess.PIPE) as waiting:
                try:
                    client.quit()
                finally:
                    out, _ = waiting.communicate(timeout=PATIENCE * 4)
            self.assertEqual((waiting.returncode, out), (0, b"done\n"))

    def test_locks_stay_while_the_command_of_a_killed_popspool_runs(self):
        with self.lock("sh", "-c", "echo ready; read line") as process:
            process.stdout.readline()
            process.kill()
            process.wait(timeout=PATIENCE)
            self.assertTrue(self.is_locked())
            self.assertTrue(os.path.exists(self.dotlock()))
            process.stdin.close()  # the command goes on, and ends
            wait_until(lambda: not os.path.exists(self.dotlock()), "the locks are gone")
        wait_until(lambda: not self.held(), "the locks are gone")

    def test_a_maildir_has_a_session_lock(self):
        os.unlink(self.host.spool_path(self.user))
        path = self.host.spool_path(self.user)
        for folder in (path, path + "/tmp", path + "/new", path + "/cur"):
            os.mkdir(folder, 0o700)
            os.chown(folder, self.user.uid, self.user.gid)
        with self.lock("sh", "-c", 'echo "$MAIL"; read line') as process:
            self.assertEqual(process.stdout.readline().strip().decode(), path)
            self.assertEqual([each["lock"] for each in self.held(check=0)], ["session"])
            process.communicate(b"\n", timeout=PATIENCE)

    def test_only_a_lock_that_is_provably_abandoned_is_broken(self):
        host = os.uname().nodename
        dead = 4194305  # beyond every process number
        rows = ((f"{dead}@{host}", 10, True), (f"{dead}@elsewhere.example", 10, False),
                (f"{dead}@elsewhere.example", 3600, True), (f"{os.getpid()}@{host}", 0, False),
                ("", 10, False), ("", 3600, True))
        for content, age, abandoned in rows:
            with self.subTest(content=content, age=age):
                self.host.write(self.dotlock(), content.encode() + b"\n", owner=self.user.uid,
                                mode=0o600)
                moment = time.time() - age
                os.utime(self.dotlock(), (moment, moment))
                held = self.held(check=1 if abandoned else 0)
                self.assertEqual([each["abandoned"] for each in held], [abandoned])
                self.held("-n", "--break")
                self.assertTrue(os.path.exists(self.dotlock()))
                self.held("--break", check=0)
                self.assertEqual(os.path.exists(self.dotlock()), not abandoned)


class DoublesTest(KeepTest):
    def test_doubles_go_while_mail_arrives(self):
        self.config = self.host.configure(server_mode=True)
        twice = [mail(number) for number in range(1, 21)]
        self.host.write_spool(self.user, b"".join(twice) + b"".join(twice[::2]))
        with self.host.standalone(self.config) as port:
            client = self.host.login(port, self.user)
            ids = ids_of(client)[:20]
            client.quit()
            with self.deliveries() as delivered:
                told = self.told("dedupe", self.user.name)
                self.assertEqual([each["same_as"] for each in told["removed"]],
                                 list(range(1, 21, 2)))
                known = len(delivered)
                wait_until(lambda: len(delivered) > known, "a delivery after it")
            client = self.host.login(port, self.user)
            self.assertEqual(ids_of(client)[:20], ids)
            client.quit()
        self.assertEqual(self.numbers(), [*range(1, 21), *delivered])

    def test_a_new_index_lists_the_same_while_mail_arrives(self):
        self.config = self.host.configure(server_mode=True)
        self.host.write_spool(self.user, b"".join(mail(number) for number in range(1, 21)))
        with self.host.standalone(self.config) as port:
            client = self.host.login(port, self.user)
            ids = ids_of(client)
            self.popspool("reindex", self.user.name, check=75)  # a session goes on
            client.quit()
            with self.deliveries():
                for _ in range(3):
                    self.told("reindex", self.user.name)
            client = self.host.login(port, self.user)
            self.assertEqual(ids_of(client)[:20], ids)
            client.quit()


class TrashTest(KeepTest):
    def test_deleted_mail_comes_back_once_while_mail_arrives(self):
        self.config = self.host.configure(server_mode=True, trash_days=7)
        self.host.write_spool(self.user, b"".join(mail(number) for number in range(1, 11)))
        with self.host.standalone(self.config) as port:
            client = self.host.login(port, self.user)
            ids = ids_of(client)
            with self.deliveries() as delivered:
                for number in (2, 5, 9):
                    client.dele(number)
                client.quit()
                trash = os.stat(os.path.join(self.host.spool_dir, f".{self.user.name}.trash"))
                self.assertEqual((trash.st_uid, trash.st_mode & 0o077 & ~0o060), (self.user.uid, 0))
                self.assertNotIn(5, self.numbers())
                told = self.told("undelete", "--since", "1h", "--match", "Subject: number [59]$",
                                 self.user.name)
                self.assertEqual((len(told["restored"]), told["there"]), (2, 0))
                told = self.told("undelete", self.user.name)
                self.assertEqual((len(told["restored"]), told["there"]), (1, 2))
                told = self.told("undelete", self.user.name)
                self.assertEqual((len(told["restored"]), told["there"]), (0, 3))
                known = len(delivered)
                wait_until(lambda: len(delivered) > known, "a delivery after it")
            counted = collections.Counter(self.numbers())
            self.assertEqual(sorted(counted), [*range(1, 11), *delivered])
            self.assertEqual(set(counted.values()), {1})
            client = self.host.login(port, self.user)
            self.assertLessEqual(set(ids), set(ids_of(client)))
            client.quit()

    def test_a_full_trash_drops_the_oldest(self):
        self.config = self.host.configure(server_mode=True, trash_days=7, trash_size=1)
        large = [mail(number, header=b"X-Large: " + b"x" * 900 + b"\n") + b"y" * 79 + b"\n" +
                 (b"z" * 79 + b"\n") * 5000 + b"\n" for number in range(1, 5)]
        self.host.write_spool(self.user, b"".join(large))
        with self.host.standalone(self.config) as port:
            for _ in range(4):
                client = self.host.login(port, self.user)
                client.dele(1)
                client.quit()
        trash = os.path.join(self.host.spool_dir, f".{self.user.name}.trash")
        self.assertLessEqual(os.path.getsize(trash), 2 ** 20 + 4096)
        told = self.told("undelete", self.user.name)
        self.assertGreaterEqual(len(told["restored"]), 1)
        self.assertEqual(self.numbers()[-1], 4)

    def test_a_maildir_has_a_trash_too(self):
        self.config = self.host.configure(trash_days=7)
        path = self.host.spool_path(self.user)
        for folder in (path, path + "/tmp", path + "/new", path + "/cur"):
            os.mkdir(folder, 0o700)
            os.chown(folder, self.user.uid, self.user.gid)
        for number in (1, 2, 3):
            self.host.write_to_maildir(self.user, "new", 1500000000 + number, "",
                                       simple_message(number))
        with self.host.standalone(self.config) as port:
            before = self.ids_by_number(port)
            client = self.host.login(port, self.user)
            client.dele(2)
            client.quit()
            told = self.told("undelete", self.user.name)
            self.assertEqual((len(told["restored"]), told["there"]), (1, 0))
            self.assertEqual(self.ids_by_number(port), before)


class WarningTest(KeepTest):
    def test_a_user_is_told_once_and_then_his_mail_goes(self):
        self.config = self.host.configure(server_mode=True)
        self.host.write_spool(self.user, b"".join(mail(number, days=88 if number < 4 else 1)
                                                  for number in range(1, 6)))
        expire = ["expire", "--older-than", "90d", "--warn-days", "7", self.user.name]
        record = os.path.join(self.host.spool_dir, f".{self.user.name}.warned")
        with self.host.standalone(self.config) as port:
            before = self.ids_by_number(port)
            told = self.told(*expire)
            self.assertEqual((told["expired"], len(told["warned"]), told["held"]), ([], 3, 0))
            self.assertEqual(self.told(*expire)["warned"], [])
            client = self.host.login(port, self.user)
            ids = ids_of(client)
            self.assertEqual(ids[:5], [before[number] for number in range(1, 6)])
            self.assertEqual(len(ids), 6)
            text = b"\n".join(client.retr(6)[1])
            for number in (1, 2, 3):
                self.assertIn(b"  number %d\n" % number, text)
            self.assertNotIn(b"number 4", text)
            client.dele(6)  # as mail programs do
            client.quit()
            self.assertEqual(self.told(*expire)["warned"], [])
            client = self.host.login(port, self.user)
            self.assertEqual(ids_of(client), ids[:5])
            client.quit()
            # Eight days later: told long enough ago, and too old by now.
            with open(record, encoding="ascii") as stream:
                noted = stream.read()
            earlier = re.sub(r"^(\d+) ", lambda each: f"{int(each[1]) - 8 * DAY} ", noted,
                             flags=re.MULTILINE)
            self.host.write(record, earlier.encode(), owner=self.user.uid, mode=0o600)
            expire[2] = "80d"
            self.assertEqual(len(self.told(*expire)["expired"]), 3)
            self.assertEqual(self.numbers(), [4, 5])


class UndoTest(KeepTest):
    def test_what_was_removed_comes_back_once_while_mail_arrives(self):
        self.config = self.host.configure(server_mode=True)
        self.host.write_spool(self.user, b"".join(mail(number, days=100 if number % 2 else 0)
                                                  for number in range(1, 21)))
        with self.host.standalone(self.config) as port:
            before = self.ids_by_number(port)
            with self.deliveries() as delivered:
                told = self.told("expire", "--older-than", "90d", self.user.name)
                self.assertEqual(len(told["expired"]), 10)
                kept = os.stat(os.path.join(self.host.spool_dir, f".{self.user.name}.undo"))
                self.assertEqual((kept.st_uid, kept.st_mode & 0o077 & ~0o060), (self.user.uid, 0))
                client = self.host.login(port, self.user)
                self.popspool("undo", self.user.name, check=75)  # a session goes on
                client.dele(1)
                client.quit()
                told = self.told("undo", self.user.name)
                self.assertEqual((told["restored"], told["there"]), (10, 0))
                self.popspool("undo", self.user.name, check=66)
                known = len(delivered)
                wait_until(lambda: len(delivered) > known, "a delivery after it")
            after = self.ids_by_number(port)
            counted = collections.Counter(self.numbers())
            self.assertEqual(sorted(counted), [1, *range(3, 21), *delivered])
            self.assertEqual(set(counted.values()), {1})
            self.assertEqual({number: after[number] for number in before if number != 2},
                             {number: before[number] for number in before if number != 2})

    def test_removed_doubles_come_back_to_the_client_that_has_them(self):
        self.config = self.host.configure(server_mode=True)
        double = mail(1, header=b"Message-ID: <1@example.org>\n")
        self.host.write_spool(self.user, double + mail(2) + double)
        with self.host.standalone(self.config) as port:
            client = self.host.login(port, self.user)
            before = ids_of(client)
            client.quit()
            self.assertEqual(len(self.told("dedupe", self.user.name)["removed"]), 1)
            self.assertEqual(self.told("undo", self.user.name)["restored"], 1)
            client = self.host.login(port, self.user)
            self.assertEqual(sorted(ids_of(client)), sorted(before))
            client.quit()


class OwnTest(KeepTest):
    def setUp(self):
        super().setUp()
        self.config = self.host.configure(server_mode=True)
        self.spool = self.host.write(self.host.spool_path(self.user), mail(1), owner=0, mode=0o666)
        self.index = self.host.write(
            os.path.join(self.host.spool_dir, f".{self.user.name}.cache"), b"", owner=0, mode=0o644)

    def state(self, path):
        status = os.lstat(path)
        return status.st_uid, status.st_mode & 0o7777

    def test_a_restored_spool_is_put_right(self):
        with self.host.standalone(self.config) as port:
            with self.assertRaises(poplib.error_proto):
                self.host.login(port, self.user)
            self.popspool("own", "-n", self.user.name)
            self.assertEqual(self.state(self.spool), (0, 0o666))
            told = self.told("own", self.user.name)
            self.assertEqual([each["file"] for each in told["corrected"]], [self.spool, self.index])
            for path in (self.spool, self.index):
                self.assertEqual(self.state(path), (self.user.uid, 0o660))
            self.assertEqual(self.popspool("own", self.user.name).stdout, b"")
            client = self.host.login(port, self.user)
            self.assertEqual(len(sizes_of(client)), 1)
            client.quit()

    def test_what_could_be_a_trap_is_left(self):
        os.unlink(self.index)
        victim = self.host.write(self.host.path("victim"), b"root's own\n", mode=0o600)
        trash = os.path.join(self.host.spool_dir, f".{self.user.name}.trash")
        retrieved = os.path.join(self.host.spool_dir, f".{self.user.name}.retrieved")
        os.symlink(victim, self.index)
        os.link(victim, trash)
        os.mkfifo(retrieved)
        self.popspool("own", self.user.name, check=1)
        self.assertEqual(self.state(self.spool)[0], self.user.uid)
        self.assertEqual(self.state(victim), (0, 0o600))
        self.assertEqual(self.state(retrieved)[0], 0)

    def test_where_others_may_write_nothing_is_given_away(self):
        self.addCleanup(os.chmod, self.host.spool_dir, 0o2775)
        os.chmod(self.host.spool_dir, 0o1777)
        done = self.popspool("own", self.user.name, check=1)
        self.assertIn(b"is left as it is", done.stderr)
        self.assertEqual(self.state(self.spool), (0, 0o666))


if __name__ == "__main__":
    popper_host.main()
