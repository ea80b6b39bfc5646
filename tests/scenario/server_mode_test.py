#!/usr/bin/env python3
"""In which order server mode is decided: the option, the groups that turn it on, those that turn it
off, the user's own files."""

import contextlib
import os
import poplib
import shutil
import subprocess

import popper_host
import private_mounts
from popper_host import HostTest, message_of, simple_spool

MEMBERS, STRANGERS = "popt-members", "popt-strangers"  # groups of a copy of /etc only


class ServerModeTest(HostTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.etc = private_mounts.copy_of_etc(cls.host.path("etc"))
        os.mkdir(os.path.join(cls.etc, "pam.d"))
        shutil.copy(f"/etc/pam.d/{cls.host.add_pam_service()}", os.path.join(cls.etc, "pam.d"))
        with open(os.path.join(cls.etc, "group")) as stream:
            lines = [line for line in stream if line.split(":")[2] != str(cls.user.gid)]
        lines += [f"popt-primary:x:{cls.user.gid}:\n", f"{MEMBERS}:x:64001:root,{cls.user.name}\n",
                  f"{STRANGERS}:x:64002:root\n"]
        cls.host.write(os.path.join(cls.etc, "group"), "".join(lines).encode(), mode=0o644)

    def setUp(self):
        super().setUp()
        self.spool = simple_spool(3)

    @contextlib.contextmanager
    def serving(self, *switches, **options):
        config = self.host.configure("mode.conf", **options)
        with self.host.standalone(config, *switches, preexec_fn=private_mounts.see_instead(
                {"/etc": self.etc})) as port:
            yield port

    def is_served_from_spool(self, client, path):
        """Whether the session sees what another program writes over a message."""
        changed = self.spool.replace(b"Message-ID: <n2@", b"Message-ID: <X2@")
        with open(path, "r+b") as stream:
            stream.write(changed)
        try:
            self.assertIn(b"Message-ID: <n2@", message_of(client, 2))
            return False
        except poplib.error_proto:
            return True
        finally:
            client.quit()

    def mode_of_user(self, port):
        path = self.host.write_spool(self.user, self.spool)
        return self.is_served_from_spool(self.host.login(port, self.user), path)

    def check(self, expected, *switches, **options):
        with self.subTest(switches=switches, **options), self.serving(*switches, **options) as port:
            self.assertEqual(self.mode_of_user(port), expected)

    def test_the_option_and_its_switch_come_first(self):
        self.check(False)
        self.check(True, server_mode=True)
        self.check(True, "-S")

    def test_group_server_mode_turns_it_on(self):
        self.check(True, group_server_mode=MEMBERS)
        self.check(True, group_server_mode="popt-primary")
        for group in (STRANGERS, "no-such-group"):
            self.check(False, group_server_mode=group)
            self.check(True, server_mode=True, group_server_mode=group)

    def test_group_no_server_mode_turns_it_off_again(self):
        self.check(False, server_mode=True, group_no_server_mode=MEMBERS)
        self.check(False, "-S", group_no_server_mode="popt-primary")
        self.check(True, server_mode=True, group_no_server_mode=STRANGERS)
        self.check(False, server_mode=True, group_server_mode="popt-primary",
                   group_no_server_mode=MEMBERS)
        self.check(True, group_server_mode=MEMBERS, group_no_server_mode=STRANGERS)

    def test_the_user_s_own_files_come_last(self):
        home = os.path.join(self.user.home, ".qpopper-options")
        spool = os.path.join(self.host.spool_dir, f".{self.user.name}.qpopper-options")
        self.host.write(home, b"set server-mode\n", owner=self.user.uid, mode=0o600)
        self.check(True, "-u", group_no_server_mode=MEMBERS)
        self.host.write(spool, b"reset server-mode\n", owner=0, mode=0o644)
        self.check(False, "-u", "-U", group_server_mode=MEMBERS)
        self.check(False, "-U", group_server_mode=MEMBERS)
        self.check(True, group_server_mode=MEMBERS)

    def popauth(self, *arguments):
        subprocess.run([popper_host.POPAUTH, *arguments], input="right\n", text=True, check=True,
                       timeout=popper_host.PATIENCE)

    def test_virtual_users_have_the_group_of_their_gid(self):
        """One process serves them all, one after the other."""
        credentials = self.host.path("virtual.gdbm")
        self.popauth("init", "-q", "--credential-file", credentials)
        for name in ("ann", "jo"):
            self.popauth("set", name, "--stdin", "-q", "--credential-file", credentials, "--uid",
                         str(self.user.uid), "--gid", "64001", "--home", self.user.home)
        for group, expected in ((MEMBERS, True), (STRANGERS, False)):
            with self.serving(group_server_mode=group, credential_file=credentials) as port:
                for name in ("ann", "jo", "ann"):
                    path = self.host.write(self.host.path("spool", name), self.spool,
                                           owner=self.user.uid, mode=0o660)
                    client = poplib.POP3("127.0.0.1", port, timeout=popper_host.PATIENCE)
                    client.user(name)
                    client.pass_("right")
                    self.assertEqual(self.is_served_from_spool(client, path), expected)


if __name__ == "__main__":
    popper_host.main()
