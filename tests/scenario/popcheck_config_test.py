#!/usr/bin/env python3
"""What is wrong with a configuration is told by popcheck before, and by popper when it starts and
reloads; a file that is refused leaves the daemon as it was."""

import contextlib
import json
import os
import signal
import subprocess

import popper_host
from popper_host import POPPER, HostTest, stop, wait_until

PATIENCE = popper_host.PATIENCE
POPCHECK = os.path.abspath(os.environ.get(
    "POPCHECK", os.path.join(os.path.dirname(POPPER), "popcheck")))


class PopcheckConfigTest(HostTest):
    def write(self, *lines):
        options = {"spool-dir": self.host.spool_dir, "pam-service": self.host.add_pam_service(),
                   "gate-root": self.host.path("gate-root", "empty")}
        text = "".join(f"{key} = {popper_host.written(value)}\n" for key, value in options.items())
        text += "".join(line + "\n" for line in lines)
        return self.host.write(self.host.path("lint.toml"), text.encode(), mode=0o644)

    def popcheck(self, *arguments, check=0, **more):
        done = subprocess.run([POPCHECK, *arguments], capture_output=True, text=True,
                              timeout=PATIENCE, stdin=subprocess.DEVNULL, **more)
        self.assertEqual(done.returncode, check, done.stdout + done.stderr)
        return done.stdout

    @contextlib.contextmanager
    def daemon(self, config):
        port, path = popper_host.free_port(), self.host.path("log.lint")
        with open(path, "wb") as log:
            process = subprocess.Popen([POPPER, f"127.0.0.1:{port}", "--foreground", "-f", config],
                                       stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            wait_until(lambda: " listening on=" in self.log() or process.poll() is not None,
                       "popper listens")
            yield process, port
        finally:
            stop(process)

    def log(self):
        return self.host.log("lint")

    def findings(self, config, check):
        return json.loads(self.popcheck("config", "--json", config, check=check))["findings"]

    def test_popper_tells_at_start_and_reload_what_popcheck_tells(self):
        config = self.write("block-uid = -1")
        told, = [one for one in self.findings(config, 1) if one["severity"] != "notice"]
        self.assertEqual((told["rule"], told["line"]), ("insecure", 4))
        with self.daemon(config) as (process, port):
            self.assertIn(f"{config}:4:1: warning: {told['message']} [insecure]", self.log())
            self.write("block-uid = 10", "trash-size = 5")
            process.send_signal(signal.SIGHUP)
            wait_until(lambda: "trash-size has no effect" in self.log(), "the reload tells")
            self.write("tiemout = 5", "timeout = ", "block-uid = -2")
            process.send_signal(signal.SIGHUP)
            for place, words in (("4:1", "did you mean timeout"), ("5:", "end of line"),
                                 ("6:13", "block-uid must be from")):
                wait_until(lambda: any(f"reload refused: {config}:{place}" in line and words in line
                                       for line in self.log().splitlines()), f"{place} is told")
            self.host.login(port, self.user).quit()

    def test_a_sound_configuration_is_silent(self):
        config = self.write()
        self.assertEqual([one for one in self.findings(config, 0) if one["severity"] != "notice"],
                         [])
        with self.daemon(config):
            self.assertNotIn("remedy:", self.log())

    def test_what_is_converted_is_served(self):
        old = self.host.configure("old.conf", timeout=700)
        line = f"pop3 stream tcp nowait root /usr/sbin/tcpd /usr/local/lib/popper -s -f {old}\n"
        table = self.host.write(self.host.path("inetd.conf"), line.encode(), mode=0o644)
        toml = self.popcheck("convert", table, check=1)  # tcpd is not carried over
        toml = toml[:toml.index("[[listen]]")]
        toml += f'gate-root = "{self.host.path("gate-root", "empty")}"\n'
        config = self.host.write(self.host.path("converted.toml"), toml.encode(), mode=0o644)
        effective = self.popcheck("config", "-q", "--effective", config)
        self.assertIn("timeout = 700", effective)
        self.assertIn("statistics = true", effective)
        self.host.write_spool(self.user, popper_host.simple_spool(2))
        with self.daemon(config) as (_, port):
            client = self.host.login(port, self.user)
            self.assertEqual(client.stat()[0], 2)
            client.quit()


if __name__ == "__main__":
    popper_host.main()
