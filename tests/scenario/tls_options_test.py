#!/usr/bin/env python3
"""Every tls-* option has a scenario that fails without it: named here, and, in the long form
(POPPER_TLS=full), run with the option left out of the configuration."""

import importlib
import inspect
import os
import re
import subprocess
import sys
import unittest

import popper_host
import tls_host  # what the scenarios configure through

HERE = os.path.dirname(os.path.abspath(__file__))

SCENARIOS = {
    "tls-cipher-list": ("tls_test", "TlsTest.test_ciphers"),
    "tls-cipher-suites": ("tls_test", "TlsTest.test_ciphers"),
    "tls-client-ca-file": ("tls_test", "TlsTest.test_client_certificates"),
    "tls-client-certificates": ("tls_test", "TlsTest.test_client_certificates"),
    "tls-client-user": ("tls_client_user_test", "ClientUserTest.test_each_rule_finds_the_user"),
    "tls-client-user-map": (
        "tls_client_user_test",
        "ClientUserTest.test_the_map_says_whose_certificate_it_is_and_may_change"),
    "tls-identity-file": ("tls_test", "TlsTest.test_the_identity_file_and_its_passphrase"),
    "tls-more-certificates": (
        "tls_test", "TlsTest.test_the_name_that_a_client_asks_for_chooses_the_certificate"),
    "tls-ocsp-file": ("tls_test", "TlsTest.test_an_ocsp_response_is_stapled"),
    "tls-options": ("tls_test", "TlsTest.test_option_bits"),
    "tls-passphrase": ("tls_test", "TlsTest.test_the_identity_file_and_its_passphrase"),
    "tls-private-key-file": ("tls_test", "TlsTest.test_nothing_is_resumed_with_a_lifetime_of_0"),
    "tls-server-cert-file": ("tls_test", "TlsTest.test_nothing_is_resumed_with_a_lifetime_of_0"),
    "tls-session-lifetime": ("tls_test", "TlsTest.test_nothing_is_resumed_with_a_lifetime_of_0"),
    "tls-support": ("tls_test", "TlsTest.test_stls_is_offered_once"),
    "tls-version": ("tls_test", "TlsTest.test_versions"),
    "tls-workarounds": ("tls_test", "TlsTest.test_option_bits"),
}


def scenario(module, name):
    case, test = name.split(".")
    return getattr(getattr(importlib.import_module(module), case), test)


class TlsOptionsTest(unittest.TestCase):
    def test_every_option_has_its_scenario(self):
        shown = subprocess.run([popper_host.POPPER, "--show-config"], capture_output=True,
                               text=True, check=True, timeout=popper_host.PATIENCE).stdout
        self.assertEqual(set(re.findall(r"(?m)^(?:# )?set (tls-[a-z-]+) ", shown)), set(SCENARIOS))
        everywhere = inspect.getsource(tls_host)
        for option, (module, name) in SCENARIOS.items():
            with self.subTest(option=option):
                source = inspect.getsource(importlib.import_module(module))
                self.assertTrue(callable(scenario(module, name)))
                self.assertIn(option.replace("-", "_"), source + everywhere)

    @unittest.skipUnless(os.environ.get("POPPER_TLS") == "full", "the long form")
    def test_each_scenario_fails_without_its_option(self):
        for option, (module, name) in SCENARIOS.items():
            with self.subTest(option=option):
                done = subprocess.run(
                    [sys.executable, "-B", os.path.join(HERE, module + ".py"), name],
                    env={**os.environ, "POPPER_TEST_WITHOUT": option}, capture_output=True,
                    text=True, timeout=600)
                self.assertEqual(done.returncode, 1, done.stderr[-2000:])
                self.assertRegex(done.stderr, r"FAILED \((failures|errors)=")


if __name__ == "__main__":
    popper_host.main()
