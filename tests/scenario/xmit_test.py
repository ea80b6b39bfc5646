#!/usr/bin/env python3
"""XTND XMIT: mail that a client gives to the server."""

import os
import poplib
import subprocess
from unittest import mock

import daemon_processes
import popper_host
import tls_host
from popper_host import PATIENCE, simple_spool, wait_until

# Tells of itself in the user's home, and does what its message asks for.
PROGRAM = r"""#!/bin/sh
cat > "$HOME/message" || exit 1
{ echo "arguments: $*"; id -u; id -G; pwd; umask; ls /proc/self/fd | tr '\n' ' '; echo; env | sort; } > "$HOME/facts"
if grep -q '^X-Fail: exit' "$HOME/message"; then echo "queue is full" >&2; exit 75; fi
if grep -q '^X-Fail: signal' "$HOME/message"; then kill -9 $$; fi
exit 0
"""


class XmitTest(tls_host.TlsHostTest):
    def setUp(self):
        super().setUp()
        self.program = self.host.path("sendmail")
        self.host.write(self.program, PROGRAM.encode(), mode=0o755)

    def configure_mail(self, **options):
        return self.configure("stls", **{"mail_command": self.program, **options})

    def submit(self, client, text):
        """XTND XMIT with all its octets as they are; the two replies."""
        first = client._shortcmd("XTND XMIT")
        client.sock.sendall(text)
        return first, client._getresp()

    def content(self, name):
        path = os.path.join(self.user.home, name)
        if not os.path.exists(path):
            return None
        with open(path, "rb") as stream:
            return stream.read()

    def refuses(self, words, function, *arguments):
        with self.assertRaisesRegex(poplib.error_proto, words):
            function(*arguments)

    def files(self):
        """In the spool directory, without the index, which stays."""
        return {name for name in os.listdir(self.host.spool_dir) if not name.endswith(".cache")}

    def check_left_behind(self, before):
        wait_until(lambda: self.files() == before, "no file is left")
        wait_until(lambda: not popper_host.processes_of(self.user.uid), "no process is left")

    def check_sent(self, port, tls=False):
        before = self.files()
        client = self.host.login(port, self.user)
        if tls:
            client.close()
            client = poplib.POP3("127.0.0.1", port, timeout=PATIENCE)
            client.stls(self.authority.client())
            client.user(self.user.name)
            client.pass_(self.user.password)
        long_line = b"x" * 100_000
        first, second = self.submit(
            client, b"To: jo@example.org\r\nSubject: 8-bit \xe4\0\r\n\r\n..dot\r\n" + long_line
            + b"\r\n\r\n.\r\nSTAT\r\n")
        self.assertEqual((first, second),
                         (b"+OK Start sending message.", b"+OK Message sent successfully"))
        self.assertTrue(client._getresp().startswith(b"+OK 3 "))  # what was pipelined behind
        self.assertEqual(self.content("message"),
                         b"To: jo@example.org\nSubject: 8-bit \xe4\0\n\n.dot\n" + long_line + b"\n\n")
        client.quit()
        self.check_left_behind(before)

    def test_the_message_is_handed_over_as_the_user(self):
        with self.host.standalone(self.configure_mail()) as port:
            self.check_sent(port)
            facts = self.content("facts").decode().splitlines()
            self.assertEqual(facts[0], "arguments: -t -i -oem")
            self.assertEqual(facts[1:5], [str(self.user.uid), str(self.user.gid), "/", "0022"])
            self.assertLessEqual(set(facts[5].split()), {"0", "1", "2", "3"})  # 3: ls looks
            names = {line.split("=")[0] for line in facts[6:]}
            self.assertLessEqual(names, {"PATH", "HOME", "USER", "LOGNAME", "SHELL", "PWD", "_", "OLDPWD"})
            self.assertIn(f"USER={self.user.name}", facts)
            os.unlink(os.path.join(self.user.home, "message"))
            self.check_sent(port, tls=True)
            self.assertIn("mail-sent", self.host.log(port))

    def test_other_starts_take_mail_too(self):
        for start in ("inetd", "systemd"):
            with self.subTest(start=start), mock.patch.object(popper_host, "START", start), \
                    self.host.serving(self.configure_mail()) as port:
                self.check_sent(port)
                os.unlink(os.path.join(self.user.home, "message"))

    def test_what_the_program_says_is_in_the_log(self):
        with self.host.standalone(self.configure_mail()) as port:
            client = self.host.login(port, self.user)
            refused = r"^b'-ERR \[SYS/TEMP\] Unable to send message'$"
            self.refuses(refused, self.submit, client, b"X-Fail: exit\r\n\r\n.\r\n")
            self.refuses(refused, self.submit, client, b"X-Fail: signal\r\n\r\n.\r\n")
            os.unlink(self.program)
            self.refuses(refused, self.submit, client, b"\r\n.\r\n")
            self.assertEqual(client.stat()[0], 3)
            client.quit()
            log = self.host.log(port)
            for words in ("mail-command ended with 75: queue is full", "ended by signal 9",
                          "mail-command ended with 127: execute: No such file"):
                self.assertIn(words, log)

    def test_it_is_called_send_mail(self):
        """bash puts its own name in front of what it does not understand."""
        with self.host.standalone(self.configure_mail(mail_command="/bin/bash")) as port:
            client = self.host.login(port, self.user)
            self.refuses("Unable to send", self.submit, client, b"no_such_word\r\n.\r\n")
            client.quit()
            self.assertRegex(self.host.log(port), "mail-command ended with [0-9]+: send-mail: ")

    def test_a_message_beyond_the_limit_is_read_to_its_end(self):
        with self.host.standalone(self.configure_mail(mail_command_size=1)) as port:
            client = self.host.login(port, self.user)
            self.refuses("larger than 1 MB", self.submit, client, b"y\r\n" * 600_000 + b".\r\n")
            self.assertIsNone(self.content("message"))
            self.assertEqual(self.submit(client, b"\r\n" + b"y\r\n" * 499_999 + b".\r\n")[1][:3], b"+OK")
            client.quit()

    def test_a_client_that_breaks_off_sends_nothing(self):
        before = self.files()
        with self.host.standalone(self.configure_mail()) as port:
            client = self.host.login(port, self.user)
            client.dele(1)
            client._shortcmd("XTND XMIT")
            client.sock.sendall(b"To: jo@example.org\r\n\r\nhello\r\n")
            client.close()
            self.check_left_behind(before)
            self.assertIsNone(self.content("facts"))
            self.assertIn("how=connection-lost", self.host.log(port))

    def test_who_may_not_send_is_told_at_once(self):
        file = self.host.path("credentials.gdbm")
        for arguments in (["init"], ["set", "va", "--stdin", "--apop", "--uid", str(self.user.uid),
                                     "--gid", str(self.user.gid), "--home", self.user.home]):
            subprocess.run([popper_host.POPAUTH, *arguments, "--credential-file", file],
                           input=b"a secret\n", check=True, timeout=PATIENCE)
        self.host.write(os.path.join(self.host.spool_dir, "va"), simple_spool(1), owner=self.user.uid)
        refused = r"takes no mail from you by XTND XMIT"
        with self.host.standalone(self.configure_mail(credential_file=file)) as port:
            client = poplib.POP3("127.0.0.1", port, timeout=PATIENCE)
            client.apop("va", "a secret")
            self.refuses(refused, client._shortcmd, "XTND XMIT")
            client.quit()
        missing = self.configure_mail(mail_command=self.host.path("nothing"))
        with self.host.standalone(missing) as port:
            client = self.host.login(port, self.user)
            self.refuses(refused, client._shortcmd, "XTND XMIT")
            self.refuses("Too many arguments", client._shortcmd, "XTND XMIT now")
            client.quit()

    def test_no_process_waits_for_mail(self):
        """What most sessions never do costs them nothing but a descriptor."""
        with self.host.standalone(self.configure_mail()) as port:
            client = self.host.login(port, self.user)
            family = daemon_processes.Family(self.host.path("popper.conf"))
            self.assertEqual(family.named("pop-mailer"), [])
            self.assertEqual(len(popper_host.processes_of(self.user.uid)), 1)
            client.quit()


if __name__ == "__main__":
    popper_host.main()
