#!/usr/bin/env python3
"""popspool convert beside the daemon, its sessions and deliveries: clients see no difference."""

import json
import os
import re
import subprocess
import threading
import time

import popper_host
from popper_host import (SEPARATOR, ids_of, message_of, simple_message, simple_spool,
                         sizes_of)
from popspool_host import PopspoolTest

PATIENCE = popper_host.PATIENCE
NUMBER = re.compile(rb"^Subject: number (\d+)\r?$", re.MULTILINE)


class PopspoolConvertTest(PopspoolTest):
    def shown(self, port):
        client = self.login(port)
        listing = list(zip(ids_of(client), sizes_of(client)))
        texts = [message_of(client, number + 1) for number in range(len(listing))]
        client.quit()
        return listing, texts

    def test_clients_see_no_difference(self):
        name = self.user.name
        self.config = self.host.configure(server_mode=True, update_status_headers=False)
        self.host.write_spool(self.user, simple_spool(4) + SEPARATOR + simple_message(2)
                              + SEPARATOR + simple_message(5, header=b"X-UIDL: of-old\n")
                              + SEPARATOR + simple_message(6, header=b"Status: RO\n"))
        with self.host.standalone(self.config) as port:
            before = self.shown(port)
            self.assertEqual(self.popspool("convert", "--to", "maildir", "-n", name).stdout,
                             b"would convert 7 messages to a Maildir\n")
            data = json.loads(self.popspool("convert", "--to", "maildir", "--json", name).stdout)
            self.assertEqual((data["targets"][0]["converted"], data["targets"][0]["messages"]),
                             (True, 7))
            self.assertTrue(os.path.isdir(self.host.spool_path(self.user)))
            self.assertEqual(os.stat(self.host.spool_path(self.user)).st_uid, self.user.uid)
            self.assertEqual(self.shown(port), before)
            self.popspool("deliver", name, stdin=subprocess.DEVNULL, check=73)
            self.popspool("deliver", name, input=simple_message(7))
            listing, _ = self.shown(port)
            self.assertEqual(listing[:-1], before[0])
            self.assertEqual(self.popspool("convert", "--to", "mbox", name).stdout,
                             b"converted 8 messages to mbox\n")
            self.assertTrue(os.path.isfile(self.host.spool_path(self.user)))
            self.assertEqual(self.shown(port)[0][:-1], before[0])
        self.assertEqual([each for each in os.listdir(self.host.spool_dir) if "convert" in each], [])

    def test_a_session_is_not_disturbed(self):
        name = self.user.name
        self.config = self.host.configure(server_mode=True)
        spool = simple_spool(3)
        self.host.write_spool(self.user, spool)
        with self.host.standalone(self.config) as port:
            client = self.login(port)
            self.popspool("convert", "--to", "maildir", name, check=75)
            self.assertEqual(message_of(client, 3), simple_message(3).replace(b"\n", b"\r\n"))
            client.quit()
            self.popspool("convert", "--to", "maildir", name)
            client = self.login(port)
            self.popspool("convert", "--to", "mbox", name, check=75)
            client.dele(1)
            client.quit()
            self.popspool("convert", "--to", "mbox", name)
            self.assertEqual(len(self.shown(port)[0]), 2)

    def test_nothing_is_lost_or_doubled_beside_sessions_and_deliveries(self):
        name = self.user.name
        self.config = self.host.configure(server_mode=True)
        self.host.write_spool(self.user, b"")
        wrong, stop = [], threading.Event()

        def deliver(first):
            try:
                for number in range(first, first + 15):
                    for _ in range(100):  # as a transfer agent does
                        done = self.popspool("deliver", name, input=simple_message(number),
                                             check=None)
                        if done.returncode == 0:
                            break
                        self.assertEqual(done.returncode, 75, done.stderr)
                    else:
                        raise AssertionError(done.stderr)
            except BaseException as error:  # told by the test's own thread
                wrong.append(error)

        def convert():
            try:
                for turn in range(200):
                    if stop.is_set():
                        break
                    form = ("maildir", "mbox")[turn % 2]
                    done = self.popspool("convert", "--to", form, name, check=None)
                    self.assertIn(done.returncode, (0, 75), done.stderr)
            except BaseException as error:  # the same
                wrong.append(error)

        taken = []

        def take_all(port):
            try:
                client = self.login(port)
            except popper_host.poplib.error_proto as refused:  # a conversion is under way
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

        deliverers = [threading.Thread(target=deliver, args=(first,)) for first in (100, 200)]
        converter = threading.Thread(target=convert)
        with self.host.standalone(self.config) as port:
            for thread in (*deliverers, converter):
                thread.start()
            while any(thread.is_alive() for thread in deliverers):
                take_all(port)
            stop.set()
            for thread in (*deliverers, converter):
                thread.join()
            self.popspool("convert", "--to", "mbox", name)
            take_all(port)
        self.assertEqual(wrong, [])
        self.assertEqual(sorted(taken), [*range(100, 115), *range(200, 215)])


if __name__ == "__main__":
    popper_host.main()
