#!/usr/bin/env python3
"""popspool rehash in every direction, beside the daemon and deliveries."""

import os
import re
import subprocess
import threading
import time

import popper_host
from popper_host import ids_of, message_of, simple_message, simple_spool
from popspool_host import POPSPOOL, PopspoolTest

PATIENCE = popper_host.PATIENCE
NUMBER = re.compile(rb"^Subject: number (\d+)\r?$", re.MULTILINE)


class PopspoolRehashTest(PopspoolTest):
    def served(self, port):
        client = self.login(port)
        ids = ids_of(client)
        numbers = [int(NUMBER.search(message_of(client, number + 1)).group(1))
                   for number in range(len(ids))]
        client.quit()
        return ids, numbers

    def test_clients_see_no_difference_in_any_layout(self):
        name, layouts = self.user.name, ("0", "2", "home:mail", "1", "home:mail", "2", "1", "0")
        options = {"0": {}, "1": {"hash_spool": 1}, "2": {"hash_spool": 2},
                   "home:mail": {"home_dir_mail": "mail"}}
        known = None
        self.host.write_spool(self.user, simple_spool(3))
        for before, now in zip((None, *layouts), layouts):
            self.config = self.host.configure(server_mode=True, update_status_headers=False,
                                              **options[now])
            if before is not None:
                told = self.popspool("rehash", "--from", before, "--to", now, "-n", name).stdout
                self.assertTrue(told.startswith(b"would move "), told)
                targets = ("--all",) if before != "home:mail" else (name,)
                self.popspool("rehash", "--from", before, "--to", now, *targets)
            with self.host.standalone(self.config) as port:
                served = self.served(port)
            known = known or served
            self.assertEqual(served, known, f"{before} to {now}")
            self.assertEqual(served[1], [1, 2, 3])
        for folder in (name[0], os.path.join(name[0], name[1])):
            self.assertEqual(os.stat(self.host.path("spool", folder)).st_uid, 0)
        spool = os.stat(self.host.spool_path(self.user))
        self.assertEqual((spool.st_uid, spool.st_mode & 0o7777), (self.user.uid, 0o660))

    def test_nothing_is_lost_or_doubled_while_everybody_moves(self):
        name = self.user.name
        self.host.write_spool(self.user, simple_spool(5))
        old = self.host.configure("old.conf", server_mode=True)
        self.config = self.host.configure(server_mode=True, hash_spool=2)
        wrong = []

        def deliver(config, first):
            """One agent that knows the new place, one that does not."""
            try:
                for number in range(first, first + 15):
                    done = subprocess.run([POPSPOOL, "-f", config, "deliver", name],
                                          input=simple_message(number), capture_output=True,
                                          timeout=PATIENCE * 4)
                    self.assertEqual(done.returncode, 0, done.stderr)
            except BaseException as error:  # told by the test's own thread
                wrong.append(error)

        taken = []

        def take_all(port):
            try:
                client = self.login(port)
            except popper_host.poplib.error_proto as refused:  # the move is under way
                self.assertIn(b"[IN-USE]", refused.args[0])
                return
            numbers = []
            for number in range(1, client.stat()[0] + 1):
                found = NUMBER.findall(message_of(client, number))
                self.assertEqual(len(found), 1)
                numbers.append(int(found[0]))
                client.dele(number)
            client.quit()
            taken.extend(numbers)

        def move(check):
            return self.popspool("rehash", "--from", "0", "--to", "2", name, check=check)

        threads = [threading.Thread(target=deliver, args=(old, 100)),
                   threading.Thread(target=deliver, args=(self.config, 200))]
        with self.host.standalone(self.config) as port:
            for thread in threads:
                thread.start()
            while any(thread.is_alive() for thread in threads):
                move(0)
                take_all(port)
            for thread in threads:
                thread.join()
            move(0)
            take_all(port)
        self.assertEqual(wrong, [])
        self.assertEqual(sorted(taken), [*range(1, 6), *range(100, 115), *range(200, 215)])

    def test_a_wrong_layout_is_refused(self):
        self.config = self.host.configure()
        for arguments in (("--from", "0"), ("--from", "3", "--to", "1"),
                          ("--from", "0", "--to", "home")):
            self.popspool("rehash", *arguments, self.user.name, check=64)
        self.assertEqual(self.popspool("rehash", "--from", "2", "--to", "0", "-v",
                                       self.user.name).stdout, b"nothing to move\n")


if __name__ == "__main__":
    popper_host.main()
