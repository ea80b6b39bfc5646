"""popcheck system on this host, with the real daemon: it finds nothing, then what was broken, and the
commands that it names mend it."""

import contextlib
import json
import os
import shlex
import socket
import stat
import subprocess

import popper_host
from popper_host import PATIENCE, HostTest, connect, simple_spool

PROGRAMS = os.path.dirname(popper_host.POPPER)
POPCHECK = os.path.abspath(os.environ.get("POPCHECK", os.path.join(PROGRAMS, "popcheck")))


class PopcheckSystemTest(HostTest):
    def toml(self, port=110, **options):
        values = {"spool-dir": self.host.spool_dir, "pam-service": self.host.add_pam_service(),
                  **options}
        text = "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())
        text += f'[[listen]]\naddress = "127.0.0.1:{port}"\n'
        return self.host.write(self.host.path(f"{port}.toml"), text.encode(), mode=0o644)

    def popcheck(self, config, *words):
        """Exit status and findings."""
        done = subprocess.run([POPCHECK, "-f", config, "--json", "system", *words],
                              capture_output=True, text=True, timeout=PATIENCE)
        self.assertEqual(done.stderr, "")
        return done.returncode, json.loads(done.stdout)["findings"]

    def popcheck_own(self, config, *words):
        """The same without the usual ports, where this host may run another server."""
        status, findings = self.popcheck(config, *words)
        own = [one for one in findings if one["about"] not in ("port 110", "port 995")]
        return (status if len(own) == len(findings) or own else 0), own

    def follow(self, config, finding):
        """Does what the finding says, by a shell's rules."""
        words = shlex.split(finding["command"])
        if words[0].startswith("pop"):
            words[:1] = [os.path.join(PROGRAMS, words[0]), "-f", config]
        subprocess.run(words, check=True, capture_output=True, timeout=PATIENCE)

    def test_a_host_that_serves_has_no_findings(self):
        os.chmod(self.host.write_spool(self.user, simple_spool(2)), 0o600)
        checks = ["spool-dir", "directories", "spools", "leftovers", "configuration", "pam", "ports"]
        with self.host.standalone(self.host.configure()) as port:
            config = self.toml(port)
            self.assertEqual(self.popcheck_own(config, *checks), (0, []))
            with contextlib.closing(connect(port)) as client:  # a session is no leftover
                client.user(self.user.name)
                client.pass_(self.user.password)
                self.assertEqual(self.popcheck_own(config, *checks), (0, []))
                client.quit()
        status, findings = self.popcheck_own(config, *checks)
        self.assertEqual(status, 1)
        self.assertEqual([(one["check"], one["about"]) for one in findings],
                         [("ports", f"port {port}")])
        self.assertIn("nobody listens", findings[0]["message"])

    def test_who_has_the_port_is_named(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            status, findings = self.popcheck(self.toml(port), "ports")
        finding, = [one for one in findings if one["about"] == f"port {port}"]
        self.assertEqual((status, finding["severity"]), (1, "error"))
        self.assertIn(f"(process {os.getpid()})", finding["message"])

    def test_the_commands_mend_what_was_found(self):
        config = self.toml()
        self.host.write_spool(self.user, simple_spool(1))
        spool = self.host.spool_path(self.user)
        drop = os.path.join(self.host.spool_dir, f".{self.user.name}.pop")
        self.host.write(drop, popper_host.SEPARATOR + popper_host.simple_message(7),
                        owner=self.user.uid, group=self.user.gid, mode=0o600)
        os.chmod(spool, 0o604)
        self.addCleanup(os.chmod, self.host.spool_dir, 0o2775)
        os.chmod(self.host.spool_dir, 0o2755)
        checks = ["spool-dir", "spools", "leftovers"]
        status, findings = self.popcheck(config, *checks)
        self.assertEqual(status, 1)
        self.assertEqual([one["check"] for one in findings], checks)
        for finding in findings:
            self.follow(config, finding)
        self.assertEqual(self.popcheck(config, *checks), (0, []))
        self.assertIn(b"<n7@example.org>", self.host.read_spool(self.user))

    def test_fix_takes_rights_away_and_touches_no_mail(self):
        config = self.toml()
        self.host.write_spool(self.user, simple_spool(3))
        spool = self.host.spool_path(self.user)
        before = self.host.read_spool(self.user)
        os.chmod(spool, 0o646)
        done = subprocess.run([POPCHECK, "-f", config, "system", "--fix", "spools"],
                              capture_output=True, text=True, timeout=PATIENCE)
        self.assertEqual(done.returncode, 0)
        self.assertIn(f"mended: chmod o-rwx {spool}", done.stdout)
        self.assertEqual(stat.S_IMODE(os.stat(spool).st_mode), 0o640)
        self.assertEqual(self.host.read_spool(self.user), before)


if __name__ == "__main__":
    popper_host.main()
