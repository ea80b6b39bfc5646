#!/usr/bin/env python3
"""How long mail stays: announce-expire, the record of retrievals, and who else goes by it."""

import os
import re
import subprocess

import popper_host
import popspool_host
from popper_host import message_of, simple_message, simple_spool, wait_until

DAY = 86400
LONG_AGO = b"From sender@example.org Thu Jan  1 00:00:00 1970\n"


class RetentionTest(popspool_host.PopspoolTest):
    def record(self):
        name = f".{self.user.name}.retrieved"
        inside = os.path.join(self.host.spool_path(self.user), ".popper.retrieved")
        return inside if os.path.isdir(os.path.dirname(inside)) else os.path.join(
            self.host.spool_dir, name)

    def let_pass(self, days):
        """Everything on record happened so much earlier."""
        with open(self.record(), "r+b") as stream:
            text = re.sub(rb"(?m)^(listed )?(\d+) ",
                          lambda found: (found[1] or b"") + b"%d " % (int(found[2]) - days * DAY),
                          stream.read())
            stream.seek(0)
            stream.truncate()
            stream.write(text)

    def serving(self, *switches, **options):
        self.config = self.host.configure("retention.conf", **options)
        return self.host.standalone(self.config, *switches)

    def session(self, port, retrieve=(), delete=()):
        """What the client is told, before and after its login."""
        client = popper_host.connect(port)
        before = client.capa()["EXPIRE"]
        client.close()
        client = self.login(port)
        after = client.capa()["EXPIRE"]
        for number in retrieve:
            message_of(client, number)
        for number in delete:
            client.dele(number)
        client.quit()
        return before, after

    def left(self):
        return [int(m.field(b"Subject").split()[1]) for m in self.mail()]

    def mail(self):
        return sorted(self.host.mail_of(self.user), key=lambda m: m.field(b"Subject"))

    def told(self, port):
        return re.findall(r"mail-expired .*user=(\S+) messages=(\d+) days=(\d+)", self.host.log(port))

    def check_expiry(self, **options):
        with self.serving(announce_expire=30, **options) as port:
            self.assertEqual(self.session(port, retrieve=[1]), (["30"], ["30"]))
            self.assertEqual(self.left(), [1, 2, 3])
            self.let_pass(20)
            self.session(port, retrieve=[2])
            self.let_pass(11)
            client = self.login(port)  # a session sees what there is until its end
            self.assertEqual(client.stat()[0], 3)
            self.assertIn(b"Subject: number 1", client.top(1, 0)[1])
            self.assertEqual(self.left(), [1, 2, 3])
            client.quit()
            self.assertEqual(self.left(), [2])
            self.assertEqual(self.told(port), [(self.user.name, "2", "30")])
            self.host.deliver(self.user, LONG_AGO + simple_message(4))
            self.session(port)
            self.let_pass(20)
            self.session(port)
            self.assertEqual(self.left(), [4])

    def test_mail_goes_after_announce_expire_in_normal_mode(self):
        self.host.fill(self.user, simple_spool(3))
        self.check_expiry()

    def test_mail_goes_after_announce_expire_in_server_mode(self):
        self.host.fill(self.user, simple_spool(3))
        self.check_expiry(server_mode=True)

    def test_mail_goes_after_announce_expire_in_a_maildir(self):
        path = self.host.spool_path(self.user)
        for folder in ("", "/tmp", "/new", "/cur"):
            os.mkdir(path + folder, 0o700)
            os.chown(path + folder, self.user.uid, self.user.gid)
        for number in (1, 2, 3):
            self.host.write_to_maildir(self.user, "new", number, "", simple_message(number))
        with self.serving(announce_expire=30) as port:
            self.session(port, retrieve=[1])
            self.let_pass(31)
            self.session(port, retrieve=[2])
        self.assertEqual([name[:2] for name in sorted(os.listdir(path + "/cur"))], ["2."])
        self.assertEqual(os.listdir(path + "/new"), [])

    def test_a_session_that_breaks_off_lets_nothing_go(self):
        self.host.fill(self.user, simple_spool(3))
        with self.serving("-e", "expire=30") as port:
            self.session(port)
            self.let_pass(31)
            client = self.login(port)
            client.dele(2)
            client.close()
            wait_until(lambda: "how=connection-lost" in self.host.log(port), "the session ends")
            self.assertEqual(self.left(), [1, 3])
            self.assertEqual(self.told(port), [])
            self.session(port)
        self.assertEqual(self.left(), [])

    def test_a_retrieval_counts_though_the_client_breaks_off(self):
        for update_on_abort in (False, True):
            self.host.fill(self.user, simple_spool(2))
            if os.path.exists(self.record()):
                os.unlink(self.record())
            with self.serving(announce_expire=30, update_on_abort=update_on_abort) as port:
                self.session(port)
                self.let_pass(25)
                client = self.login(port)
                message_of(client, 1)
                client.close()
                wait_until(lambda: "how=connection-lost" in self.host.log(port), "the session ends")
                self.let_pass(6)
                self.session(port)
                self.assertEqual(self.left(), [1])

    def test_new_mail_with_the_id_of_a_message_on_record_stays(self):
        self.host.fill(self.user, simple_spool(3))
        with self.serving(announce_expire=30) as port:
            client = self.login(port)
            unique_id = client.uidl(1).split()[2]
            client.quit()
            self.let_pass(31)
            self.host.fill(self.user, LONG_AGO + b"X-UIDL: " + unique_id + b"\n" + simple_message(9))
            client = self.login(port)
            self.assertEqual(client.uidl(1).split()[2], unique_id)
            client.quit()
            self.assertEqual(self.left(), [9])

    def test_without_it_nothing_goes_and_nothing_is_noted(self):
        self.host.fill(self.user, simple_spool(3))
        with self.serving() as port:
            self.assertEqual(self.session(port, retrieve=[1, 2]), (["NEVER"], ["NEVER"]))
            self.assertFalse(os.path.exists(self.record()))
        self.host.write(self.record(), b"popper-retrieved 1\n", owner=self.user.uid, mode=0o600)
        with self.serving(announce_expire=-1) as port:
            self.session(port, retrieve=[1])
            self.let_pass(9999)
            self.session(port)
        self.assertEqual(self.left(), [1, 2, 3])

    def test_what_goes_goes_to_the_trash(self):
        self.host.fill(self.user, simple_spool(3))
        with self.serving(announce_expire=30, trash_days=7) as port:
            self.session(port)
            self.let_pass(31)
            self.session(port, retrieve=[1], delete=[3])
            self.assertEqual(self.left(), [1])
            self.popspool("undelete", self.user.name)
            self.assertEqual(self.left(), [1, 2, 3])
            self.session(port)  # what came back has all its time again
        self.assertEqual(self.left(), [1, 2, 3])

    def test_users_may_have_their_own(self):
        self.host.fill(self.user, simple_spool(3))
        home = os.path.join(self.user.home, ".qpopper-options")
        spool = os.path.join(self.host.spool_dir, f".{self.user.name}.qpopper-options")
        options = {"announce_expire": 30, "user_options": True, "spool_options": True}
        stranger = ["0", "USER"]  # a user may set that
        with self.serving(**options) as port:
            self.assertEqual(self.session(port), (stranger, ["30"]))
            self.let_pass(31)
            self.host.write(home, b"set announce-expire = 60\n", owner=self.user.uid, mode=0o600)
            self.assertEqual(self.session(port), (stranger, ["60"]))
            self.assertEqual(self.left(), [1, 2, 3])
            self.host.write(spool, b"set announce-expire = -1\n", owner=0, mode=0o644)
            self.let_pass(100)
            self.assertEqual(self.session(port), (stranger, ["NEVER"]))
            self.assertEqual(self.left(), [1, 2, 3])
            os.unlink(spool)
            self.session(port)
            self.assertEqual(self.told(port), [(self.user.name, "3", "60")])
        self.assertEqual(self.left(), [])

    def test_who_trusts_capa_before_the_login_is_not_taken_in_by_a_users_own_file(self):
        self.host.fill(self.user, simple_spool(1))
        home = os.path.join(self.user.home, ".qpopper-options")
        self.host.write(home, b"set announce-expire = 3\n", owner=self.user.uid, mode=0o600)
        with self.serving(user_options=True, announce_login_delay=5) as port:
            client = popper_host.connect(port)
            offered = client.capa()
            client.close()
            self.assertEqual((offered["EXPIRE"], offered["LOGIN-DELAY"]),
                             (["0", "USER"], ["1000000", "USER"]))
            client = self.login(port)
            offered = client.capa()
            self.assertEqual((offered["EXPIRE"], offered["LOGIN-DELAY"]), (["3"], ["5"]))
            client.quit()

    def test_popspool_counts_from_the_first_retrieval(self):
        """Once there is a record, sessions tell it when a message is first retrieved."""
        self.host.fill(self.user, simple_spool(3))
        with self.serving() as port:
            expire = ["expire", "--retrieved-for", "7d", self.user.name]
            self.popspool(*expire)
            self.session(port, retrieve=[2])
            self.let_pass(8)
            self.session(port, retrieve=[2, 3])
            self.popspool(*expire)
            self.assertEqual(self.left(), [1, 3])
        with self.serving(announce_expire=30) as port:
            self.session(port)
            self.let_pass(20)
            self.popspool("expire", "--retrieved-for", "60d", self.user.name)
            self.let_pass(11)  # which has not begun to count anew
            self.session(port)
        self.assertEqual(self.left(), [])

    def test_a_login_that_may_only_read_lets_nothing_go(self):
        self.host.fill(self.user, simple_spool(3))
        credentials = self.host.path("credentials.gdbm")
        popauth = [popper_host.POPAUTH], ["-q", "--credential-file", credentials]
        for arguments in (["init"], ["device", "add", self.user.name, "phone", "--read-only"]):
            done = subprocess.run([*popauth[0], *arguments, *popauth[1]], check=True, text=True,
                                  stdout=subprocess.PIPE, timeout=popper_host.PATIENCE)
        with self.serving(announce_expire=30, credential_file=credentials) as port:
            self.session(port)
            self.let_pass(31)
            before = self.host.read_spool(self.user, self.record())
            client = self.host.login(port, self.user, done.stdout.strip())
            message_of(client, 1)
            client.quit()
            self.assertEqual(self.host.read_spool(self.user, self.record()), before)
        self.assertEqual(self.left(), [1, 2, 3])


if __name__ == "__main__":
    popper_host.main()
