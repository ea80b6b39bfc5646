#!/usr/bin/env python3
"""Listeners for devices that speak nothing newer than TLS 1.0: for whom, and until when."""

import contextlib
import datetime
import os
import poplib
import signal
import socket
import ssl
import subprocess
import warnings

import popper_host
import tls_host
from popper_host import PATIENCE, message_of, wait_until

LONG_AGO, FAR_AWAY = "2020-01-31", "2999-12-31"


class OldDevicesTest(tls_host.TlsHostTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.other = cls.host.add_user("b")

    def config(self, ports, until=FAR_AWAY, **keys):
        keys = {"old-devices-until": until, "old-devices-networks": "127.0.0.1 10.0.0.0/8",
                "old-devices-users": f"nobody-else {self.user.name}", **keys}
        lines = "".join(f'{key} = "{value}"\n' for key, value in keys.items() if value is not None)
        tables = f'[[listen]]\naddress = "127.0.0.1:{ports["new"]}"\ntls = "implicit"\n'
        for mode in ("stls", "implicit"):
            tables += f'[[listen]]\naddress = "127.0.0.1:{ports[mode]}"\ntls = "{mode}"\n' + lines
        return self.host.write(self.host.path("old.toml"), f"""
spool-dir = "{self.host.spool_dir}"
pam-service = "{self.host.add_pam_service()}"
tls-server-cert-file = "{self.certificate}"
tls-private-key-file = "{self.key}"
failure-delay = 0
{tables}""".encode(), mode=0o644)

    @contextlib.contextmanager
    def serving(self, **keys):
        ports = {name: popper_host.free_port() for name in ("new", "stls", "implicit")}
        config = self.config(ports, **keys)
        with open(self.host.path("log.old"), "wb") as log:
            process = subprocess.Popen([popper_host.POPPER, "--foreground", "-f", config],
                                       stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            wait_until(lambda: popper_host.accepts(ports["implicit"]), "popper listens")
            self.process = process
            yield ports
        finally:
            popper_host.stop(process)

    def log(self):
        return self.host.log("old")

    def old_client(self, version=ssl.TLSVersion.TLSv1):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context = self.authority.client()
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.minimum_version = context.maximum_version = version
        return context

    def login(self, ports, mode, user, password, context=None):
        context = context or self.old_client()
        if mode == "implicit":
            client = poplib.POP3_SSL("127.0.0.1", ports[mode], context=context, timeout=PATIENCE)
        else:
            client = poplib.POP3("127.0.0.1", ports[mode], timeout=PATIENCE)
            client.stls(context)
        try:
            client.user(user.name)
            client.pass_(password)
        except poplib.error_proto:
            client.close()
            raise
        return client

    def heard_from(self, port, source):
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE,
                                      source_address=(source, 0)) as plain:
            return plain.recv(1000)

    def test_openssl_speaks_old_versions_there_and_nowhere_else(self):
        def says(port, version, *more):
            done = subprocess.run(
                ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-CAfile",
                 self.authority.certificate, version, "-cipher", "ALL:@SECLEVEL=0", *more],
                input="QUIT\n", capture_output=True, text=True, timeout=PATIENCE)
            return done.stdout + done.stderr

        with self.serving() as ports:
            for switch, name in (("-tls1", "TLSv1"), ("-tls1_1", "TLSv1.1")):
                with self.subTest(version=name):
                    self.assertIn(f"Protocol  : {name}\n", says(ports["implicit"], switch))
                    self.assertIn(f"Protocol  : {name}\n",
                                  says(ports["stls"], switch, "-starttls", "pop3"))
                    self.assertIn("alert protocol version", says(ports["new"], switch))
                    wait_until(lambda name=name: f"protocol={name} until={FAR_AWAY}" in self.log(),
                               "the log warns of it")

    def test_a_named_user_is_served_by_old_and_new_versions(self):
        with self.serving() as ports:
            for mode in ("stls", "implicit"):
                for context in (self.old_client(), self.old_client(ssl.TLSVersion.TLSv1_1),
                                self.authority.client()):
                    client = self.login(ports, mode, self.user, self.user.password, context)
                    self.assertIn(b"Subject: number 2", message_of(client, 2))
                    client.quit()
            self.assertIn("TLS 1.0 and 1.1, which can be broken, are spoken until " + FAR_AWAY,
                          self.log())

    def refusal(self, ports, mode, user, password):
        with self.assertRaises(poplib.error_proto) as refused:
            self.login(ports, mode, user, password)
        return str(refused.exception).replace(user.name, "USER")

    def test_others_hear_what_a_wrong_password_hears(self):
        with self.serving() as ports:
            for mode in ("stls", "implicit"):
                wrong = self.refusal(ports, mode, self.user, "wrong")
                self.assertEqual(self.refusal(ports, mode, self.other, self.other.password), wrong)
            wait_until(lambda: "not one of the users of this listener" in self.log(),
                       "the log says why")
            self.login(ports, "implicit", self.user, self.user.password).quit()
            with contextlib.closing(poplib.POP3_SSL("127.0.0.1", ports["new"],
                                                    context=self.authority.client(),
                                                    timeout=PATIENCE)) as client:
                client.user(self.other.name)
                client.pass_(self.other.password)
                client.quit()

    def test_other_networks_find_nothing_there(self):
        with self.serving() as ports:
            for mode in ("stls", "implicit"):
                self.assertEqual(self.heard_from(ports[mode], "127.0.0.2"), b"")
                self.assertIn(f"from=127.0.0.2 on=127.0.0.1:{ports[mode]} "
                              'why="not in old-devices-networks"', self.log())
            self.assertTrue(self.heard_from(ports["stls"], "127.0.0.1").startswith(b"+OK"))

    def test_after_the_last_day_nobody_is_served(self):
        yesterday = datetime.datetime.now(datetime.timezone.utc).date() - datetime.timedelta(days=1)
        with self.serving(until=yesterday) as ports:
            for mode in ("stls", "implicit"):
                self.assertEqual(self.heard_from(ports[mode], "127.0.0.1"), b"")
                self.assertIn(f'on=127.0.0.1:{ports[mode]} why="old-devices-until {yesterday} is '
                              'over"', self.log())
            self.assertIn(f"old-devices-until {yesterday} is over, so nobody is served", self.log())

    def test_a_reload_brings_another_last_day(self):
        with self.serving() as ports:
            self.login(ports, "implicit", self.user, self.user.password).quit()
            self.config(ports, until=LONG_AGO)
            os.kill(self.process.pid, signal.SIGHUP)
            wait_until(lambda: "reloaded" in self.log(), "popper has reloaded")
            wait_until(lambda: not self.heard_from(ports["stls"], "127.0.0.1"), "nobody is served")
            self.assertIn(f"old-devices-until {LONG_AGO} is over, so nobody is served", self.log())

    def test_without_limits_there_is_no_such_listener(self):
        ports = {name: popper_host.free_port() for name in ("new", "stls", "implicit")}
        for missing in ("old-devices-until", "old-devices-networks", "old-devices-users"):
            done = subprocess.run(
                [popper_host.POPPER, "--foreground", "-f", self.config(ports, **{missing: None})],
                stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE)
            self.assertEqual(done.returncode, 1)
            self.assertIn("a listener for old devices wants", done.stderr)


if __name__ == "__main__":
    popper_host.main()
