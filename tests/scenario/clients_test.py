#!/usr/bin/env python3
"""200 awkward messages reach every client byte for byte, in both modes."""

import sys

import awkward_mail
import mail_clients
import popper_host
import spool_reader
from mail_clients import CLIENTS
from popper_host import HostTest, ids_of, message_of, sizes_of

COUNT = 200
SEED = 20261
HIDDEN = 1


def expected_messages(spool):
    """By the independent reader; the first message is the folder's own and hidden."""
    return spool_reader.read(spool)[HIDDEN:]


class ClientsTest(HostTest):
    def check_client(self, name, **options):
        client = CLIENTS[name]
        spool, stored = awkward_mail.awkward_spool(COUNT, SEED, client.longest_line, client.without)
        expected = expected_messages(spool)
        self.assertEqual([message.stored for message in expected], stored)
        fetched = self.fetch(client, spool, options) or self.fetch(client, spool, options)
        self.assertEqual(len(fetched or []), COUNT)
        for number, (message, got) in enumerate(zip(expected, fetched), start=1):
            want = client.delivered(message.wire)
            if got != want:
                self.fail(f"message {number} (seed {SEED}) came to {name} as {got[:200]!r}, "
                          f"{len(got)} bytes; stored as {message.stored[:200]!r}, wanted {len(want)}")
        kept = self.host.mail_of(self.user, HIDDEN)
        self.assertEqual([message.content for message in kept],
                         [message.content for message in expected])

    def fetch(self, client, spool, options):
        self.host.fill(self.user, spool, HIDDEN)
        with self.host.serving(self.host.configure(**options)) as port:
            try:
                return client.fetch(port, self.user, COUNT)
            except mail_clients.ClientFailed as failure:
                print(failure, end="; ", file=sys.stderr)
                return None

    def test_the_listing_tells_the_truth(self):
        spool, _ = awkward_mail.awkward_spool(COUNT, SEED)
        expected = [message.wire for message in expected_messages(spool)]
        for server_mode in (False, True):
            with self.subTest(server_mode=server_mode):
                self.host.fill(self.user, spool, HIDDEN)
                config = self.host.configure(server_mode=server_mode, update_status_headers=False)
                with self.host.serving(config) as port:
                    client = self.host.login(port, self.user)
                    hidden = 0 if popper_host.MAILDIR else HIDDEN
                    self.assertIn(b"200 visible messages (%d hidden)" % hidden, client.logged_in)
                    sizes = sizes_of(client)
                    self.assertEqual(sizes, [len(wire) for wire in expected])
                    self.assertEqual(client.stat(), (COUNT, sum(sizes)))
                    for number, wire in enumerate(expected, start=1):
                        self.assertEqual(message_of(client, number), wire)
                    self.check_ids(ids_of(client), expected_messages(spool))
                    client.quit()
                self.check_untouched(spool)

    def check_untouched(self, spool):
        if not popper_host.MAILDIR:
            return self.assertEqual(self.host.read_spool(self.user), spool)
        self.assertEqual([message.stored for message in self.host.mail_of(self.user)],
                         [message.stored for message in expected_messages(spool)])

    def check_ids(self, ids, messages):
        self.assertEqual(len(set(ids)), COUNT)
        seen = set()
        for number, (given, message) in enumerate(zip(ids, messages), start=1):
            self.assertRegex(given, rb"^[!-~]{1,70}$")
            stored = message.field(b"X-UIDL")
            if stored and len(stored) <= 70 and all(0x21 <= byte <= 0x7e for byte in stored):
                if stored not in seen:
                    self.assertEqual(given, stored, f"message {number}")
                seen.add(stored)


def add_client_tests():
    for name in CLIENTS:
        for server_mode in (False, True):
            def test(self, name=name, server_mode=server_mode):
                self.check_client(name, server_mode=server_mode)
            mode = "server_mode" if server_mode else "normal_mode"
            setattr(ClientsTest, f"test_{name}_in_{mode}", test)


add_client_tests()

if __name__ == "__main__":
    popper_host.main()
