#!/usr/bin/env python3
"""Whom a client's certificate stands for."""

import os
import re
import subprocess

import certificates
import popper_host
import tls_host
from popper_host import PATIENCE, wait_until

NEXT_LOOK = 30  # longer than two looks at the files


def fingerprint_of(certificate):
    shown = certificates.openssl("x509", "-in", certificate, "-noout", "-fingerprint", "-sha256")
    return shown.decode().strip().partition("=")[2]


class ClientUserTest(tls_host.TlsHostTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        clients = certificates.Authority(cls.host.path("ca-clients"), "Clients")
        cls.jo = clients.issue("jo", "jo.doe@example.org", usage="clientAuth",
                               subject="/O=Example/CN=joseph")
        cls.two = clients.issue("two", "a@example.org", "b@example.org", usage="clientAuth",
                                subject="/CN=a/CN=b")
        cls.options = {"tls_client_ca_file": clients.certificate,
                       "tls_client_certificates": "optional"}

    def context_of(self, pair):
        context = self.authority.client()
        if pair:
            context.load_cert_chain(*pair)
        return context

    def user_in_log(self, port, pair):
        """The user that the log names at a handshake; "" for none."""
        pattern = r"(?m) tls id=.*$"
        before = len(re.findall(pattern, self.host.log(port)))
        with self.dial(port, context=self.context_of(pair)) as connection:
            self.assertTrue(connection.recv(1000).startswith(b"+OK"))
        wait_until(lambda: len(re.findall(pattern, self.host.log(port))) > before, "it is logged")
        line = re.findall(pattern, self.host.log(port))[-1]
        return re.search(r" user=(\S+)", line).group(1).strip('"')

    def test_each_rule_finds_the_user(self):
        for rule, user in (("none", ""), ("subject-cn", "joseph"),
                           ("san-email", "jo.doe@example.org"), ("san-email-local", "jo.doe")):
            with self.subTest(rule=rule), self.implicit(tls_client_user=rule,
                                                        **self.options) as port:
                self.assertEqual(self.user_in_log(port, self.jo), user)
                self.assertEqual(self.user_in_log(port, self.two), "")  # one for several
                self.assertEqual(self.user_in_log(port, None), "")

    def test_the_map_says_whose_certificate_it_is_and_may_change(self):
        path = self.host.path("map")
        self.host.write(path, b"# who is who\nann CN=joseph,O=Example\n", mode=0o644)
        with self.implicit(tls_client_user="map", tls_client_user_map=path,
                           **self.options) as port:
            self.assertEqual(self.user_in_log(port, self.jo), "ann")
            self.assertEqual(self.user_in_log(port, self.two), "")
            self.host.write(path, f"bob sha256:{fingerprint_of(self.jo[0])}\n".encode(),
                            mode=0o644)
            wait_until(lambda: self.user_in_log(port, self.jo) == "bob", "the new map holds",
                       NEXT_LOOK)
            self.host.write(path, b"nobody-at-all\n", mode=0o644)
            wait_until(lambda: "line 1: expected a user" in self.host.log(port), "it is told",
                       NEXT_LOOK)
            self.assertEqual(self.user_in_log(port, self.jo), "bob")  # the old one stays

    def test_what_makes_no_sense_does_not_start(self):
        good = self.host.path("good-map")
        self.host.write(good, b"jo CN=jo\n", mode=0o644)
        bad = self.host.path("bad-map")
        self.host.write(bad, b"jo CN=jo\nann CN=jo\n", mode=0o644)
        loose = self.host.path("loose-map")
        self.host.write(loose, b"jo CN=jo\n", mode=0o644)
        os.chmod(loose, 0o666)
        for options, words in (
                ({"tls_client_user": "subject-cn", "tls_client_certificates": "none"},
                 "set tls-client-certificates"),
                ({"tls_client_user": "map"}, "set tls-client-user-map"),
                ({"tls_client_user_map": good}, "with tls-client-user = map only"),
                ({"tls_client_user": "map", "tls_client_user_map": "/nowhere"}, "/nowhere"),
                ({"tls_client_user": "map", "tls_client_user_map": loose}, "loose-map: everybody"),
                ({"tls_client_user": "map", "tls_client_user_map": bad}, "bad-map: line 2: ")):
            with self.subTest(options=options):
                done = subprocess.run(
                    [popper_host.POPPER, f"127.0.0.1:{popper_host.free_port()}", "--foreground",
                     "-f", self.configure("stls", **{**self.options, **options})],
                    stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE)
                self.assertEqual(done.returncode, 1)
                self.assertIn(words, done.stderr)


if __name__ == "__main__":
    popper_host.main()
