#!/usr/bin/env python3
"""Maildirs of system and virtual users, with other programs at work in them."""

import os
import poplib
import shutil
import subprocess
import types

import popper_host
from popper_host import HostTest, ids_of, message_of, sizes_of

FLAGS = ":2,"


def as_sent(mail):
    """What a client must get for what lies in the file."""
    lines = mail.replace(b"\r\n", b"\n").split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    header, sent = True, []
    for line in lines:
        hidden = header and line.lower().startswith((b"x-uidl:", b"content-length:"))
        header = header and line != b""
        if not hidden:
            sent.append(line + b"\r\n")
    return b"".join(sent)


class MaildirTest(HostTest):
    def setUp(self):
        super().setUp()
        self.maildir = os.path.join(self.user.home, "Maildir")
        self.make_maildir(self.maildir)
        self.delivered = 0

    # Other programs.

    def make_maildir(self, path, owner=None):
        for name in ("", "new", "cur", "tmp"):
            os.mkdir(os.path.join(path, name), 0o700)
            os.chown(os.path.join(path, name), *(owner or (self.user.uid, self.user.gid)))

    def put(self, place, name, mail, maildir=None):
        path = os.path.join(maildir or self.maildir, place, name)
        return self.host.write(path, mail, owner=self.user.uid, mode=0o600)

    def deliver(self, mail, maildir=None, suffix=""):
        """As procmail and maildrop do: tmp, fsync, link into new, unlink."""
        self.delivered += 1
        maildir = maildir or self.maildir
        name = f"{1700000000 + self.delivered}.M{self.delivered}P1.host{suffix}"
        self.put("tmp", name, mail, maildir)
        temporary, new = (os.path.join(maildir, place, name) for place in ("tmp", "new"))
        descriptor = os.open(temporary, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
        os.link(temporary, new)
        os.unlink(temporary)
        return name

    def names(self, place, maildir=None):
        return sorted(os.listdir(os.path.join(maildir or self.maildir, place)))

    def content(self, place, name):
        with open(os.path.join(self.maildir, place, name), "rb") as stream:
            return stream.read()

    # The daemon.

    def serving(self, **options):
        return self.host.serving(self.host.configure(**{"home_dir_mail": "Maildir", **options}))

    def log_of(self, login, message, **options):
        """A login fails, and the log says why."""
        config = self.host.configure(**{"home_dir_mail": "Maildir", **options})
        with self.host.standalone(config) as port:
            with self.assertRaises(poplib.error_proto):
                login(port)
            self.assertIn(message, self.host.log(port))

    def login(self, port):
        return self.host.login(port, self.user)

    # Tests.

    def test_every_octet_arrives_and_sizes_are_right(self):
        mails = [popper_host.simple_message(1), popper_host.simple_message(2, b".dot\n..\n"),
                 b"Subject: crlf\r\nX-UIDL: stored\r\n\r\nbody\r\n",
                 b"Subject: no line end\nContent-Length: 3\n\nend",
                 b"Subject: From\n\n\nFrom a@example.org Thu Jan  1 00:00:00 1970\nno separator\n",
                 b"Subject: long\n\n" + b"x" * 200000 + b"\n"]
        for mail in mails:
            self.deliver(mail)
        with self.serving() as port:
            client = self.login(port)
            sizes = sizes_of(client)
            self.assertEqual(client.stat(), (len(mails), sum(sizes)))
            for number, mail in enumerate(mails, 1):
                text = message_of(client, number)
                self.assertEqual(text, as_sent(mail))
                self.assertEqual(len(text), sizes[number - 1])
            self.assertEqual(ids_of(client)[2], b"stored")
            client.quit()
        self.assertEqual([self.content("cur", name) for name in self.names("cur")], mails)

    def test_the_same_mail_has_the_same_ids_in_an_mbox(self):
        mails = [popper_host.simple_message(n) for n in (1, 2, 2)]
        for mail in mails:
            self.deliver(mail)
        with self.serving() as port:
            client = self.login(port)
            ids = ids_of(client)
            client.quit()
        spool = b"".join(popper_host.SEPARATOR + mail + b"\n" for mail in mails)
        self.host.write_spool(self.user, spool)
        with self.serving(home_dir_mail=None) as port:
            client = self.login(port)
            self.assertEqual(ids_of(client), ids)
            client.quit()

    def test_deleted_messages_go_and_retrieved_ones_are_marked(self):
        for number in range(1, 6):
            self.deliver(popper_host.simple_message(number))
        with self.serving() as port:
            client = self.login(port)
            ids = ids_of(client)
            for number in (1, 3):
                client.dele(number)
            message_of(client, 2)
            client.quit()
            self.assertEqual(len(self.names("new")), 2)
            self.assertEqual(len(self.names("cur")), 1)
            self.assertTrue(self.names("cur")[0].endswith(FLAGS + "S"))
            client = self.login(port)
            self.assertEqual(ids_of(client), [ids[1], ids[3], ids[4]])
            client.dele(1)
            client.rset()
            client.quit()
            os.unlink(os.path.join(self.maildir, ".popper.cache"))
            client = self.login(port)
            self.assertEqual(ids_of(client), [ids[1], ids[3], ids[4]])
            client.quit()
        self.assertEqual(self.names("tmp"), [])

    def test_marks_are_left_alone_when_told_so(self):
        name = self.deliver(popper_host.simple_message(1))
        with self.serving(update_status_headers=False) as port:
            client = self.login(port)
            message_of(client, 1)
            client.quit()
        self.assertEqual(self.names("new"), [name])

    def test_other_programs_work_during_the_session(self):
        names = [self.deliver(popper_host.simple_message(n)) for n in range(1, 5)]
        with self.serving() as port:
            client = self.login(port)
            self.deliver(popper_host.simple_message(5))
            self.assertEqual(client.stat()[0], 4)
            for name, flags in zip(names[:2], ("S", "FS")):
                os.rename(os.path.join(self.maildir, "new", name),
                          os.path.join(self.maildir, "cur", name + FLAGS + flags))
            os.unlink(os.path.join(self.maildir, "new", names[3]))
            self.assertEqual(message_of(client, 1), as_sent(popper_host.simple_message(1)))
            self.assert_says("Another program", client.retr, 4)
            for number in (1, 2, 4):
                client.dele(number)
            self.assertTrue(client.quit().startswith(b"+OK"))
            self.assertEqual(self.names("cur"), [])
            client = self.login(port)
            self.assertEqual([message_of(client, n) for n in (1, 2)],
                             [as_sent(popper_host.simple_message(n)) for n in (3, 5)])
            client.quit()

    def test_a_second_session_is_told_and_deliveries_are_not(self):
        self.deliver(popper_host.simple_message(1))
        with self.serving() as port:
            client = self.login(port)
            self.assert_says("[IN-USE]", self.login, port)
            self.deliver(popper_host.simple_message(2))
            client.quit()
            client = self.login(port)
            self.assertEqual(client.stat()[0], 2)
            client.quit()

    def test_sizes_in_names_are_used_and_wrong_ones_found_out(self):
        body = b"a line of a large message\n" * 8000
        mails = [popper_host.simple_message(n, body) for n in (1, 2, 3)]
        wire = len(as_sent(mails[0]))
        right = f",S={len(mails[0])},W={wire}"
        self.deliver(mails[0], suffix=right)
        self.deliver(mails[1], suffix=f",S={len(mails[1])},W={wire - 100}")
        self.deliver(mails[2], suffix=f",S={len(mails[2]) + 5},W={wire + 9}")
        with self.serving() as port:
            client = self.login(port)
            self.assertEqual(sizes_of(client), [wire, wire - 100, wire])
            self.assertEqual(message_of(client, 1), as_sent(mails[0]))
            self.assertEqual(message_of(client, 3), as_sent(mails[2]))
            self.assert_says("Another program", client.retr, 2)
            client.quit()
            client = self.login(port)
            self.assertEqual(sizes_of(client), [wire] * 3)
            self.assertEqual(message_of(client, 2), as_sent(mails[1]))
            client.quit()

    def test_a_folder_is_chosen_by_the_login_name(self):
        self.deliver(popper_host.simple_message(1))
        folder = os.path.join(self.maildir, ".Lists")
        self.make_maildir(folder)
        for number in (2, 3):
            self.deliver(popper_host.simple_message(number), folder)
        pattern = "[+]([^@/]*)"

        def login(port, behind):
            name = self.user.name + behind
            return self.host.login(port, types.SimpleNamespace(name=name,
                                                               password=self.user.password))

        with self.serving(folder=pattern) as port:
            client = login(port, "")
            self.assertEqual(client.stat()[0], 1)
            client.quit()
            client = login(port, "+Lists")
            self.assertEqual(client.stat()[0], 2)
            client.dele(1)
            client.quit()
            self.assertEqual(len(self.names("new", folder)), 1)
        self.log_of(lambda port: login(port, "+Missing"), 'no folder "Missing"', folder=pattern)

    def test_a_missing_maildir_is_empty_and_another_thing_is_not(self):
        shutil.rmtree(self.maildir)
        with self.serving(mail_format="maildir") as port:
            client = self.login(port)
            self.assertEqual(client.stat(), (0, 0))
            client.quit()
        self.assertFalse(os.path.exists(self.maildir))
        os.mkdir(self.maildir, 0o700)
        os.chown(self.maildir, self.user.uid, self.user.gid)
        self.log_of(self.login, "neither new nor cur")

    def test_links_and_other_peoples_files_are_not_served(self):
        secret = self.host.write(self.host.path("secret"), b"Subject: secret\n\n", mode=0o600)
        self.deliver(popper_host.simple_message(1))
        os.symlink(secret, os.path.join(self.maildir, "new", "1.host"))
        os.link(secret, os.path.join(self.maildir, "new", "2.host"))
        os.mkfifo(os.path.join(self.maildir, "cur", "3.host:2,"))
        with self.serving() as port:
            client = self.login(port)
            self.assertEqual(client.stat()[0], 1)
            self.assertIn(b"3 hidden", client.logged_in)
            client.dele(1)
            client.quit()
        self.assertEqual(self.names("new"), ["1.host", "2.host"])

    def test_a_virtual_user_has_a_maildir_of_his_own(self):
        credentials = self.host.path("credentials")
        place = os.path.join(self.user.home, "virtual")
        self.make_maildir(place)
        self.deliver(popper_host.simple_message(1), place)
        config = self.host.configure("virtual.conf", credential_file=credentials)
        guest = ["set", "guest", "--stdin", "--apop", "--uid", str(self.user.uid), "--gid",
                 str(self.user.gid), "--home", self.user.home, "--maildrop", place + "/"]
        for arguments in (["init"], guest):
            subprocess.run([popper_host.POPAUTH, "-q", "-f", config, *arguments], text=True,
                           input="first secret\n", check=True, timeout=popper_host.PATIENCE)
        self.addCleanup(popper_host.remove_if_there, credentials)
        with self.host.standalone(config) as port:
            for left in (1, 0):
                client = poplib.POP3("127.0.0.1", port, timeout=popper_host.PATIENCE)
                client.apop("guest", "first secret")
                self.assertEqual(client.stat()[0], left)
                if left:
                    client.dele(1)
                client.quit()
        self.assertEqual(self.names("new", place), [])


if __name__ == "__main__":
    popper_host.main()
