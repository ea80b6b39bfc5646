#!/usr/bin/env python3
"""A client never downloads twice what it has: unique-ids stay, whatever happens around them."""

import os

import popper_host
from popper_host import SEPARATOR, HostTest, ids_of, message_of, simple_message, simple_spool

MODES = [dict(), dict(server_mode=True), dict(server_mode=True, fast_update=True),
         dict(update_status_headers=False), dict(uid_format="qpopper"), dict(old_style_uid=True)]


class UniqueIdsTest(HostTest):
    def ids(self, config, delete=(), retrieve=()):
        """Unique-id by subject, from a fresh start of popper."""
        with self.host.serving(config) as port:
            client = self.host.login(port, self.user)
            subjects = [line for number in range(1, client.stat()[0] + 1)
                        for line in client.top(number, 0)[1] if line.startswith(b"Subject:")]
            found = dict(zip(subjects, ids_of(client)))
            for number in retrieve:
                message_of(client, number)
            for number in delete:
                client.dele(number)
            client.quit()
        return found

    def check_kept(self, before, after):
        self.assertEqual({subject: before[subject] for subject in after if subject in before},
                         {subject: after[subject] for subject in after if subject in before})

    def index(self):
        if popper_host.MAILDIR:
            return os.path.join(self.host.spool_path(self.user), ".popper.cache")
        return os.path.join(self.host.spool_dir, f".{self.user.name}.cache")

    def forget_index(self):
        if os.path.exists(self.index()):
            os.unlink(self.index())

    def check_history(self, **options):
        """Restart, delivery, deletions, Status, loss of the index, damage to it, one after another."""
        config = self.host.configure(**options)
        self.host.fill(self.user, simple_spool(6))
        first = self.ids(config)
        self.assertEqual(len(set(first.values())), 6)
        for value in first.values():
            self.assertRegex(value, rb"^[!-~]{1,70}$")
        self.assertEqual(self.ids(config), first)

        self.host.deliver(self.user, SEPARATOR + simple_message(7))
        second = self.ids(config, delete=[1, 3])
        self.assertEqual(len(second), 7)
        self.check_kept(first, second)

        third = self.ids(config, retrieve=[1, 2], delete=[5])
        self.assertEqual(len(third), 5)
        self.check_kept(second, third)

        self.forget_index()
        fourth = self.ids(config)
        self.assertEqual(len(fourth), 4)
        self.check_kept(third, fourth)

        self.host.write(self.index(), b"\xff" * 5000, owner=self.user.uid)
        self.host.deliver(self.user, SEPARATOR + simple_message(8))
        fifth = self.ids(config)
        self.check_kept(fourth, fifth)
        self.assertEqual(len(set(fifth.values())), 5)

    def test_equal_messages_keep_different_ids_when_one_goes(self):
        """Three copies of one message; the client deletes what it has seen and keeps its books."""
        for options in MODES[:3]:
            with self.subTest(**options):
                self.forget_index()
                copy = SEPARATOR + simple_message(1)
                self.host.fill(self.user, copy * 3 + SEPARATOR + simple_message(2))
                config = self.host.configure(**options)
                with self.host.serving(config) as port:
                    before = self.listing(port)
                    self.assertEqual(len(set(before)), 4)
                    client = self.host.login(port, self.user)
                    client.dele(1)
                    client.quit()
                    self.assertEqual(self.listing(port), before[1:])
                    self.forget_index()
                    self.assertEqual(self.listing(port), before[1:])

    def listing(self, port):
        client = self.host.login(port, self.user)
        found = ids_of(client)
        client.quit()
        return found

    def test_ids_of_another_server_are_kept(self):
        """Stored X-UIDL: of 1 to 70 characters, 32 hex digits among them."""
        stored = [b"0123456789abcdef" * 2, b"x", b"y" * 70, b'$DQ!!"!4#!']
        spool = b"".join(SEPARATOR + simple_message(n, header=b"X-UIDL: " + value + b"\n")
                         for n, value in enumerate(stored, start=1))
        for options in MODES:
            with self.subTest(**options):
                self.forget_index()
                self.host.fill(self.user, spool)
                with self.host.serving(self.host.configure(**options)) as port:
                    self.assertEqual(self.listing(port), stored)
                    client = self.host.login(port, self.user)
                    client.dele(2)
                    client.quit()
                    self.assertEqual(self.listing(port), stored[:1] + stored[2:])
                left = self.host.mail_of(self.user)
                self.assertEqual([m.field(b"X-UIDL") for m in left], stored[:1] + stored[2:])


def add_history_tests():
    for options in MODES:
        def test(self, options=options):
            self.check_history(**options)
        words = "_".join(key if value is True else f"{key}_{value}" for key, value in options.items())
        setattr(UniqueIdsTest, "test_ids_stay_with_" + (words.lower() or "defaults"), test)


add_history_tests()

if __name__ == "__main__":
    popper_host.main()
