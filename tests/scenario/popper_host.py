"""A mail host of the test's own: users, spools, configuration, and popper in each of its starts.

Nothing outside of a temporary directory is made but users (popt<pid>...), one PAM service of the
same name, and loopback ports that the kernel chose; all of it goes away again, whatever happens.
popper itself makes its gate-root where it makes it on every host.
"""

import atexit
import contextlib
import grp
import itertools
import os
import poplib
import pwd
import random
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import certificates
import spool_reader
from super_servers import PATIENCE, SmallInetd, SmallSystemd, WaitInetd, stop

poplib._MAXLINE = 1 << 28  # the limit is the library's, not the protocol's

POPPER = os.path.abspath(os.environ.get("POPPER", "build/bin/popper"))
POPAUTH = os.path.abspath(os.environ.get("POPAUTH", os.path.join(os.path.dirname(POPPER), "popauth")))
PREFIX = f"popt{os.getpid()}"
# Under which of its starts the daemon serves a scenario that does not choose one itself.
START = os.environ.get("POPPER_TEST_START", "standalone")
# In what form the mail of such a scenario lies.
MAILDIR = os.environ.get("POPPER_TEST_FORMAT", "mbox") == "maildir"
# How TLS is spoken with it: not at all, "stls" or "implicit".
TLS = os.environ.get("POPPER_TEST_TLS", "")
SKIPPED = 77

SEPARATOR = b"From sender@example.org Thu Jan  1 00:00:00 1970\n"


def require_root():
    """These tests make users; without root they cannot say anything and do not pretend to."""
    if os.geteuid() != 0:
        print("skipped: scenarios need root, because they create users and PAM services")
        sys.exit(SKIPPED)


def simple_message(number, body=b"hello\n", header=b""):
    return (b"Message-ID: <n%d@example.org>\nSubject: number %d\n" % (number, number) + header
            + b"\n" + body + b"\n")


def simple_spool(count, **more):
    return b"".join(SEPARATOR + simple_message(i, **more) for i in range(1, count + 1))


def wait_until(condition, what, patience=PATIENCE):
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        result = condition()
        if result:
            return result
        time.sleep(0.02)
    raise AssertionError(f"waited {patience} seconds in vain: {what}")


PORTS = random.SystemRandom().sample(range(10000, 32000), 2000)


def free_port():
    """Below the range from which the kernel takes ports for clients, and never the same twice."""
    while True:
        port = PORTS.pop()
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


class User:
    def __init__(self, name, password, home):
        entry = pwd.getpwnam(name)
        self.name, self.password, self.home = name, password, home
        self.uid, self.gid = entry.pw_uid, entry.pw_gid


class Host:
    """Everything a test needs; close() takes it all away."""

    def __init__(self):
        self.undo = contextlib.ExitStack()
        self.root = tempfile.mkdtemp(prefix=PREFIX + ".")
        self.undo.callback(shutil.rmtree, self.root, ignore_errors=True)
        os.chmod(self.root, 0o755)
        atexit.register(self.close)
        self.lock = threading.Lock()
        self.users = {}
        self.spool_dir = self.make_spool_dir("spool")
        self.pam_service = None
        self.deliveries = itertools.count(1500000000)  # their times, later than what fill() writes

    def close(self):
        self.undo.close()

    def path(self, *parts):
        return os.path.join(self.root, *parts)

    def make_spool_dir(self, name):
        path = self.path(name)
        os.mkdir(path)
        os.chown(path, 0, grp.getgrnam("mail").gr_gid)
        os.chmod(path, 0o2775)
        return path

    # Accounts.

    def add_user(self, letter="a", password="right horse"):
        name = PREFIX + letter
        home = self.path("home-" + letter)
        change_accounts("useradd", "--no-create-home", "--home-dir", home, "--shell", "/bin/sh",
                        "--no-user-group", name)
        self.undo.callback(change_accounts, "userdel", name)
        uid = pwd.getpwnam(name).pw_uid
        # A super-server that is gone leaves sessions behind, which end a moment after their QUIT.
        self.undo.callback(lambda: wait_until(lambda: not processes_of(uid), f"{name} is not on"))
        self.undo.callback(remove_if_there, "/var/mail/" + name)  # procmail makes it, whatever it is told
        subprocess.run(["chpasswd"], input=f"{name}:{password}\n", text=True, check=True,
                       timeout=PATIENCE)
        user = User(name, password, home)
        os.mkdir(home, 0o700)
        os.chown(home, user.uid, user.gid)
        self.users[name] = user
        return user

    def add_pam_service(self):
        with self.lock:
            if self.pam_service is None:
                path = "/etc/pam.d/" + PREFIX
                with open(path, "x") as stream:
                    stream.write("auth required pam_unix.so\naccount required pam_unix.so\n")
                self.undo.callback(os.unlink, path)
                self.pam_service = PREFIX
            return self.pam_service

    # Files.

    def write(self, path, content, owner=None, group=None, mode=0o660):
        with open(path, "wb") as stream:
            stream.write(content)
        if owner is not None:
            os.chown(path, owner, grp.getgrnam("mail").gr_gid if group is None else group)
        os.chmod(path, mode)
        return path

    def spool_path(self, user, *hashed):
        return os.path.join(self.spool_dir, *hashed, user.name)

    def write_spool(self, user, content, path=None):
        return self.write(path or self.spool_path(user), content, owner=user.uid)

    def fill(self, user, spool, hidden=0):
        """The mail of an mbox, in the form that POPPER_TEST_FORMAT names. The first `hidden`
        messages are the folder's own and have no place in a Maildir."""
        if not MAILDIR:
            return self.write_spool(user, spool)
        path = self.spool_path(user)
        for folder in (path, path + "/tmp", path + "/new", path + "/cur"):
            if folder == path:
                shutil.rmtree(path, ignore_errors=True)
            os.mkdir(folder, 0o700)
            os.chown(folder, user.uid, user.gid)
        for number, message in enumerate(spool_reader.read(spool)[hidden:]):
            folder, flags = ("cur", ":2,S") if number % 2 else ("new", "")
            self.write_to_maildir(user, folder, 1000000000 + number, flags, message.stored)
        return path

    def write_to_maildir(self, user, folder, seconds, flags, message):
        name = f"{folder}/{seconds}.M1P1.host.example{flags}"
        self.write(os.path.join(self.spool_path(user), name), message, owner=user.uid,
                   group=user.gid, mode=0o600)

    def mail_of(self, user, hidden=0):
        """What fill() would have been given, as messages."""
        if not MAILDIR:
            return spool_reader.read(self.read_spool(user))[hidden:]
        path = self.spool_path(user)
        messages = []
        for folder in ("new", "cur"):
            for name in os.listdir(os.path.join(path, folder)):
                with open(os.path.join(path, folder, name), "rb") as stream:
                    messages.append((name, spool_reader.Message(b"", stream.read())))
        return [message for _, message in sorted(messages, key=lambda each: each[0])]

    def read_spool(self, user, path=None):
        with open(path or self.spool_path(user), "rb") as stream:
            return stream.read()

    def deliver(self, user, content, path=None):
        """Appends as a delivery agent that takes no lock; only between sessions."""
        if MAILDIR and path is None:
            for message in spool_reader.read(content):
                self.write_to_maildir(user, "new", next(self.deliveries), "", message.stored)
            return
        with open(path or self.spool_path(user), "ab") as stream:
            stream.write(content)

    def configure(self, name="popper.conf", **options):
        """A configuration file in the classic grammar; server_mode=True sets server-mode."""
        values = {"spool-dir": self.spool_dir, "pam-service": self.add_pam_service(),
                  "failure-delay": 0}  # tests mistype passwords, and all come from one address
        if TLS:
            values.update(self.tls_options())
        values.update({key.replace("_", "-"): value for key, value in options.items()})
        values.pop(os.environ.get("POPPER_TEST_WITHOUT"), None)
        text = "".join(f"set {key} = {written(value)}\n"
                       for key, value in values.items() if value is not None)
        return self.write(self.path(name), text.encode(), mode=0o644)

    def tls_options(self):
        """With a certificate that a server without root can read, too."""
        with self.lock:
            if not os.path.isdir(self.path("tls")):
                pair = certificates.Authority(self.path("tls")).issue("host", "127.0.0.1")
                for file in (self.path("tls"), *pair):
                    os.chown(file, next(iter(self.users.values())).uid, 0)
        return {"tls-support": "stls" if TLS == "stls" else "alternate-port",
                "tls-server-cert-file": self.path("tls", "host.pem"),
                "tls-private-key-file": self.path("tls", "host.key")}

    # Starts.

    @contextlib.contextmanager
    def standalone(self, config, *switches, **popen):
        """popper as root (or whom `popen` says) on a port of its own; yields the port."""
        port = free_port()
        log = open(self.path(f"log.{port}"), "wb")
        process = subprocess.Popen(
            [POPPER, f"127.0.0.1:{port}", "--foreground", "-f", config, *switches],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, **popen)
        try:
            wait_until(lambda: process.poll() is not None or accepts(port), "popper listens")
            if process.poll() is not None:
                raise AssertionError(f"popper ended with {process.returncode}:\n{self.log(port)}")
            yield port
        except BaseException:
            sys.stderr.write(self.log(port)[-4000:])
            raise
        finally:
            log.close()
            stop(process)

    def log(self, port):
        with open(self.path(f"log.{port}"), errors="replace") as stream:
            return stream.read()

    @contextlib.contextmanager
    def inetd(self, config, *switches, prefix=()):
        """popper started by a small inetd for each connection; yields the port."""
        server = SmallInetd([*prefix, POPPER, "-f", config, *switches])
        try:
            yield server.port
        finally:
            server.close()

    @contextlib.contextmanager
    def inetd_wait(self, config, *switches):
        """popper started with the listening socket when the first client comes."""
        server = WaitInetd([POPPER, "-i", "-f", config, *switches])
        try:
            yield server.port
        finally:
            server.close()

    @contextlib.contextmanager
    def systemd(self, config, *switches):
        """popper with a socket of systemd's, told to be ready before the test begins."""
        server = SmallSystemd([POPPER, "-f", config, *switches], self.root)
        try:
            server.wait_for_notice("READY=1")
            yield server.port
        finally:
            server.close()

    @contextlib.contextmanager
    def single_user(self, config, *switches):
        """popper without root, as the owner of the one maildrop, whom the credential file knows."""
        user, = self.users.values()
        credentials = os.path.join(user.home, "credentials.gdbm")
        mine = dict(user=user.uid, group=user.gid, extra_groups=[grp.getgrnam("mail").gr_gid])
        options = ["--auth-source=credentials", "--credential-file=" + credentials,
                   "--clear-text-password=always"]
        if not os.path.exists(credentials):
            for arguments in (["init"],
                              ["set", user.name, "--stdin", "--apop", "--uid", str(user.uid),
                               "--gid", str(user.gid), "--home", user.home]):
                subprocess.run([POPAUTH, *arguments, "-q", "--credential-file", credentials],
                               input=user.password + "\n", text=True, check=True,
                               timeout=PATIENCE, **mine)
        with self.standalone(config, *options, *switches, cwd=user.home, **mine) as port:
            yield port

    def serving(self, config, *switches):
        """popper in the start that POPPER_TEST_START names; yields the port."""
        starts = {"standalone": self.standalone, "inetd": self.inetd,
                  "inetd-wait": self.inetd_wait, "systemd": self.systemd,
                  "single-user": self.single_user}
        return starts[START](config, *switches)

    @contextlib.contextmanager
    def xinetd(self, config, *switches, wait="no"):
        port = free_port()
        service = self.write(self.path("xinetd.conf"), f"""
service {PREFIX}
{{
    type = UNLISTED
    port = {port}
    bind = 127.0.0.1
    socket_type = stream
    protocol = tcp
    wait = {wait}
    user = root
    server = {POPPER}
    server_args = -f {config} {' '.join(switches)}
    instances = 50
    cps = 1000 1
    disable = no
}}
""".encode(), mode=0o644)
        process = subprocess.Popen(
            ["xinetd", "-f", service, "-dontfork", "-pidfile", self.path("xinetd.pid"),
             "-filelog", self.path("xinetd.log")],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_until(lambda: accepts(port), "xinetd listens")
            yield port
        finally:
            stop(process)

    # Sessions.

    def login(self, port, user, password=None):
        """A session of poplib after its login; `welcome` and `logged_in` keep the replies."""
        client = connect(port)
        try:
            client.user(user.name)
            client.logged_in = client.pass_(user.password if password is None else password)
        except BaseException:
            client.close()
            raise
        return client


def connect(port):
    """A client of poplib, under TLS where POPPER_TEST_TLS says so; tls_test.py looks at
    certificates."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if TLS == "implicit":
        return poplib.POP3_SSL("127.0.0.1", port, context=context, timeout=PATIENCE)
    client = poplib.POP3("127.0.0.1", port, timeout=PATIENCE)
    if TLS == "stls":
        client.stls(context)
    return client


def written(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    return f'"{value}"' if isinstance(value, str) else str(value)


def accepts(port):
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def change_accounts(*command):
    """useradd and userdel give up at once when somebody else holds the lock of /etc/passwd."""
    for _ in range(100):
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
        if done.returncode == 0 or "lock" not in done.stderr:
            break
        time.sleep(0.1)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(command)}: {done.stderr}")


def processes_of(uid):
    """The numbers of all processes of a user that have not ended."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{entry}/status") as stream:
            status = dict(line.rstrip("\n").split(":", 1) for line in stream)
            if status["Uid"].split()[0] == str(uid) and status["State"].split()[0] not in "ZX":
                found.append(int(entry))
    return found


def remove_if_there(path):
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


class HostTest(unittest.TestCase):
    """One host for all tests of a class; each test has the user to itself."""

    @classmethod
    def setUpClass(cls):
        cls.host = Host()
        cls.addClassCleanup(cls.host.close)
        cls.user = cls.host.add_user()

    def setUp(self):
        for folder in (self.host.spool_dir, self.user.home):
            for name in os.listdir(folder):
                path = os.path.join(folder, name)
                shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)

    def assert_says(self, expected, function, *arguments):
        """The server answers -ERR, and says why."""
        with self.assertRaises(poplib.error_proto) as caught:
            function(*arguments)
        self.assertIn(expected, caught.exception.args[0].decode("latin-1"))


def message_of(client, number):
    """RETR without dot-stuffing, every octet."""
    return b"".join(line + b"\r\n" for line in client.retr(number)[1])


def top_of(client, number, lines):
    return b"".join(line + b"\r\n" for line in client.top(number, lines)[1])


def sizes_of(client):
    return [int(line.split()[1]) for line in client.list()[1]]


def ids_of(client):
    return [line.split(b" ", 1)[1] for line in client.uidl()[1]]


def remove_leftovers():
    """Users and services of runs that were killed before they could clean up."""
    for entry in pwd.getpwall():
        number = entry.pw_name[4:-1]
        if entry.pw_name.startswith("popt") and number.isdigit() and not is_alive(int(number)):
            with contextlib.suppress(AssertionError):  # another test was first
                change_accounts("userdel", entry.pw_name)
    for name in os.listdir("/etc/pam.d"):
        number = name[4:].split("-")[0]
        if name.startswith("popt") and number.isdigit() and not is_alive(int(number)):
            remove_if_there("/etc/pam.d/" + name)


def main():
    require_root()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    os.umask(0o022)
    remove_leftovers()
    unittest.main(module="__main__", verbosity=2)
