"""popspool beside a running daemon."""

import os
import subprocess
import time

import popper_host

POPSPOOL = os.path.abspath(os.environ.get(
    "POPSPOOL", os.path.join(os.path.dirname(popper_host.POPPER), "popspool")))


class PopspoolTest(popper_host.HostTest):
    """Tests that change maildrops with sessions coming and going; `self.config` says where."""

    def login(self, port):
        """The session before, or a change under way, may yet hold the lock."""
        for _ in range(200):
            try:
                return self.host.login(port, self.user)
            except popper_host.poplib.error_proto as refused:
                self.assertIn(b"[IN-USE]", refused.args[0])
                time.sleep(0.1)
        raise AssertionError("the maildrop stays in use")

    def popspool(self, *arguments, check=0, **more):
        for _ in range(200):  # a session that has said +OK to QUIT may not have ended yet
            done = subprocess.run([POPSPOOL, "-f", self.config, *arguments], capture_output=True,
                                  timeout=popper_host.PATIENCE * 4, **more)
            if check != 0 or done.returncode != 75:
                break
            time.sleep(0.1)
        if check is not None:
            self.assertEqual(done.returncode, check, done.stderr.decode(errors="replace"))
        return done
