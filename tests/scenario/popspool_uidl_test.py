#!/usr/bin/env python3
"""Clients that knew their mail from Dovecot, and then from popper, find the same unique-ids in the
same order: in an mbox and in a Maildir, read from Dovecot's own files or asked from the running
server. Exits with 77 where Dovecot is not installed."""

import json
import os
import poplib
import ssl
import subprocess
import sys

import certificates
import dovecot_server
import popper_host
from popper_host import HostTest, SEPARATOR, ids_of, simple_message, simple_spool
from popspool_host import POPSPOOL

PATIENCE = popper_host.PATIENCE


class DovecotTest(HostTest):
    def dovecot(self, location, uidl_format="%08Xu%08Xv", pair=None):
        return dovecot_server.serving(
            self.host, self.user, location,
            ("disable_plaintext_auth = no", f"pop3_uidl_format = {uidl_format}"), pair)

    def mbox_location(self):
        return dovecot_server.mbox_location(self.host, self.user)

    def ids_at_dovecot(self, port, delete=()):
        """What a client learns in a session, before it deletes these."""
        client = poplib.POP3("127.0.0.1", port, timeout=PATIENCE)
        try:
            client.user(self.user.name)
            client.pass_(self.user.password)
            ids = ids_of(client)
            for number in delete:
                client.dele(number)
            client.quit()
        finally:
            client.close()
        return ids

    def ids_at_popper(self):
        with self.host.standalone(self.host.configure(server_mode=True)) as port:
            client = self.host.login(port, self.user)
            try:
                ids = ids_of(client)
                client.quit()
            finally:
                client.close()
        return ids

    def popspool(self, *arguments, check=0, **more):
        done = subprocess.run([POPSPOOL, "-f", self.host.configure(), *arguments],
                              capture_output=True, timeout=PATIENCE * 4, **more)
        if check is not None:
            self.assertEqual(done.returncode, check, (done.stdout + done.stderr).decode())
        return done.stdout.decode()

    def uidl(self, verb, *arguments, **more):
        return self.popspool("uidl", verb, *arguments, self.user.name, **more)

    def passwords(self):
        return self.host.write(self.host.path("passwords"),
                               f"{self.user.name}:{self.user.password}\n".encode(), mode=0o600)

    def fill_maildir(self):
        """Five messages, the last of which a client saw has the oldest name."""
        path = self.host.spool_path(self.user)
        for folder in ("", "/tmp", "/new", "/cur"):
            os.mkdir(path + folder, 0o700)
            os.chown(path + folder, self.user.uid, self.user.gid)
        for number in range(1, 5):
            self.host.write_to_maildir(self.user, "new", 1000000000 + number, "",
                                       simple_message(number))
        return path

    def deliver_old_name(self):
        self.host.write_to_maildir(self.user, "new", 900000000, "", simple_message(9))

    def migrate(self, *arguments):
        """From the ids that a client knew to those that popper tells."""
        self.uidl("import", *arguments)
        return self.ids_at_popper()

    # An mbox.

    def test_an_mbox_keeps_dovecots_ids(self):
        self.host.write_spool(self.user, simple_spool(5))
        with self.dovecot(self.mbox_location()) as (port, _):
            self.ids_at_dovecot(port, delete=(2,))
            self.host.deliver(self.user, SEPARATOR + simple_message(7))
            known = self.ids_at_dovecot(port)
        self.assertEqual(len(known), 5)
        self.assertNotEqual(self.ids_at_popper(), known)
        self.assertEqual(self.migrate("--format", "dovecot"), known)

    def test_an_mbox_keeps_dovecots_sums_of_headers(self):
        odd = (b"From a@example.org Thu Jan  1 00:00:00 1970\nDate: Thu, 1 Jan 1970 00:00:00 +0000\n"
               b"Message-ID: <odd@example.org>\nReceived: from there\n\tby here;\n\t then\n"
               b"Received: second\nDate: again\ndelivered-to:   jo \nX-Delivery-ID: 7\n\nodd\n\n")
        self.host.write_spool(self.user, simple_spool(3) + odd)
        with self.dovecot(self.mbox_location(), "%m") as (port, _):
            known = self.ids_at_dovecot(port)
        self.assertEqual(self.migrate("--format", "dovecot", "--uidl-format", "%m"), known)

    def test_a_session_goes_on_as_before_after_the_migration(self):
        """What is deleted and delivered later leaves the imported ids where they are."""
        self.host.write_spool(self.user, simple_spool(4))
        with self.dovecot(self.mbox_location(), "%v.%u") as (port, _):
            known = self.ids_at_dovecot(port)
        self.assertEqual(self.migrate("--format", "dovecot", "--uidl-format", "%v.%u"), known)
        self.host.deliver(self.user, SEPARATOR + simple_message(8))
        with self.host.standalone(self.host.configure()) as port:
            client = self.host.login(port, self.user)
            self.assertEqual(ids_of(client)[:4], known)
            client.retr(3)
            client.dele(1)
            client.quit()
        os.unlink(os.path.join(self.host.spool_dir, f".{self.user.name}.cache"))
        self.assertEqual(self.ids_at_popper()[:3], known[1:])

    # A Maildir.

    def test_a_maildir_keeps_dovecots_ids_and_order(self):
        for uidl_format in ("%08Xu%08Xv", "%f"):
            with self.subTest(uidl_format):
                self.setUp()
                path = self.fill_maildir()
                with self.dovecot("maildir:" + path, uidl_format) as (port, _):
                    self.ids_at_dovecot(port, delete=(2,))
                    self.deliver_old_name()
                    known = self.ids_at_dovecot(port)
                self.assertEqual(len(known), 4)
                self.assertNotEqual(self.ids_at_popper(), known)
                self.assertEqual(self.migrate("--format", "dovecot", "--uidl-format", uidl_format),
                                 known)

    # The running server.

    def test_a_running_server_is_asked_compared_and_explained(self):
        self.host.write_spool(self.user, simple_spool(4))
        snapshot = self.host.path("snapshot")
        asked = ["--tls", "none", "--password-file", self.passwords()]
        with self.dovecot(self.mbox_location()) as (port, _):
            known = self.ids_at_dovecot(port)
            server = ["--server", f"127.0.0.1:{port}", *asked]
            self.host.write(snapshot, self.uidl("export", *server).encode(), mode=0o600)
            told = self.uidl("verify", "--from", snapshot, check=1)
            self.assertIn(f"message 1: was {known[0].decode()}, which no message has now", told)
            self.assertIn("0 of 4 messages", told)
            before = self.host.read_spool(self.user)
            self.uidl("import", "-n", *server)
            self.uidl("verify", *server, check=1)
            self.uidl("import", *server)
            self.assertEqual(self.host.read_spool(self.user), before)
            self.uidl("verify", *server)
        self.uidl("verify", "--from", snapshot)
        self.assertEqual(self.ids_at_popper(), known)
        self.assertIn("100.0 %  4 of 4 ids  dovecot --uidl-format %08Xu%08Xv",
                      self.uidl("guess", "--from", snapshot))
        self.host.deliver(self.user, SEPARATOR + simple_message(5))
        report = json.loads(self.uidl("verify", "--json", "--from", snapshot))["targets"][0]
        self.assertEqual((report["differences"], report["arrived"]), ([], 1))

    def test_a_password_goes_out_under_tls(self):
        self.host.write_spool(self.user, simple_spool(2))
        authority = certificates.Authority(self.host.path("authority"))
        pair = authority.issue("old", "127.0.0.1")
        with self.dovecot(self.mbox_location(), pair=pair) as (port, secure):
            known = self.ids_at_dovecot(port)
            ca = ["--ca", authority.path("root.pem"), "--password-file", self.passwords()]
            for mode, at in (("stls", port), ("implicit", secure)):
                with self.subTest(mode):
                    told = self.uidl("export", "--server", f"127.0.0.1:{at}", "--tls", mode, *ca)
                    self.assertEqual([line.split("\t")[2] for line in told.splitlines()[2:]],
                                     [id.decode() for id in known])
            # Nobody whom we trust vouches for it.
            self.uidl("export", "--server", f"127.0.0.1:{port}", *ca[2:], check=77)
            wrong = self.uidl("export", "--server", f"localhost:{port}", *ca, check=77)
            self.assertNotIn(known[0].decode(), wrong)
        with self.dovecot(self.mbox_location()) as (port, _):
            # No STLS: the password stays here.
            self.uidl("export", "--server", f"127.0.0.1:{port}", *ca, check=77)
            with open(self.host.path(f"dovecot.{port}", "log")) as log:
                self.assertNotIn("Login:", log.read())

    def test_a_wrong_password_is_refused(self):
        self.host.write_spool(self.user, simple_spool(1))
        with self.dovecot(self.mbox_location()) as (port, _):
            self.uidl("export", "--server", f"127.0.0.1:{port}", "--tls", "none", check=77,
                      input=b"wrong\n")


if __name__ == "__main__":
    if dovecot_server.DOVECOT is None:
        print("Dovecot is not installed")
        sys.exit(77)
    popper_host.main()
