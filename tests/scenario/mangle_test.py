#!/usr/bin/env python3
"""X-MANGLE and -no-mime: mail as one part of text for clients that know no MIME."""

import glob
import hashlib
import os
import socket
import subprocess
import unittest.mock

import popper_host
import sasl_client
from popper_host import PATIENCE, HostTest

SECRET = b"a secret of jo"
MECHANISMS = "PLAIN LOGIN CRAM-MD5 DIGEST-MD5 SCRAM-SHA-256"

PLAIN, HTML = b"Der Gr\xfcne kostet 5 \x80.", "<p>Der <b>Grüne</b> kostet 5&nbsp;€.</p>".encode()
ALTERNATIVE = b"""From: =?utf-8?Q?J=C3=B6rg?= <jo@example.org>
To: us@example.org
Received: from here by there
Subject: =?iso-8859-1?Q?Gr=FCn?=
Mime-Version: 1.0
Content-Type: multipart/mixed; boundary=outer

--outer
Content-Type: multipart/alternative; boundary=inner

--inner
Content-Type: text/plain; charset=windows-1252
Content-Transfer-Encoding: 8bit

%s
--inner
Content-Type: text/html; charset=utf-8

%s
--inner
Content-Type: text/html; charset=utf-8
Content-Language: de

Guten Tag
--inner--

--outer
Content-Type: image/png; name=dot.png
Content-Transfer-Encoding: base64

iVBORw0KGgo=
--outer--
""" % (PLAIN, HTML)
JAPANESE = b"""Subject: =?iso-2022-jp?B?GyRCRnxLXDhsGyhC?=
Content-Type: text/plain; charset=iso-2022-jp

\x1b$BF|K\\8l\x1b(B
.dot
"""
DEEP = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (i, i)
                for i in range(1000)) + b"\nat the bottom\n"
BROKEN = [
    b"Content-Type: multipart/mixed\n\nno boundary\n",
    DEEP,
    b"Content-Type: text/plain; charset=no-such-charset\n\nread me\xff\n",
    b"Content-Type: text/plain\nContent-Transfer-Encoding: base64\n\n!!!!aGVsbG8=====\x00\xfe\n",
    b"Content-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: multi",
    b"\n",
]
MESSAGES = [ALTERNATIVE, JAPANESE, *BROKEN]


def spool_of(messages):
    return b"".join(b"From x@y Thu Jan  1 00:00:%02d 2026\n" % number + message +
                    (b"" if message.endswith(b"\n") else b"\n") + b"\n"
                    for number, message in enumerate(messages))


def mangled(client, number, attributes=""):
    """RETR's octets, dots not doubled."""
    lines = client._longcmd(f"RETR {number} X-MANGLE({attributes})")[1]
    return b"".join(line + b"\r\n" for line in lines)


def apop_digest(greeting):
    stamp = greeting[greeting.index(b"<"):]
    return hashlib.md5(stamp + SECRET).hexdigest().encode()


def header_of(message):
    return message.split(b"\r\n\r\n", 1)[0].split(b"\r\n")


def body_of(message):
    return message.split(b"\r\n\r\n", 1)[1]


def in_text(charset):
    """What stands behind the kept fields."""
    return [b"Mime-version: 1.0", b'Content-Type: text/plain;charset="%s"' % charset]


class MangleTest(HostTest):
    def setUp(self):
        super().setUp()
        self.spool = spool_of(MESSAGES)
        self.host.fill(self.user, self.spool)

    def session(self, **options):
        context = self.host.serving(self.host.configure(**options))
        port = context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)
        client = self.host.login(port, self.user)
        self.addCleanup(client.close)
        return client

    def stored(self):
        return [message.stored for message in self.host.mail_of(self.user)]

    def test_each_attribute_has_its_effect(self):
        client = self.session()
        usual = mangled(client, 1)
        self.assertEqual(header_of(usual),
                         [b"From: Jorg <jo@example.org>", b"To: us@example.org", b"Subject: Grun",
                          *in_text(b"us-ascii")])
        note = b"\r\n[dot.png]\r\n[ image/png part omitted]\r\n"
        self.assertEqual(body_of(usual), b"Der Grune kostet 5 EUR.\r\n" + note)
        self.assertEqual(mangled(client, 1, "text=plain;charset=us-ascii"), usual)
        as_html = mangled(client, 1, "text=html;charset=utf-8")
        self.assertTrue(body_of(as_html).startswith(HTML))
        self.assertIn(b'Content-Type: text/html;charset="utf-8"', header_of(as_html))
        self.assertEqual(mangled(client, 1, "text=enriched"), usual)
        self.assertEqual(header_of(mangled(client, 1, "headers=received,sub"))[:2],
                         [b"Received: from here by there", b"Subject: Grun"])
        self.assertTrue(body_of(mangled(client, 1, "wrap=10")).startswith(
            b"Der Grune\r\nkostet 5\r\nEUR.\r\n"))
        self.assertTrue(body_of(mangled(client, 1, "lang=de;charset=utf-8")).startswith(
            b"Guten Tag"))

    def test_charsets_are_converted_in_a_confined_session(self):
        client = self.session()
        self.assertIn(b"Subject: Gr\xfcn", header_of(mangled(client, 1, "charset=cp1252")))
        self.assertTrue(body_of(mangled(client, 1, "charset=cp1252")).startswith(
            PLAIN.replace(b"\n", b"\r\n")))
        japanese = "\u65e5\u672c\u8a9e"
        for charset in ("utf-8", "iso-2022-jp"):
            message = mangled(client, 2, f"charset={charset}")
            self.assertEqual(header_of(message)[0].decode(charset), "Subject: " + japanese)
            self.assertEqual(body_of(message).decode(charset).rstrip(), japanese + "\r\n.dot")
        self.assertEqual(body_of(mangled(client, 2)).rstrip(), b"???\r\n.dot")

    def test_sizes_are_those_of_what_is_sent(self):
        client = self.session()
        for word in ("X-MANGLE", "mangle(charset=utf-8)", "XMangle(text=html;wrap=20)"):
            listed = client._longcmd(f"LIST {word}")[1]
            self.assertEqual(len(listed), len(MESSAGES))
            for row in listed:
                number, size = map(int, row.split())
                response, lines, _ = client._longcmd(f"RETR {number} {word}")
                self.assertEqual(response, b"+OK Message follows")
                self.assertEqual(size, sum(len(line) + 2 for line in lines))
                self.assertEqual(client._shortcmd(f"LIST {number} {word}"),
                                 b"+OK %d %d" % (number, size))

    def test_top_gives_lines_of_the_text(self):
        client = self.session()
        whole = client._longcmd("RETR 2 X-MANGLE(charset=utf-8)")[1]
        end = whole.index(b"") + 1
        self.assertEqual(client._longcmd("TOP 2 1 X-MANGLE(charset=utf-8)")[1], whole[:end + 1])
        self.assertEqual(client._longcmd("TOP 2 99 X-MANGLE(charset=utf-8)")[1], whole)
        self.assertEqual(client._longcmd("TOP 1 0 X-MANGLE(headers=sub)")[1],
                         [b"Subject: Grun", b""])

    def test_broken_mail_is_shown_as_far_as_it_goes(self):
        client = self.session()
        first = len(MESSAGES) - len(BROKEN) + 1
        for offset, expected in enumerate([b"no boundary", b"[message too complex; ", b"read mey",
                                           b"hello", b"", b""]):
            self.assertIn(expected, body_of(mangled(client, first + offset)))

    def test_bad_input_is_refused_and_changes_nothing(self):
        before = self.stored()
        client = self.session()
        for line, refusal in {
                "RETR 1 X-MANGLE(": "Syntax error in x-mangle",
                "RETR 1 X-MANGLE(text)": "Syntax error in x-mangle",
                "RETR 1 X-MANGLE(text=rtf)": "Syntax error in Mangle",
                "LIST X-MANGLE(wrap=-1)": "Syntax error in Mangle",
                "TOP 1 1 X-MANGLE(colour=red)": "Syntax error in Mangle",
                "RETR 99 X-MANGLE": "Message 99 does not exist.",
                "MDEF x": "Syntax error",
                "MDEF " + 90 * "x" + "(" + 90 * "y" + ")": "MDEF name too long",
                "RETR 1 X-MANGLE(headers=" + 800 * "x" + "": "Syntax error in x-mangle"}.items():
            with self.subTest(line=line):
                self.assert_says(refusal, client._shortcmd, line)
        client.quit()
        self.assertEqual(self.stored(), before)

    def test_mail_stays_as_it_is_and_counts_as_retrieved(self):
        client = self.session(auto_delete=True)
        plain = popper_host.message_of(client, 3)
        mangled(client, 2)
        self.assertEqual(popper_host.message_of(client, 3), plain)
        client.quit()
        self.assertEqual(len(self.stored()), len(MESSAGES) - 2)

    def last_words(self, client, words):
        """All that comes for them when the client's end comes with them."""
        client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)  # in one packet
        client.sock.sendall(words)
        client.sock.shutdown(socket.SHUT_WR)
        return client.file.read()

    def test_nothing_is_converted_for_a_client_that_has_gone(self):
        self.assertEqual(self.last_words(self.session(), b"LIST X-MANGLE\r\n"), b"")

    def test_what_was_asked_for_before_the_end_is_answered(self):
        said = self.last_words(self.session(), b"LIST X-MANGLE\r\nQUIT\r\n")
        self.assertIn(b"\r\n.\r\n+OK ", said)

    def test_macros(self):
        client = self.session()
        said = client.capa()
        self.assertTrue({"X-MANGLE", "X-MACRO"} <= set(said))
        self.assertEqual(client._shortcmd("MDEF Mine(X-Mangle(charset=utf-8;headers=subject))"),
                         b'+OK Macro "mine" accepted')
        self.assertEqual(client._longcmd("RETR 1 MINE")[1][0], b"Subject: Gr\xc3\xbcn")
        for number in range(9):
            client._shortcmd(f"MDEF m{number}(1)")
        self.assert_says("Server only takes a maximum of 10 MDEFs", client._shortcmd, "MDEF n(1)")
        self.assertEqual(client._shortcmd("LIST m1"), client._shortcmd("LIST 1"))


class LostMessageTest(HostTest):
    def test_one_message_that_has_gone_keeps_nobody_from_the_others(self):
        with unittest.mock.patch.object(popper_host, "MAILDIR", True):
            directory = self.host.fill(self.user, popper_host.simple_spool(3))
            with self.host.serving(self.host.configure()) as port:
                client = popper_host.connect(port)
                self.addCleanup(client.close)
                client.user(self.user.name + "-no-mime")
                client.pass_(self.user.password)
                os.remove(glob.glob(os.path.join(directory, "*", "1000000001.*"))[0])
                rows = client.list()[1]
                self.assertEqual([row.split()[0] for row in rows], [b"1", b"2", b"3"])
                self.assertEqual(client.stat(), (3, sum(int(row.split()[1]) for row in rows)))
                self.assertEqual(client.list(1), b"+OK " + rows[0])
                self.assert_says("connect again", client.list, 2)
                self.assert_says("connect again", client.retr, 2)


class NoMimeTest(HostTest):
    """The suffix of the user's name, wherever a name is sent."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.file = cls.host.path("credentials.gdbm")
        for name in (None, "jo", "ann-no-mime"):
            arguments = ["init"] if name is None else [
                "set", name, "--stdin", "--apop", "--uid", str(cls.user.uid), "--gid",
                str(cls.user.gid), "--home", cls.user.home]
            subprocess.run([popper_host.POPAUTH, *arguments, "-q", "--credential-file", cls.file],
                           input=SECRET + b"\n", check=True, timeout=PATIENCE)

    def setUp(self):
        super().setUp()
        self.spool = spool_of(MESSAGES)
        for name in ("jo", "ann-no-mime", self.user.name):
            self.host.write(os.path.join(self.host.spool_dir, name), self.spool,
                            owner=self.user.uid)

    def clients(self, **options):
        config = self.host.configure(credential_file=self.file, clear_text_password="always",
                                     sasl_mechanisms=MECHANISMS, sasl_no_plaintext=False,
                                     **options)
        context = self.host.standalone(config)
        port = context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)

        def connect():
            client = sasl_client.Client(port)
            self.addCleanup(client.close)
            return client
        return connect

    def assert_text(self, client):
        text = client.rest(b"RETR 1")
        self.assertIn(b'Content-Type: text/plain;charset="us-ascii"', text)
        self.assertEqual(text[text.index(b"") + 1], b"Der Grune kostet 5 EUR.")
        sizes = [int(row.split()[1]) for row in client.rest(b"LIST")]
        self.assertEqual(sizes[0], sum(len(line) + 2 for line in text))
        self.assertEqual(client.say(b"STAT"), b"+OK %d %d" % (len(sizes), sum(sizes)))
        rows = client.rest(b"EUIDL")
        self.assertEqual([int(row.split()[2]) for row in rows], sizes)
        self.assertEqual(client.rest(b"TOP 1 0")[-2:], [b"Subject: Grun", b""])
        self.assertIn(b'Content-Type: text/plain;charset="utf-8"',
                      client.rest(b"RETR 1 X-MANGLE(charset=utf-8)"))

    def assert_stored(self, client):
        self.assertIn(b"Content-Type: multipart/mixed; boundary=outer", client.rest(b"RETR 1"))

    def user_and_pass(self, client, user, secret=SECRET):
        said = client.say(b"USER " + user)
        return said, client.say(b"PASS " + secret)

    def test_every_way_to_log_in_takes_the_suffix(self):
        connect = self.clients()
        ways = {
            "USER": lambda client, user: self.user_and_pass(client, user)[1],
            "APOP": lambda client, user: client.say(
                b"APOP %s %s" % (user, apop_digest(client.greeting))),
            "PLAIN": lambda client, user: sasl_client.plain(client, user, SECRET),
            "LOGIN": lambda client, user: sasl_client.login(client, user, SECRET),
            "CRAM-MD5": lambda client, user: sasl_client.cram_md5(client, user, SECRET),
            "DIGEST-MD5": lambda client, user: sasl_client.Digest(user, SECRET).run(client),
            "SCRAM": lambda client, user: sasl_client.Scram(user, SECRET).run(client),
        }
        for name, way in ways.items():
            with self.subTest(way=name):
                client = connect()
                self.assertTrue(way(client, b"jo-no-mime").startswith(b"+OK jo has 8 "))
                self.assert_text(client)
                client.say(b"QUIT")
                client = connect()
                self.assertTrue(way(client, b"jo").startswith(b"+OK jo has 8 "))
                self.assert_stored(client)
                client.say(b"QUIT")

    def test_system_users_and_who_is_really_called_so(self):
        connect = self.clients(trim_domain=True, downcase_user=True)
        name = self.user.name.encode()
        client = connect()
        said = self.user_and_pass(client, name + b"-No-Mime@example.org",
                                  self.user.password.encode())
        self.assertEqual(said[0], b"+OK Password required for %s." % name)
        self.assertTrue(said[1].startswith(b"+OK %s has 8 " % name))
        self.assert_text(client)
        client = connect()
        said = self.user_and_pass(client, b"ann-no-mime-mime")
        self.assertTrue(said[1].startswith(b"+OK ann-no-mime has 8 "))
        self.assert_stored(client)
        client.say(b"QUIT")
        client = connect()
        said = self.user_and_pass(client, b"ann-no-mime-no-mime")
        self.assertTrue(said[1].startswith(b"+OK ann-no-mime has 8 "))
        self.assert_text(client)

    def test_the_next_client_of_the_process_gets_mail_as_it_is(self):
        connect = self.clients()
        for user, look in ((b"jo-no-mime", self.assert_text), (b"jo", self.assert_stored)) * 2:
            client = connect()
            self.assertTrue(self.user_and_pass(client, user)[1].startswith(b"+OK jo has 8 "))
            look(client)
            client.say(b"QUIT")
            client.close()


if __name__ == "__main__":
    popper_host.main()
