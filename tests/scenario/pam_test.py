#!/usr/bin/env python3
"""PAM, asked through real modules: what it hears, what it decides, and what happens when one hangs
or crashes."""

import contextlib
import os
import poplib
import signal
import unittest

import daemon_processes
import popper_host
from popper_host import PATIENCE, HostTest, wait_until

TRIAL = os.environ.get("PAM_TRIAL", "")


@unittest.skipUnless(os.path.exists(TRIAL), "PAM_TRIAL names the module for tests")
def accounts_state():
    """Changes when anybody adds a user, after which every password is checked anew."""
    return [(status.st_ino, status.st_mtime_ns)
            for status in map(os.stat, ("/etc/passwd", "/etc/shadow"))]


class PamTest(HostTest):
    def setUp(self):
        super().setUp()
        self.host.write_spool(self.user, popper_host.simple_spool(2))
        self.records = self.host.path("records")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.records)

    @contextlib.contextmanager
    def serving(self, *rules, **options):
        """With these lines of a service file; TRIAL in them is our module with its record."""
        with self.service(*rules):
            self.config = self.host.configure("pam.conf", **options)
            with self.host.standalone(self.config) as port:
                self.port = port
                yield port

    @contextlib.contextmanager
    def service(self, *rules):
        service = "/etc/pam.d/" + self.host.add_pam_service()
        with open(service, "rb") as stream:
            before = stream.read()
        lines = [rule.replace("TRIAL", f"{TRIAL} record={self.records}") for rule in rules]
        self.host.write(service, "".join(line + "\n" for line in lines).encode(), mode=0o644)
        try:
            yield
        finally:
            self.host.write(service, before, mode=0o644)

    def recorded(self):
        """[WHAT, USER, FROM, PID] of each call."""
        with contextlib.suppress(FileNotFoundError), open(self.records) as stream:
            return [line.split() for line in stream]
        return []

    def steps(self):
        return [record[0] for record in self.recorded()]

    def wait_for_steps(self, *wanted):
        wait_until(lambda: len(self.steps()) >= len(wanted), f"{wanted}, not {self.steps()}")
        self.assertEqual(self.steps(), list(wanted))

    def refusal(self, password=None):
        with self.assertRaises(poplib.error_proto) as caught:
            self.host.login(self.port, self.user, password)
        return caught.exception.args[0].decode()

    def family(self):
        return daemon_processes.Family(self.config)

    ALL = "auth required TRIAL", "auth required pam_unix.so", "account required TRIAL"
    SESSION = *ALL, "session required TRIAL"
    WHOLE = "auth", "account", "establish", "open", "close", "delete", "end"

    # Without a session of PAM's

    def test_credentials_are_set_and_deleted_by_the_keeper(self):
        with self.serving(*self.SESSION) as port:
            self.host.login(port, self.user).quit()
            self.assertEqual(self.steps(), ["auth", "account", "establish", "delete"])
            self.assertEqual({tuple(record[1:3]) for record in self.recorded()},
                             {(self.user.name, "127.0.0.1")})
            keepers = {keeper.pid for keeper in self.family().keepers()}
            self.assertLessEqual({int(record[3]) for record in self.recorded()}, keepers)

    def test_credentials_that_cannot_be_set_keep_nobody_out(self):
        with self.serving("auth required TRIAL fail=establish", "auth required pam_unix.so",
                          "account required pam_unix.so") as port:
            self.host.login(port, self.user).quit()
            self.assertRegex(self.host.log(port), "use a user's credentials: PAM set credentials: ")

    def test_what_modules_say_is_for_the_log(self):
        with self.serving("auth required TRIAL say=cheese", "auth required pam_unix.so",
                          "account required pam_unix.so") as port:
            self.host.login(port, self.user).quit()
            self.assertIn(f'pam-said user={self.user.name} text="info cheese; error cheese',
                          self.host.log(port))
            self.assertNotIn("cheese", self.refusal("wrong"))
            self.assertIn("(info cheese; error cheese", self.host.log(port))

    def test_who_is_denied_by_pam_hears_what_everybody_hears(self):
        text = f'-ERR [AUTH] Password supplied for "{self.user.name}" is incorrect.'
        for rules in (("auth required pam_deny.so", "account required pam_deny.so"),
                      ("auth required pam_unix.so", "account required pam_deny.so"),
                      ("auth required pam_unix.so", "account required TRIAL fail=account")):
            with self.subTest(rules=rules), self.serving(*rules):
                self.assertEqual(self.refusal(), text)
                self.assertEqual(self.refusal("wrong"), text)

    def test_login_cache_spares_the_auth_modules_and_nothing_else(self):
        with self.serving(*self.ALL, login_cache=600, keepers=1) as port:
            keepers = len(os.sched_getaffinity(0))  # one for each gate
            logins = keepers + 3
            for _ in range(20):
                before, known = len(self.steps()), accounts_state()
                for _ in range(logins):
                    self.host.login(port, self.user).quit()
                asked = self.steps()[before:]
                if accounts_state() == known:
                    break
            self.assertLessEqual(asked.count("auth"), keepers)
            self.assertEqual(asked.count("account"), logins)
            self.assertEqual(asked.count("establish"), asked.count("auth"))
            self.refusal("wrong")
            self.assertEqual(self.steps()[before:].count("auth"), asked.count("auth") + 1)

    # With one

    def held(self):
        """The processes that hold PAM sessions."""
        return self.family().named("pop-pam")

    def test_a_session_of_pam_lasts_as_long_as_the_clients(self):
        with self.serving(*self.SESSION, pam_session=True) as port:
            client = self.host.login(port, self.user)
            self.wait_for_steps("auth", "account", "establish", "open")
            holder, = self.held()
            self.assertEqual({int(record[3]) for record in self.recorded()[2:]}, {holder.pid})
            self.assertEqual(client.stat()[0], 2)
            client.dele(1)
            client.quit()
            self.wait_for_steps(*self.WHOLE)
            self.assertEqual({int(record[3]) for record in self.recorded()[2:]}, {holder.pid})
            wait_until(lambda: not self.held(), "its process ends")
            again = self.host.login(port, self.user)
            self.assertEqual(again.stat()[0], 1)
            again.quit()

    def test_a_session_of_pam_is_closed_when_the_clients_crashes_is_lost_or_is_ended(self):
        def crash(_):
            session, = self.family().named("pop-session")
            os.kill(session.pid, signal.SIGSEGV)

        def lose(client):
            client.close()

        def end(_):
            session, = self.family().named("pop-session")
            os.kill(session.pid, signal.SIGTERM)

        def end_both(_):
            holder, = self.held()
            os.kill(-holder.pid, signal.SIGTERM)

        with self.serving(*self.SESSION, pam_session=True) as port:
            for how in (crash, lose, end, end_both):
                with self.subTest(how=how.__name__):
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(self.records)
                    client = self.host.login(port, self.user)
                    how(client)
                    self.wait_for_steps(*self.WHOLE)
                    wait_until(lambda: not self.held(), "its process ends")
                    client.close()
            self.assertIn(" session-crashed ", self.host.log(port))

    def test_sessions_of_pam_outlive_their_keeper_and_end_with_the_daemon(self):
        with self.serving(*self.SESSION, pam_session=True) as port:
            client = self.host.login(port, self.user)
            for keeper in self.family().keepers():
                os.kill(keeper.pid, signal.SIGKILL)
            self.assertEqual(client.stat()[0], 2)
            family = self.family()
            os.kill(family.master.pid, signal.SIGINT)
            self.wait_for_steps(*self.WHOLE)
            client.close()

    def test_inetd_holds_one_too(self):
        with self.service(*self.SESSION):
            with self.host.inetd(self.host.configure("pam.conf", pam_session=True)) as port:
                client = self.host.login(port, self.user)
                self.wait_for_steps("auth", "account", "establish", "open")
                client.quit()
                self.wait_for_steps(*self.WHOLE)

    def test_a_session_that_pam_refuses_is_none(self):
        with self.serving(*self.ALL, "session required TRIAL fail=open", pam_session=True) as port:
            client = poplib.POP3("127.0.0.1", port, timeout=PATIENCE)
            client.user(self.user.name)
            self.assert_says("[SYS/PERM]", client.pass_, self.user.password)
            client.close()
            self.wait_for_steps("auth", "account", "establish", "open", "delete", "end")
            self.assertIn("PAM open session: Permission denied", self.host.log(port))

    # Modules that do not work

    def test_a_module_that_crashes_costs_its_keeper_and_not_the_daemon(self):
        with self.serving("auth required TRIAL crash=auth", "account required pam_unix.so") as port:
            self.assertIn("[SYS/TEMP]", self.refusal())
            self.assertIn("[SYS/TEMP]", self.refusal())
            service = "/etc/pam.d/" + self.host.add_pam_service()
            self.host.write(service, b"auth required pam_unix.so\naccount required pam_unix.so\n",
                            mode=0o644)

            def logged_in():
                with contextlib.suppress(poplib.error_proto):
                    self.host.login(port, self.user).quit()
                    return True
            wait_until(logged_in, "others are served")
            self.assertIn(" keeper-lost ", self.host.log(port))

    def test_a_module_that_hangs_costs_its_keeper_and_not_the_daemon(self):
        flag = self.host.write(self.host.path("hanging"), b"", mode=0o644)
        other = self.host.add_user("c")
        self.host.write_spool(other, popper_host.simple_spool(1))
        with self.serving(f"auth [success=1 default=ignore] pam_succeed_if.so user = {other.name}",
                          f"auth required TRIAL hang=auth:{flag}",
                          "auth required pam_unix.so", "account required pam_unix.so",
                          login_timeout=2, timeout=2) as port:
            with contextlib.ExitStack() as open_ones:
                client = poplib.POP3("127.0.0.1", port, timeout=3 * PATIENCE)
                open_ones.callback(client.close)
                client.user(self.user.name)
                client._putcmd("PASS " + self.user.password)
                wait_until(lambda: self.steps() == ["auth"], "the module hangs")
                of_other = self.host.login(port, other)
                self.assertEqual(of_other.stat()[0], 1)
                of_other.quit()
                self.assertTrue(client.file.readline().startswith(b"-ERR"))
            wait_until(lambda: " keeper-stuck " in self.host.log(port), "the keeper is replaced",
                       3 * PATIENCE)
            os.unlink(flag)
            self.host.login(port, self.user).quit()

    def test_a_session_module_that_crashes_costs_one_login(self):
        with self.serving(*self.ALL, "session required TRIAL crash=open",
                          pam_session=True) as port:
            keepers = {keeper.pid for keeper in self.family().keepers()}
            with self.assertRaises((poplib.error_proto, OSError)):
                self.host.login(port, self.user)
            wait_until(lambda: " session-crashed " in self.host.log(port), "it is told")
            self.assertLessEqual(keepers, {keeper.pid for keeper in self.family().keepers()})


if __name__ == "__main__":
    popper_host.main()
