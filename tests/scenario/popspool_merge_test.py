#!/usr/bin/env python3
"""popspool merges and splits maildrops of several owners beside the daemon, its sessions and
deliveries."""

import os
import signal
import subprocess

import popper_host
from popper_host import PATIENCE, ids_of, wait_until
from popspool_keep_test import POPSPOOL, KeepTest, mail


class MergeTest(KeepTest):
    def test_mail_of_another_user_moves_with_its_ids(self):
        self.config = self.host.configure(server_mode=True)
        other = self.host.add_user("m")
        self.host.write_spool(other, b"".join(mail(number) for number in range(1, 21)))
        self.host.write_spool(self.user, mail(900) + mail(3))
        with self.host.standalone(self.config) as port:
            client = self.host.login(port, other)
            client.retr(5)
            before = ids_of(client)
            self.popspool("merge", "--move", "--into", self.user.name, other.name, check=75)
            self.assertEqual(self.numbers(), [900, 3])
            client.quit()
            client = self.host.login(port, self.user)
            self.popspool("merge", "--move", "--into", self.user.name, other.name, check=75)
            self.assertEqual(len(self.numbers(other)), 20)
            client.quit()
            with self.deliveries() as delivered:
                told = self.told("merge", "--move", "--into", self.user.name, other.name)
                self.assertEqual((told["merged"], told["there"], told["taken_out"]), (19, 1, 20))
                known = len(delivered)
                wait_until(lambda: len(delivered) > known, "a delivery after it")
            client = self.host.login(port, self.user)
            after = ids_of(client)
            for identifier in before:
                self.assertEqual(after.count(identifier), 1)
            client.quit()
            client = self.host.login(port, other)
            self.assertEqual(client.stat(), (0, 0))
            client.quit()
        self.assertEqual(sorted(self.numbers()), sorted([900, *range(1, 21), *delivered]))
        spool = os.stat(self.host.spool_path(self.user))
        self.assertEqual(spool.st_uid, self.user.uid)

    def test_a_merge_that_was_killed_is_made_again(self):
        self.config = self.host.configure()
        other = self.host.add_user("k")
        wanted = list(range(1, 301))
        for moment in (0.005, 0.02, 0.05):  # wherever they strike
            self.host.write_spool(other, b"".join(mail(number) for number in wanted))
            self.host.write_spool(self.user, mail(900))
            work = subprocess.Popen([POPSPOOL, "-f", self.config, "merge", "-q", "--move", "--into",
                                     self.user.name, other.name], start_new_session=True)
            try:
                work.wait(moment)
            except subprocess.TimeoutExpired:
                os.killpg(work.pid, signal.SIGKILL)
            work.wait(PATIENCE)
            both = set(self.numbers()) | set(self.numbers(other))
            journals = [name for user in (self.user, other) for name in
                        [os.path.join(os.path.dirname(self.host.spool_path(user)),
                                      f".{user.name}.journal")] if os.path.exists(name)]
            if not journals:
                self.assertEqual(both, {900, *wanted})
            self.told("merge", "--move", "--into", self.user.name, other.name)
            self.assertEqual(sorted(self.numbers()), [*wanted, 900])
            self.assertEqual(self.numbers(other), [])


class SplitTest(KeepTest):
    def test_old_mail_moves_to_an_archive_of_roots(self):
        self.config = self.host.configure(server_mode=True)
        old = [mail(number, days=1000) for number in range(1, 6)]
        self.host.write_spool(self.user, b"".join(old) + mail(100) + mail(101))
        archive = self.host.path("archive")
        os.mkdir(archive, 0o700)
        command = ("split", "--move", "--by", "count:2", "--older-than", "365d", "--to", archive,
                   self.user.name)
        with self.host.standalone(self.config) as port:
            client = self.host.login(port, self.user)
            before = ids_of(client)
            self.popspool(*command, check=75)
            self.assertEqual(os.listdir(archive), [])
            client.quit()
            with self.deliveries() as delivered:
                told = self.told(*command)
                self.assertEqual([part["messages"] for part in told["parts"]], [2, 2, 1])
                self.assertEqual(told["taken_out"], 5)
                known = len(delivered)
                wait_until(lambda: len(delivered) > known, "a delivery after it")
            self.assertEqual(sorted(self.numbers()), [100, 101, *delivered])
            for part in told["parts"]:
                self.assertEqual(os.stat(part["path"]).st_uid, self.user.uid)
                self.assertEqual(os.stat(part["path"]).st_mode & 0o777, 0o600)
                self.told("import", part["path"], self.user.name)
            client = self.host.login(port, self.user)
            after = ids_of(client)
            for identifier in before:
                self.assertEqual(after.count(identifier), 1)
            client.quit()
        self.assertEqual(sorted(self.numbers()), sorted([*range(1, 6), 100, 101, *delivered]))


if __name__ == "__main__":
    popper_host.main()
