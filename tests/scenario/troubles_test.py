#!/usr/bin/env python3
"""The troubles that the FAQ of Qpopper answers for: they are gone, or the log says what to do about them."""

import ctypes
import os
import re
import socket
import subprocess

import popper_host
import spool_reader
from popper_host import (PATIENCE, POPPER, SEPARATOR, HostTest, ids_of, message_of, simple_message,
                         simple_spool, stop, wait_until)

CLONE_NEWNS, MS_REC, MS_PRIVATE = 0x20000, 0x4000, 0x40000


def with_small_disk(path):
    """For preexec_fn: what starts sees a disk of 16 KiB there."""
    def mount():
        libc = ctypes.CDLL(None, use_errno=True)
        for failed in (libc.unshare(CLONE_NEWNS),
                       libc.mount(b"none", b"/", None, ctypes.c_ulong(MS_REC | MS_PRIVATE), None),
                       libc.mount(b"tmpfs", path.encode(), b"tmpfs", 0, b"size=16k,mode=1777")):
            if failed:
                raise OSError(ctypes.get_errno(), path)
    return mount


class TroublesTest(HostTest):
    def setUp(self):
        super().setUp()
        self.host.write_spool(self.user, simple_spool(2))

    def dialogue(self, port, *commands, host="127.0.0.1"):
        """The first lines of all replies, the greeting's first."""
        with socket.create_connection((host, port), timeout=PATIENCE) as connection:
            lines = connection.makefile("rb")
            replies = [lines.readline().decode()]
            for command in commands:
                connection.sendall(command.encode() + b"\r\n")
                replies.append(lines.readline().decode())
        return replies

    def log_in(self):
        return f"USER {self.user.name}", f"PASS {self.user.password}"

    def tell(self, port, pattern):
        wait_until(lambda: re.search(pattern, self.host.log(port)), pattern)

    def test_cannot_open_the_temporary_file(self):
        """"Do you own it?", the old program asked."""
        drops = self.host.path("drops-of-root")
        os.mkdir(drops, 0o755)
        with self.host.standalone(self.host.configure(temp_dir=drops)) as port:
            self.assertIn("-ERR [SYS/PERM]", self.dialogue(port, *self.log_in())[-1])
            self.tell(port, f"{drops} must be writable for the user or for the spool group")

    def test_no_room_for_a_copy_of_the_spool(self):
        """Twice the room of a spool is needed no more: without it the spool itself is served."""
        small = self.host.path("small")
        os.makedirs(small, 0o1777, exist_ok=True)
        messages = spool_reader.read(self.host.read_spool(
            self.user, self.host.write_spool(self.user, simple_spool(200, body=b"x" * 500 + b"\n"))))
        with self.host.standalone(self.host.configure(temp_dir=small),
                                  preexec_fn=with_small_disk(small)) as port:
            client = self.host.login(port, self.user)
            self.assertEqual(message_of(client, 200), messages[199].wire)
            client.dele(1)
            client.quit()
            self.tell(port, "No space left on device; serving .* from the spool itself")
        self.assertEqual(len(spool_reader.read(self.host.read_spool(self.user))), 199)

    def test_a_probe_of_an_account(self):
        with self.host.standalone(self.host.configure()) as port:
            self.dialogue(port, f"USER {self.user.name}", "QUIT")
            self.tell(port, rf"(?m)Possible probe of user account {self.user.name} from host \(\S+\) "
                            r"127\.0\.0\.1$")
            self.dialogue(port, *self.log_in(), "QUIT")
            self.assertEqual(self.host.log(port).count("Possible probe"), 1)

    def test_unable_to_process_from_lines(self):
        """The log says where; the mail is left alone, and what mends it finds the place, too."""
        damaged = b"rom sender@example.org\n\n" + simple_spool(2)
        self.host.write_spool(self.user, damaged)
        with self.host.standalone(self.host.configure()) as port:
            self.assertIn("-ERR [SYS/PERM]", self.dialogue(port, *self.log_in())[-1])
            self.tell(port, r"byte 0: neither a From_ line .* popspool check tells more")
        self.assertEqual(self.host.read_spool(self.user), damaged)
        popspool = os.path.join(os.path.dirname(POPPER), "popspool")
        if os.path.exists(popspool):
            done = subprocess.run([popspool, "check", self.host.spool_path(self.user)],
                                  capture_output=True, text=True, timeout=PATIENCE)
            self.assertEqual(done.returncode, 1, done.stderr)

    def test_words_of_netscape_and_others_end_no_session(self):
        """XSENDER, AUTH alone, AUTH TWINKIE, CAPA, MSN."""
        with self.host.standalone(self.host.configure()) as port:
            replies = self.dialogue(port, "XSENDER", "AUTH", "AUTH TWINKIE", "MSN", *self.log_in(),
                                    "XSENDER 1", "CAPA")
            self.assertEqual([reply[:4] for reply in replies],
                             ["+OK ", "-ERR", "-ERR", "-ERR", "-ERR", "+OK ", "+OK ", "-ERR", "+OK "])

    def test_two_messages_that_a_content_length_would_join(self):
        """One that is too large, and a little off, is not believed."""
        for length in (b"100000", b"8", b"600", b"7 x"):
            first = simple_message(1, header=b"Content-Length: " + length + b"\n")
            self.host.write_spool(self.user, SEPARATOR + first + SEPARATOR + simple_message(2))
            with self.subTest(length), self.host.standalone(self.host.configure()) as port:
                client = self.host.login(port, self.user)
                self.assertEqual(client.stat()[0], 2)
                self.assertIn(b"Subject: number 2", message_of(client, 2))
                client.quit()

    def test_unique_ids_are_what_the_standard_allows(self):
        for options in ({}, {"uid_format": "qpopper", "update_status_headers": False},
                        {"old_style_uid": True}):
            with self.host.standalone(self.host.configure(**options)) as port:
                client = self.host.login(port, self.user)
                ids = ids_of(client)
                self.assertEqual(len(set(ids)), 2)
                for each in ids:
                    self.assertRegex(each, rb"^[!-~]{1,70}$")
                client.quit()

    def test_maillock_errors_say_what_is_wrong(self):
        """The old program had numbers for them."""
        closed = self.host.path("closed")
        os.makedirs(closed, 0o755, exist_ok=True)
        self.host.write_spool(self.user, simple_spool(2), os.path.join(closed, self.user.name))
        config = self.host.configure(spool_dir=closed, home_dir_misc=True)
        with self.host.standalone(config) as port:
            self.assertIn("-ERR [SYS/PERM]", self.dialogue(port, *self.log_in())[-1])
            self.tell(port, f"cannot create {closed}/{self.user.name}.lock .* must be writable")

    def test_addresses_of_ipv6_are_logged(self):
        """Not as 0.0.0.0."""
        port = popper_host.free_port()
        with open(self.host.path(f"log.{port}"), "wb") as log:
            process = subprocess.Popen(
                [POPPER, f"[::1]:{port}", "--foreground", "-f", self.host.configure()],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            def is_served():
                try:
                    return self.dialogue(port, *self.log_in(), "QUIT", host="::1")
                except ConnectionRefusedError:
                    self.assertIsNone(process.poll(), self.host.log(port))
            wait_until(is_served, "popper listens")
            self.tell(port, r" login id=\w+ user=\w+ from=::1 ")
        finally:
            stop(process)

    def test_a_lost_connection_is_told_as_what_it_is(self):
        """The FAQ's POP EOF and hangup: it is no error of the server."""
        with self.host.standalone(self.host.configure()) as port:
            self.dialogue(port, *self.log_in())
            self.tell(port, " session-end .* how=connection-lost ")

    def test_a_spool_whose_owner_alone_may_write_is_served(self):
        """Modes of the FAQ: the directory's 1777 or 775 with group mail, spools 0660."""
        for mode in (0o1777, 0o775):
            os.chmod(self.host.spool_dir, mode)
            self.addCleanup(os.chmod, self.host.spool_dir, 0o2775)
            self.host.write_spool(self.user, simple_spool(2))
            with self.subTest(oct(mode)), self.host.standalone(self.host.configure()) as port:
                client = self.host.login(port, self.user)
                client.dele(1)
                client.quit()
            status = os.stat(self.host.spool_path(self.user))
            self.assertEqual((status.st_mode & 0o777, status.st_uid), (0o660, self.user.uid))
            self.assertEqual(self.host.read_spool(self.user).count(b"Subject:"), 1)


if __name__ == "__main__":
    popper_host.main()
