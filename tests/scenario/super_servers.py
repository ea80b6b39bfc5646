"""What starts popper on a real host, small enough for a test: inetd in both modes, and systemd."""

import contextlib
import os
import select
import socket
import subprocess
import threading

PATIENCE = 20


def stop(process):
    """TERM lets sessions finish, a second one does not; what is left then is killed."""
    for patience in (3, 5):
        if process.poll() is None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(patience)
    if process.poll() is None:
        process.kill()
        process.wait(PATIENCE)


class SmallInetd:
    """Accepts, forks, and executes the server with the connection as descriptors 0, 1 and 2."""

    def __init__(self, command):
        self.command = command
        self.children = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                self.children.append(subprocess.Popen(
                    self.command, stdin=connection, stdout=connection, stderr=connection))
            self.children = [child for child in self.children if child.poll() is None]

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(PATIENCE)
        for child in self.children:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(PATIENCE if child.poll() is None else 0)
            stop(child)


class WaitInetd:
    """inetd's wait mode: starts the server with the listening socket when a client knocks, and does
    not look at the socket again before the server has ended."""

    def __init__(self, command, log=subprocess.DEVNULL):
        self.command, self.log = command, log
        self.ends = []  # exit statuses, in order
        self.server = None
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        self.closing = threading.Event()
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while not self.closing.is_set():
            if not select.select([self.listener], [], [], 0.05)[0]:
                continue
            self.server = subprocess.Popen(self.command, stdin=self.listener, stdout=self.log,
                                           stderr=self.log)
            while self.server.poll() is None and not self.closing.is_set():
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.server.wait(0.05)
            if self.closing.is_set():
                stop(self.server)
            self.ends.append(self.server.returncode)

    def close(self):
        self.closing.set()
        self.thread.join(PATIENCE)
        self.listener.close()


class SmallSystemd:
    """Opens sockets and hands them over as a .socket unit would, with the notices of a .service of
    Type=notify collected in `notices`."""

    def __init__(self, command, folder, sockets=None, names=(), watchdog=None, log=None,
                 environment=None):
        self.sockets = sockets or [socket.create_server(("127.0.0.1", 0), backlog=128)]
        self.notify_path = os.path.join(folder, f"notify.{id(self)}")
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(self.notify_path)
        os.chmod(self.notify_path, 0o666)
        self.notices = []
        self.process = subprocess.Popen(
            self.shell_for(command),
            env={**self.environment(names, watchdog), **(environment or {})},
            pass_fds=[one.fileno() for one in self.sockets], stdin=subprocess.DEVNULL,
            stdout=log or subprocess.DEVNULL, stderr=log or subprocess.DEVNULL)

    @property
    def port(self):
        return self.sockets[0].getsockname()[1]

    def shell_for(self, command):
        """LISTEN_PID must name the process that the shell turns into."""
        moves = "".join(f"exec {40 + i}<&{one.fileno()}; " for i, one in enumerate(self.sockets))
        moves += "".join(f'eval "exec {3 + i}<&{40 + i} {40 + i}<&-"; '
                         for i in range(len(self.sockets)))
        last = 3 + len(self.sockets)
        moves += "".join(f"exec {one.fileno()}<&-; " for one in self.sockets
                         if one.fileno() >= last)
        return ["/bin/bash", "-c", moves + 'LISTEN_PID=$$ exec "$@"', "start", *command]

    def environment(self, names, watchdog):
        environment = dict(os.environ, NOTIFY_SOCKET=self.notify_path,
                           LISTEN_FDS=str(len(self.sockets)))
        if names:
            environment["LISTEN_FDNAMES"] = ":".join(names)
        if watchdog:
            environment["WATCHDOG_USEC"] = str(int(watchdog * 1_000_000))
        return environment

    def wait_for_notice(self, word, patience=PATIENCE):
        """The next notice that has this line; everything before it is kept in `notices`."""
        self.notify.settimeout(patience)
        while True:
            lines = self.notify.recv(4096).decode().split("\n")
            self.notices.append(lines)
            if word in lines:
                return lines

    def close(self):
        stop(self.process)
        for one in self.sockets:
            one.close()
        self.notify.close()
        os.unlink(self.notify_path)
