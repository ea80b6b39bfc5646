#!/usr/bin/env python3
"""Who may log in: lists of users, system users, expiry, and what a typed name stands for."""

import os
import poplib
import shutil
import subprocess

import popper_host
import private_mounts
from popper_host import HostTest, change_accounts


class AccountsTest(HostTest):
    def setUp(self):
        super().setUp()
        self.host.write_spool(self.user, popper_host.simple_spool(2))

    def serving(self, *switches, **options):
        return self.host.standalone(self.host.configure("accounts.conf", **options), *switches)

    def login(self, port, name=None, password=None):
        """The welcome of a login with the name as typed."""
        client = poplib.POP3("127.0.0.1", port, timeout=popper_host.PATIENCE)
        try:
            client.user(name or self.user.name)
            welcome = client.pass_(password or self.user.password).decode()
            client.quit()
            return welcome
        finally:
            client.close()

    def refusal(self, port, name=None, password=None):
        with self.assertRaises(poplib.error_proto) as caught:
            self.login(port, name, password)
        return caught.exception.args[0].decode()

    def text_for(self, name):
        return f'-ERR [AUTH] Password supplied for "{name}" is incorrect.'

    def test_an_auth_file_is_followed_as_it_changes(self):
        path = self.host.write(self.host.path("allowed"), b"somebody\n", mode=0o644)
        with self.serving(auth_file=path) as port:
            self.assertEqual(self.refusal(port), self.text_for(self.user.name))
            self.host.write(path, b"somebody\n" + self.user.name.encode(), mode=0o644)
            self.login(port)
            os.unlink(path)
            self.assertEqual(self.refusal(port), self.text_for(self.user.name))
            log = self.host.log(port)
        self.assertIn("not listed in auth-file", log)
        self.assertIn("auth-file: " + path, log)

    def test_taking_the_nonauth_file_away_let_in_whom_it_listed(self):
        path = self.host.write(self.host.path("refused"), self.user.name.encode(), mode=0o644)
        with self.serving(nonauth_file=path) as port:
            self.assertEqual(self.refusal(port), self.text_for(self.user.name))
            os.rename(path, path + ".old")
            self.assertEqual(self.refusal(port), self.text_for(self.user.name))
            os.mkdir(path)
            self.assertEqual(self.refusal(port), self.text_for(self.user.name))
            log = self.host.log(port)
            os.rmdir(path)
            self.host.write(path, b"somebody", mode=0o644)
            self.login(port)
        self.assertIn("listed in nonauth-file", log)
        self.assertRegex(log, "nonauth-file: .*" + path + ".* stays refused")

    def test_it_started_with_lists_that_could_not_be_read(self):
        for option in ("auth_file", "nonauth_file"):
            with self.subTest(option):
                path = self.host.path("no-list")
                name = option.replace("_", "-")
                with self.assertRaisesRegex(AssertionError, f"{name}: {path}.*reset {name}"):
                    with self.serving(**{option: path}):
                        pass

    def test_names_are_made_lowercase_and_trimmed(self):
        typed = self.user.name.upper() + "@Example.Org"
        with self.serving() as port:
            self.assertEqual(self.refusal(port, typed), self.text_for(typed))
        with self.serving("-c", "-C") as port:
            self.assertIn(f"+OK {self.user.name} has 2 visible messages", self.login(port, typed))
            # As the old program did: what replies show is the name that was looked up.
            client = poplib.POP3("127.0.0.1", port, timeout=popper_host.PATIENCE)
            self.addCleanup(client.close)
            self.assertEqual(client.user(typed).decode(),
                             f"+OK Password required for {self.user.name}.")
            self.assertEqual(self.refusal(port, typed, "wrong"), self.text_for(self.user.name))

    def test_block_uid_covers_whom_it_is_told_to(self):
        with self.serving(block_uid=self.user.uid) as port:
            self.assertEqual(self.refusal(port), self.text_for(self.user.name))
            self.assertIn(f"access is blocked for UIDs up to {self.user.uid}", self.host.log(port))
        with self.serving(block_uid=self.user.uid - 1) as port:
            self.login(port)

    def check_expiry(self, account_words, password_words, **options):
        def why(port, what):
            """Only who knows the password hears what has expired."""
            self.assertEqual(self.refusal(port), f'-ERR [AUTH] "{self.user.name}": {what} expired.')
            line = self.host.log(port).splitlines()[-1]
            self.assertEqual(self.refusal(port, password="wrong"), self.text_for(self.user.name))
            return line

        self.addCleanup(change_accounts, "chage", "-E", "-1", "-d", "20000", "-M", "99999",
                        "-I", "-1", self.user.name)
        with self.serving(**options) as port:
            self.login(port)
            self.assertEqual(self.refusal(port, password="wrong"), self.text_for(self.user.name))
            change_accounts("chage", "-E", "1", self.user.name)
            self.assertRegex(why(port, "account"), account_words)
            change_accounts("chage", "-E", "-1", "-d", "0", self.user.name)
            self.assertRegex(why(port, "password"), password_words)
            # Long ago, and inactive since.
            change_accounts("chage", "-d", "1000", "-M", "10", "-I", "10", self.user.name)
            self.assertRegex(why(port, "password"), password_words)
            change_accounts("chage", "-d", "0", "-M", "99999", "-I", "-1", self.user.name)
        with self.serving(check_password_expired=False, **options) as port:
            self.login(port)
            change_accounts("chage", "-E", "1", self.user.name)
            self.assertRegex(why(port, "account"), account_words)

    def test_expiry_with_pam(self):
        self.check_expiry("expired", "password")

    def test_expiry_with_shadow(self):
        self.check_expiry("account expired", "password expired", auth_source="shadow",
                          pam_service="none-such")

    def serving_with_shells(self, *shells, **options):
        """Where only these stand in /etc/shells."""
        path = self.host.write(self.host.path("shells"), "".join(f"{s}\n" for s in shells).encode(),
                               mode=0o644)
        return self.host.standalone(self.host.configure("shells.conf", **options),
                                    preexec_fn=private_mounts.see_instead({"/etc/shells": path}))

    def test_require_shell(self):
        not_found = f'-ERR [AUTH] "{self.user.name}": shell not found.'
        with self.serving_with_shells("/bin/bash") as port:
            self.login(port)
        with self.serving_with_shells("/bin/bash", "# /bin/sh", require_shell=True) as port:
            self.assertEqual(self.refusal(port), not_found)
            self.assertEqual(self.refusal(port, password="wrong"), self.text_for(self.user.name))
            self.host.write(self.host.path("shells"), b"/bin/bash\n/bin/sh\n", mode=0o644)
            self.login(port)
            log = self.host.log(port)
        self.assertIn("require-shell: /bin/sh is not in /etc/shells", log)
        for wildcard in ("/POPPER/ANY/SHELL", "/POPPER/ANY/SHELL/"):
            with self.serving_with_shells(wildcard, require_shell=True) as port:
                self.login(port)

    def test_require_shell_wants_one(self):
        etc = private_mounts.copy_of_etc(self.host.path("etc"))
        os.mkdir(os.path.join(etc, "pam.d"))
        service = self.host.add_pam_service()
        shutil.copy(f"/etc/pam.d/{service}", os.path.join(etc, "pam.d"))
        self.host.write(os.path.join(etc, "shells"), b"/bin/sh\n", mode=0o644)
        with open(os.path.join(etc, "passwd")) as stream:
            lines = [line.removesuffix("/bin/sh\n") + "\n" if line.startswith(self.user.name + ":")
                     else line for line in stream]
        self.host.write(os.path.join(etc, "passwd"), "".join(lines).encode(), mode=0o644)
        config = self.host.configure("shells.conf", require_shell=True)
        with self.host.standalone(
                config, preexec_fn=private_mounts.see_instead({"/etc": etc})) as port:
            self.assertEqual(self.refusal(port), "-ERR [AUTH] No user shell defined")

    def test_virtual_users_need_no_shell(self):
        credentials = self.host.path("virtual.gdbm")
        self.popauth(credentials, "init")
        self.popauth(credentials, "set", "jo", "--stdin", "--uid", str(self.user.uid), "--gid",
                     str(self.user.gid), "--home", self.user.home, secret="right\n")
        self.host.write(self.host.path("spool", "jo"), popper_host.simple_spool(1),
                        owner=self.user.uid)
        with self.serving_with_shells("/bin/bash", require_shell=True,
                                      credential_file=credentials) as port:
            self.assertIn("+OK jo has 1 visible message", self.login(port, "jo", "right"))

    def popauth(self, credentials, *arguments, secret=""):
        subprocess.run([popper_host.POPAUTH, *arguments, "-q", "--credential-file", credentials],
                       input=secret, text=True, check=True, timeout=popper_host.PATIENCE)

    def test_every_refused_user_hears_the_same(self):
        credentials = self.host.path("refused.gdbm")
        virtual = "--uid", "5000", "--gid", "5000", "--home", "/nonexistent"
        self.popauth(credentials, "init")
        for name in ("known", "locked", "apop-only"):
            self.popauth(credentials, "set", name, "--stdin", "--apop", *virtual, secret="right\n")
        self.popauth(credentials, "set", "locked", "--lock")
        locked = self.host.add_user("l")
        change_accounts("usermod", "--lock", locked.name)
        self.popauth(credentials, "set", self.user.name, "--stdin", "--apop", secret="shared\n")
        everybody = {"known": "wrong", "locked": "right", "apop-only": "right", "unknown": "right",
                     self.user.name: self.user.password, locked.name: locked.password,
                     "root": "wrong", "nobody": "wrong"}
        for source in ("pam", "shadow", "credentials"):
            with self.serving(auth_source=source, credential_file=credentials) as port:
                for name, password in everybody.items():
                    with self.subTest(source=source, name=name):
                        self.assertEqual(self.refusal(port, name, password), self.text_for(name))

    def test_shadow_refuses_locked_ones_and_unknown_ones_alike(self):
        with self.serving(auth_source="shadow") as port:
            for name in ("no-such-user", "root", "nobody"):
                self.assertEqual(self.refusal(port, name), self.text_for(name))
            log = self.host.log(port)
        for why in ("unknown user", "access is blocked for root", "account locked"):
            self.assertIn(why, log)


if __name__ == "__main__":
    popper_host.main()
