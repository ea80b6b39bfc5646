#!/usr/bin/env python3
"""Habits of a site that its spools depend on: which locks are taken, when a lock is broken, how unique-ids
are made, and what other software leaves in a spool."""

import contextlib
import hashlib
import os
import poplib
import re
import socket
import subprocess
import time

import popper_host
from popper_host import SEPARATOR, HostTest, ids_of, simple_spool

UW_MESSAGE = (b"From MAILER-DAEMON Thu Jan  1 00:00:00 1970\n"
              b"From: Mail System Internal Data <MAILER-DAEMON@example.org>\n"
              b"Subject: DO NOT DELETE\n\nThis text is part of a mail folder.\n\n")

HEADER = (b"Received: from a\n\tby b\nDate: Thu, 1 Jan 1970 00:00:00 +0000\nTo: jo@example.org\n"
          b"Message-Id: <one@example.org>\nSubject: one\n")
COUNTED = (b"Received: from a\n", b"Date: Thu, 1 Jan 1970 00:00:00 +0000\n",
           b"Message-Id: <one@example.org>\n", b"Subject: one\n")  # first lines of four fields


def base80(digest):
    """Qpopper's: of each four octets a number, whose digits overlap, and five digits of that."""
    text = ""
    for group in (digest[i:i + 4] for i in range(0, 16, 4)):
        value = 0
        for octet in group:
            value = value * 16 + octet
        for _ in range(5):
            text += chr(0x21 + value % 80)
            value //= 80
    return text.replace(".", "~").encode()


class SpoolHabitsTest(HostTest):
    def setUp(self):
        super().setUp()
        self.host.write_spool(self.user, simple_spool(2))

    def session(self, ask=lambda client: None, **options):
        with self.host.standalone(self.host.configure(**options)) as port:
            client = self.host.login(port, self.user)
            answer = ask(client)
            client.quit()
        return answer

    # Locks.

    def locks_taken(self, **options):
        """Which a session that deletes takes on the spool, in the order of their first use."""
        self.host.write_spool(self.user, simple_spool(2))
        spool, record = self.host.spool_path(self.user), self.host.path("strace")
        prefix = ["strace", "-f", "-y", "-qq", "-o", record, "-e", "trace=openat,fcntl,flock"]
        with self.host.inetd(self.host.configure(**options), prefix=prefix) as port:
            client = self.host.login(port, self.user)
            client.dele(1)
            client.quit()
        found = []
        kinds = {"dotlock": re.compile(rf'openat\(.*"{self.user.name}\.lock".*O_EXCL'),
                 "fcntl": re.compile(rf"fcntl\(\d+<{spool}>, F_(OFD_)?SETLKW?, .*F_WRLCK"),
                 "flock": re.compile(rf"flock\(\d+<{spool}>, LOCK_EX")}
        with open(record) as stream:
            for line in stream:
                found += [kind for kind, pattern in kinds.items()
                          if pattern.search(line) and kind not in found]
        return "-".join(found)

    def test_lock_order(self):
        self.assertEqual(self.locks_taken(), "dotlock-fcntl-flock")
        for order in ("dotlock-fcntl-flock", "dotlock-flock-fcntl", "dotlock"):
            self.assertEqual(self.locks_taken(lock_order=order), order)

    def test_a_dotlock_of_a_process_that_has_died_is_in_nobodys_way(self):
        maker = subprocess.Popen(["true"])
        maker.wait()
        lock = self.host.write(self.host.spool_path(self.user) + ".lock",
                               f"{maker.pid}@{socket.gethostname()}\n".encode(),
                               owner=self.user.uid)
        self.assertEqual(len(self.session(ids_of, lock_wait=8)), 2)
        self.assertFalse(os.path.exists(lock))

    def test_dotlock_stale_after(self):
        """A lock of another host, where nobody can ask whether its owner lives."""
        lock = self.host.write(self.host.spool_path(self.user) + ".lock",
                               b"12345@elsewhere.example.net\n", owner=self.user.uid)
        an_hour_ago = time.time() - 3600
        os.utime(lock, (an_hour_ago, an_hour_ago))
        with self.assertRaises(poplib.error_proto):
            self.session(dotlock_stale_after=86400, lock_wait=0)
        self.assertTrue(os.path.exists(lock))
        self.session(dotlock_stale_after=600, lock_wait=0)
        self.assertFalse(os.path.exists(lock))

    # Unique-ids.

    def ids_with(self, **options):
        self.host.write_spool(self.user, SEPARATOR + HEADER + b"\nhi\n\n")
        return self.session(ids_of, **options)

    def test_old_style_uid(self):
        old = hashlib.md5(SEPARATOR + b"".join(COUNTED)).hexdigest().encode()
        self.assertEqual(self.ids_with(old_style_uid=True), [old])
        self.assertNotEqual(self.ids_with(), [old])

    def test_uid_format(self):
        """As Qpopper made them where update-status-headers was off."""
        ours = base80(hashlib.md5(SEPARATOR + b"".join(COUNTED) + SEPARATOR).digest())
        self.assertRegex(ours, rb"^(...[!-#]!){4}$")
        for server_mode in (False, True):
            for stored in (False, True):
                self.assertEqual(self.ids_with(uid_format="qpopper", server_mode=server_mode,
                                               update_status_headers=stored), [ours])

    # What a crash leaves.

    def quit_struck_at(self, call, count, config):
        """Deletes every second message; whether it was killed at that call of its before it was done."""
        prefix = ["strace", "-f", "-qq", "-o", "/dev/null",
                  "-e", f"inject={call}:signal=KILL:when={count}"]
        with self.host.inetd(config, prefix=prefix) as port:
            try:
                client = self.host.login(port, self.user)
                for number in range(1, 20, 2):
                    client.dele(number)
                client.quit()
            except (poplib.error_proto, OSError):
                return True
        return False

    def mail_after_a_crash(self, config):
        lock = self.host.spool_path(self.user) + ".lock"
        with contextlib.suppress(FileNotFoundError):
            if os.path.getsize(lock) == 0:  # killed before it could sign it: only time breaks that
                os.unlink(lock)
            else:  # as if the crash had been a moment ago
                os.utime(lock, (time.time() - 5, time.time() - 5))
        with self.host.inetd(config) as port:
            client = self.host.login(port, self.user)
            mail = [b"\n".join(client.retr(number + 1)[1])
                    for number in range(client.stat()[0])]
            client.quit()
        return mail

    def test_a_session_killed_in_its_update_loses_and_doubles_nothing(self):
        """At each of its writes, truncations, removals and synchronisations in turn."""
        for options in ({}, {"fast_update": True}):
            config = self.host.configure(update_status_headers=False, **options)
            struck = 0
            for call in ("pwrite64", "fsync", "fdatasync", "ftruncate", "unlinkat", "renameat2"):
                for count in range(1, 7):
                    self.host.write_spool(self.user, simple_spool(20))
                    whole = self.mail_after_a_crash(config)
                    if not self.quit_struck_at(call, count, config):
                        self.assertEqual(self.mail_after_a_crash(config), whole[1::2])
                        break
                    struck += 1
                    self.assertIn(self.mail_after_a_crash(config), (whole, whole[1::2]))
            self.assertGreater(struck, 5)

    # What is in a spool.

    def test_uw_kluge(self):
        """Two of the three signs are enough for it to hide the first message, and nothing loses it."""
        for kluge, count in ((False, 3), (True, 2)):
            spool = self.host.write_spool(self.user, UW_MESSAGE + simple_spool(2))
            self.assertEqual(self.session(lambda client: client.stat()[0], uw_kluge=kluge), count)

            def delete_all(client):
                for number in range(1, client.stat()[0] + 1):
                    client.dele(number)
            self.session(delete_all, uw_kluge=kluge)
            self.assertEqual(b"Mail System Internal Data" in self.host.read_spool(self.user, spool),
                             kluge)


if __name__ == "__main__":
    popper_host.main()
