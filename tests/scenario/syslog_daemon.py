"""A syslogd of the test's own, behind the /dev/log that only the processes of a test see."""

import contextlib
import os
import signal
import socket
import subprocess
import tempfile

import daemon_processes
import popper_host
import private_mounts

DEVICES = ("null", "zero", "urandom", "random")


class SyslogDaemon:
    """Keeps the datagrams that come, priority and all. `see_it` is for preexec_fn."""

    def __init__(self, host):
        self.folder, self.heard = tempfile.mkdtemp(dir=host.root), []
        os.chmod(self.folder, 0o755)
        for name in DEVICES:
            host.write(os.path.join(self.folder, name), b"")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(os.path.join(self.folder, "log"))
        os.chmod(os.path.join(self.folder, "log"), 0o666)
        self.socket.setblocking(False)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def see_it(self):
        private_mounts.see_instead({os.path.join(self.folder, name): "/dev/" + name
                                    for name in DEVICES})()
        private_mounts.bind(self.folder, "/dev")

    def lines(self):
        with contextlib.suppress(BlockingIOError):
            while True:
                self.heard.append(self.socket.recv(8192).decode(errors="replace"))
        return self.heard


@contextlib.contextmanager
def detached(host, syslog, config, *switches):
    """popper as it runs every day, in the background and with syslog; yields the port."""
    port = popper_host.free_port()
    pid = os.path.join(syslog.folder, "pid")
    subprocess.run([popper_host.POPPER, f"127.0.0.1:{port}", "-f", config, f"--pid-file={pid}",
                    *switches], check=True, timeout=popper_host.PATIENCE,
                   stdin=subprocess.DEVNULL, preexec_fn=syslog.see_it)
    with open(pid) as stream:
        master = int(stream.read())
    try:
        yield port
    finally:
        os.kill(master, signal.SIGINT)
        popper_host.wait_until(lambda: not daemon_processes.is_running(master), "it ends")
