#!/usr/bin/env python3
"""LANG and UTF8 (RFC 6856): replies in other languages, names and headers in UTF-8."""

import base64
import email
import email.header
import hashlib
import hmac
import os
import re
import ssl
import subprocess
import unicodedata
import unittest.mock

import popper_host
from popper_host import (PATIENCE, SEPARATOR, HostTest, connect, message_of, simple_message,
                         simple_spool, sizes_of, top_of)

LOCALES = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(popper_host.POPPER))),
                       "locale")


def say(client, line):
    """What poplib has no method for: the reply, whatever it is, as text."""
    client._putline(line.encode())
    return client._getline()[0].decode()


def listing(client, line):
    """The lines of a multi-line reply."""
    first = say(client, line)
    lines = []
    while (row := client._getline()[0].decode()) != ".":
        lines.append(row)
    return first, lines


class LangTest(HostTest):
    def setUp(self):
        super().setUp()
        self.host.write_spool(self.user, simple_spool(2))

    def serving(self, **options):
        return self.host.standalone(self.host.configure(locale_dir=LOCALES, **options))

    def test_lang_before_the_login_lasts_after_it(self):
        with self.serving() as port:
            client = connect(port)
            self.assertEqual(say(client, "LANG de-AT"),
                             "+OK de ist von jetzt an die Kennung der Sprache.")
            self.assertEqual(say(client, "STAT"),
                             "-ERR Der Befehl stat gilt erst nach der Anmeldung.")
            self.assertEqual(say(client, "USER " + self.user.name),
                             f"+OK Passwort für {self.user.name} nötig.")
            welcome = say(client, "PASS " + self.user.password)
            self.assertRegex(welcome, rf"^\+OK {self.user.name} hat 2 sichtbare Nachrichten "
                                      r"\(0 verborgen\) in \d+ Oktetten\.$")
            size = int(say(client, "LIST 1").split()[2])
            self.assertEqual(say(client, "LIST 9"), "-ERR Nachricht 9 gibt es nicht.")
            self.assertEqual(listing(client, "RETR 1")[0], f"+OK {size} Oktette")
            self.assertEqual(say(client, "DELE 1"), "+OK Nachricht 1 ist gelöscht.")
            self.assertRegex(listing(client, "LIST")[0],
                             r"^\+OK 1 sichtbare Nachrichten \(\d+ Oktette\)$")
            self.assertRegex(say(client, "QUIT"), r"^\+OK Der Pop-Server auf \S+ meldet sich ab\.$")

    def test_a_wrong_password_is_refused_in_the_language_and_logged_in_english(self):
        with self.serving() as port:
            client = connect(port)
            say(client, "LANG de")
            say(client, "USER " + self.user.name)
            self.assertEqual(say(client, "PASS wrong"),
                             f"-ERR [AUTH] Das Passwort für „{self.user.name}“ ist falsch.")
            client.close()
            log = self.host.log(port)
        self.assertIn(f'-ERR [AUTH] Password supplied for "{self.user.name}" is incorrect.', log)
        self.assertNotIn("Passwort", log)

    def test_lang_after_the_login(self):
        with self.serving() as port:
            client = self.host.login(port, self.user)
            self.assertEqual(say(client, "NOOP"), "+OK no big woop")
            self.assertEqual(say(client, "LANG de"),
                             "+OK de ist von jetzt an die Kennung der Sprache.")
            self.assertEqual(say(client, "RETR 7"), "-ERR Nachricht 7 gibt es nicht.")
            self.assertEqual(say(client, "LANG en"),
                             "+OK en is the tag of the language from now on.")
            self.assertEqual(say(client, "RETR 7"), "-ERR Message 7 does not exist.")
            client.quit()
            log = self.host.log(port)
        self.assertIn("-ERR Message 7 does not exist.", log)
        self.assertNotIn("Nachricht", log)

    def test_languages_are_listed_in_both_states(self):
        expected = ["en English", "i-default English", "de Deutsch"]
        with self.serving() as port:
            client = connect(port)
            self.assertIn("LANG", client.capa())
            self.assertEqual(listing(client, "LANG"), ("+OK Languages follow.", expected))
            client.user(self.user.name)
            client.pass_(self.user.password)
            self.assertIn("LANG", client.capa())
            self.assertEqual(listing(client, "LANG"), ("+OK Languages follow.", expected))
            client.quit()

    def test_star_is_the_language_of_the_administrator(self):
        with self.serving() as port:
            client = connect(port)
            say(client, "LANG de")
            self.assertEqual(say(client, "LANG *"),
                             "+OK en is the tag of the language from now on.")
            client.quit()

    def test_a_hostile_range_changes_nothing(self):
        with self.serving() as port:
            for begin in (connect, lambda at: self.host.login(at, self.user)):
                client = begin(port)
                say(client, "LANG de")
                for hostile in ("fr", "../de", "d" * 900, "de/../en", "%s%n", "\udc80"):
                    client._putline(b"LANG " + hostile.encode(errors="surrogateescape"))
                    self.assertEqual(client._getline()[0].decode(),
                                     "-ERR Diese Sprache spricht der Server nicht.")
                client.quit()

    def test_a_damaged_catalogue_leaves_english(self):
        folder = self.host.path("locale", "de", "LC_MESSAGES")
        os.makedirs(folder)
        with open(os.path.join(LOCALES, "de", "LC_MESSAGES", "popper.mo"), "rb") as stream:
            whole = stream.read()
        self.host.write(os.path.join(folder, "popper.mo"), whole[:200], mode=0o644)
        config = self.host.configure(locale_dir=self.host.path("locale"))
        with self.host.standalone(config) as port:
            client = connect(port)
            self.assertEqual(say(client, "LANG de"),
                             "-ERR The server does not speak this language.")
            client.quit()
            log = self.host.log(port)
        self.assertTrue(re.search(r"popper\.mo.*no catalogue of replies", log), log)

    def test_pipelined_commands_after_the_login_speak_the_language(self):
        with self.serving() as port:
            client = connect(port)
            lines = ["LANG de", "USER " + self.user.name, "PASS " + self.user.password, "NOOP",
                     "LANG en", "NOOP", "QUIT"]
            client.sock.sendall("".join(line + "\r\n" for line in lines).encode())
            replies = [client._getline()[0].decode() for _ in lines]
            self.assertEqual([replies[3], replies[5]], ["+OK schon gut", "+OK no big woop"])
            client.close()


INTERNATIONAL = ("From: Jörg <jörg@example.org>\nTo: al@example.org\n"
                 "Subject: Grüße aus Köln\nMessage-ID: <2@example.org>\n\n"
                 "Grüße\n.\n").encode()
OLD = b"Subject: caf\xe9\nFrom: al@example.org\n\nold\n"
WITH_NUL = b"Subject: nul\nFrom: al@example.org\n\na\0b\0\n"
UNENDED = b"From: al@example.org\nSubject: nothing but a header\n"
MAIL = [simple_message(1), INTERNATIONAL, OLD, WITH_NUL, UNENDED]
SPOOL = b"".join(SEPARATOR + message + b"\n" for message in MAIL[:-1]) + SEPARATOR + UNENDED


class MessagesIn(HostTest):
    """What of a message goes to whom; the sizes that LIST and STAT tell are those of RETR."""

    def serving(self, **options):
        self.host.fill(self.user, SPOOL)
        return self.host.standalone(self.host.configure(**options))

    def retrieve_all(self, client):
        sizes = sizes_of(client)
        messages = [message_of(client, number) for number in range(1, len(sizes) + 1)]
        self.assertEqual([len(message) for message in messages], sizes)
        self.assertEqual(client.stat(), (len(sizes), sum(sizes)))
        for number, message in enumerate(messages, 1):
            self.assertEqual(int(say(client, f"LIST {number}").split()[2]), len(message))
            header = message.partition(b"\r\n\r\n")[0]
            self.assertTrue(top_of(client, number, 0).startswith(header))
        return messages

    def welcome_octets(self, client):
        return int(re.search(rb"in (\d+) octets", client.logged_in).group(1))

    def test_a_client_that_did_not_ask_gets_headers_in_ascii(self):
        with self.serving() as port:
            for _ in range(2):  # the second session believes the index
                client = self.host.login(port, self.user)
                messages = self.retrieve_all(client)
                self.assertEqual(self.welcome_octets(client), sum(map(len, messages)))
                header, _, body = messages[1].partition(b"\r\n\r\n")
                self.assertTrue(header.isascii(), header)
                parsed = email.message_from_bytes(messages[1])
                subject = email.header.make_header(email.header.decode_header(parsed["Subject"]))
                self.assertEqual(str(subject), "Grüße aus Köln")
                self.assertIn("<invalid@internationalized-address.invalid>", parsed["From"])
                self.assertEqual(parsed["Message-ID"], "<2@example.org>")
                self.assertTrue(body.startswith("Grüße\r\n.\r\n".encode()))
                self.assertIn(b"Subject: caf\xe9\r\n", messages[2])
                self.assertIn(b"a\0b\0\r\n", messages[3])
                self.assertFalse(messages[4].endswith(b"\r\n\r\n"))
                client.quit()

    def test_after_utf8_messages_come_as_they_are(self):
        with self.serving() as port:
            client = connect(port)
            self.assertIn("UTF8", client.capa())
            self.assertEqual(client.capa()["UTF8"], ["USER"])
            self.assertTrue(say(client, "UTF8").startswith("+OK"))
            client.user(self.user.name)
            client.pass_(self.user.password)
            messages = self.retrieve_all(client)
            self.assertTrue(messages[1].startswith(INTERNATIONAL.replace(b"\n", b"\r\n")))
            client.quit()

    def test_utf8_after_the_login_changes_the_sizes_that_follow(self):
        with self.serving() as port:
            client = self.host.login(port, self.user)
            before = self.retrieve_all(client)
            client.dele(1)
            self.assertTrue(say(client, "UTF8").startswith("+OK"))
            self.assertEqual(say(client, "LIST 1"), "-ERR Message 1 has been deleted.")
            client.rset()
            after = self.retrieve_all(client)
            self.assertTrue(after[1].startswith(INTERNATIONAL.replace(b"\n", b"\r\n")))
            self.assertNotEqual(before[1], after[1])
            self.assertEqual(before[:1] + before[2:], after[:1] + after[2:])
            client.quit()

    def test_xlist_and_euidl_tell_what_retr_sends(self):
        with self.serving() as port:
            client = self.host.login(port, self.user)
            self.assertTrue(listing(client, "XTND XLIST Subject 2")[1][0].isascii())
            self.assertTrue(say(client, "EUIDL 2").isascii())
            say(client, "UTF8")
            self.assertEqual(listing(client, "XTND XLIST Subject 2")[1],
                             ["2 Subject: Grüße aus Köln"])
            self.assertIn("Jörg", say(client, "EUIDL 2"))
            client.quit()

    def test_replace_nul(self):
        with self.serving(replace_nul=True) as port:
            client = self.host.login(port, self.user)
            self.assertIn(b"a\x80b\x80\r\n", self.retrieve_all(client)[3])
            client.quit()

    def test_end_of_header(self):
        with self.serving(end_of_header=True) as port:
            client = self.host.login(port, self.user)
            messages = self.retrieve_all(client)
            self.assertTrue(messages[4].endswith(b"nothing but a header\r\n\r\n"))
            self.assertEqual(top_of(client, 5, 3), messages[4])
            client.quit()

    def test_hide_utf8(self):
        with self.serving(hide_utf8=True) as port:
            for begin in (connect, lambda at: self.host.login(at, self.user)):
                client = begin(port)
                self.assertFalse({"UTF8", "LANG"} & set(client.capa()))
                self.assertEqual(say(client, "UTF8"), '-ERR Unknown command: "utf8".')
                self.assertEqual(say(client, "LANG"), '-ERR Unknown command: "lang".')
                client.quit()


class MessagesInSpool(MessagesIn):
    pass


class MessagesInMaildir(MessagesIn):
    def setUp(self):
        super().setUp()
        patch = unittest.mock.patch.object(popper_host, "MAILDIR", True)
        patch.start()
        self.addCleanup(patch.stop)


del MessagesIn  # only its two forms are to be run


class NameTest(HostTest):
    """Names and passwords in UTF-8, of a user of the credential file."""

    NAME, PASSWORD = "jörg", "grüß gott"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.credentials = cls.host.path("credentials.gdbm")
        cls.popauth("init")
        cls.popauth("set", cls.NAME, "--stdin", "--apop", "--uid", str(cls.user.uid), "--gid",
                    str(cls.user.gid), "--home", cls.host.path("home"),
                    secret=cls.PASSWORD.encode() + b"\n")

    @classmethod
    def popauth(cls, verb, *arguments, secret=b""):
        subprocess.run([popper_host.POPAUTH, verb, *arguments, "--credential-file",
                        cls.credentials], input=secret, check=True, timeout=PATIENCE)

    def setUp(self):
        super().setUp()
        self.host.write(os.path.join(self.host.spool_dir, self.NAME), SPOOL, owner=self.user.uid)

    def serving(self, **options):
        return self.host.standalone(self.host.configure(
            **options, credential_file=self.credentials, clear_text_password="always"))

    def assert_sends_utf8(self, client):
        self.assertTrue(message_of(client, 2).startswith(INTERNATIONAL.replace(b"\n", b"\r\n")))
        client.quit()

    def test_user_and_pass(self):
        with self.serving() as port:
            client = connect(port)
            say(client, "UTF8")
            say(client, "USER " + self.NAME)
            self.assertTrue(say(client, "PASS " + self.PASSWORD).startswith("+OK"))
            self.assert_sends_utf8(client)

    def test_a_name_that_is_composed_otherwise_is_the_same(self):
        with self.serving() as port:
            client = connect(port)
            say(client, "USER " + unicodedata.normalize("NFD", self.NAME))
            reply = say(client, "PASS " + unicodedata.normalize("NFD", self.PASSWORD))
            self.assertTrue(reply.startswith("+OK"), reply)
            client.quit()

    def test_apop(self):
        with self.serving() as port:
            client = connect(port)
            say(client, "UTF8")
            stamp = re.search(rb"<[^>]*>", client.welcome).group()
            digest = hashlib.md5(stamp + self.PASSWORD.encode()).hexdigest()
            self.assertTrue(say(client, f"APOP {self.NAME} {digest}").startswith("+OK"))
            self.assert_sends_utf8(client)

    def test_auth_plain_under_tls_after_utf8(self):
        with self.serving(**{**self.host.tls_options(), "tls-support": "stls"}) as port:
            client = popper_host.poplib.POP3("127.0.0.1", port, timeout=PATIENCE)
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            client.stls(context)
            say(client, "UTF8")
            message = base64.b64encode(f"\0{self.NAME}\0{self.PASSWORD}".encode()).decode()
            self.assertTrue(say(client, "AUTH PLAIN " + message).startswith("+OK"))
            self.assert_sends_utf8(client)

    def test_auth_cram_md5(self):
        with self.serving() as port:
            client = connect(port)
            say(client, "UTF8")
            challenge = base64.b64decode(say(client, "AUTH CRAM-MD5")[2:])
            digest = hmac.new(self.PASSWORD.encode(), challenge, "md5").hexdigest()
            answer = base64.b64encode(f"{self.NAME} {digest}".encode()).decode()
            self.assertTrue(say(client, answer).startswith("+OK"))
            self.assert_sends_utf8(client)

    def test_after_utf8_other_octets_are_refused(self):
        with self.serving() as port:
            client = connect(port)
            say(client, "UTF8")
            client._putline(b"USER j\xf6rg")
            self.assertEqual(client._getline()[0], b"-ERR The user command takes UTF-8 only.")
            say(client, "USER " + self.NAME)
            client._putline(b"PASS \xff")
            self.assertEqual(client._getline()[0], b"-ERR The pass command takes UTF-8 only.")
            client.quit()


if __name__ == "__main__":
    popper_host.main()
