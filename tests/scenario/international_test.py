#!/usr/bin/env python3
"""LANG and UTF8 (RFC 6856): replies in other languages, names and headers in UTF-8."""

import os
import re

import popper_host
from popper_host import HostTest, connect, simple_spool

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


if __name__ == "__main__":
    popper_host.main()
