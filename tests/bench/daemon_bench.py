#!/usr/bin/env python3
"""popper beside Dovecot on the same small spools: server CPU a session, and sessions a second.

Every figure is a ratio of two servers that were measured one after the other in one run, best of
several rounds. Passwords are hashed in the cheapest way that both know, so that the servers are
measured and not the hash. Needs root (it makes users, and takes them away again), Dovecot's
dovecot-pop3d, and the programs of a release build: POPPER and LOAD in the environment.
"""

import argparse
import contextlib
import grp
import mailbox
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

POPPER = os.environ["POPPER"]
LOAD = os.environ["LOAD"]
PREFIX = f"popb{os.getpid()}"
PASSWORD = "right horse"
MOST_CLIENTS = 128
MESSAGES = 20


def message(number):
    return (f"Message-ID: <n{number}@example.org>\nFrom: a@example.org\nTo: b@example.org\n"
            f"Date: Thu, 1 Jan 2026 00:00:00 +0000\nSubject: number {number}\n\n"
            + "A line of an ordinary letter, as long as lines are.\n" * 40)


def mbox_of(count):
    return "".join(f"From a@example.org Thu Jan  1 00:00:00 2026\n{message(i)}\n"
                   for i in range(count))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class CpuAccount:
    """CPU time of a process and all that it begets, by a control group of either version."""

    def __init__(self, name):
        for base, file, scale in (("/sys/fs/cgroup/cpuacct", "cpuacct.usage", 1e-6),
                                  ("/sys/fs/cgroup", "cpu.stat", 1e-3)):
            if os.path.exists(os.path.join(base, "cgroup.procs")):
                self.path, self.file, self.scale = os.path.join(base, name), file, scale
                os.mkdir(self.path)
                return
        raise RuntimeError("no control group for CPU time is mounted")

    def join(self):
        with open(os.path.join(self.path, "cgroup.procs"), "w") as stream:
            stream.write(str(os.getpid()))

    def milliseconds(self):
        with open(os.path.join(self.path, self.file)) as stream:
            return int(stream.read().split()[-1 if self.file == "cpuacct.usage" else 1]) * self.scale

    def close(self):
        for _ in range(100):
            with contextlib.suppress(OSError):
                os.rmdir(self.path)
                return
            time.sleep(0.05)


class Bench:
    def __init__(self, undo):
        self.undo = undo
        self.root = tempfile.mkdtemp(prefix=PREFIX + ".")
        undo.callback(shutil.rmtree, self.root, ignore_errors=True)
        os.chmod(self.root, 0o755)
        self.mail_group = grp.getgrnam("mail").gr_gid
        self.users = []

    def path(self, *parts):
        return os.path.join(self.root, *parts)

    def make_users(self):
        for number in range(MOST_CLIENTS):
            name = f"{PREFIX}x{number}"
            subprocess.run(["useradd", "--no-create-home", "--no-user-group", "--home-dir",
                            self.path("home", name), name], check=True,
                           stderr=subprocess.DEVNULL)
            self.undo.callback(subprocess.run, ["userdel", name], stderr=subprocess.DEVNULL)
            entry = pwd.getpwnam(name)
            self.users.append((name, entry.pw_uid, entry.pw_gid))

    def fill(self, where, form, owners):
        """Everybody's spool anew, in `where`."""
        os.makedirs(where, exist_ok=True)
        subprocess.run(["find", where, "-mindepth", "1", "-delete"], check=True)
        os.chown(where, 0, self.mail_group)
        os.chmod(where, 0o2775)
        content = mbox_of(MESSAGES)
        for name, uid, gid in owners:
            path = os.path.join(where, name)
            if form == "mbox":
                with open(path, "w") as stream:
                    stream.write(content)
                os.chown(path, uid, self.mail_group)
                os.chmod(path, 0o660)
            else:
                self.fill_maildir(path, uid, gid)
        subprocess.run(["sync", "-f", where], check=True)

    @staticmethod
    def fill_maildir(path, uid, gid):
        for part in ("", "new", "cur", "tmp"):
            os.mkdir(os.path.join(path, part), 0o700)
            os.chown(os.path.join(path, part), uid, gid)
        for number in range(MESSAGES):
            text = message(number)
            wire = len(text) + text.count("\n")
            name = f"{1767225600 + number}.M{number}P1.host,S={len(text)},W={wire}:2,S"
            with open(os.path.join(path, "cur", name), "w") as stream:
                stream.write(text)
            os.chown(stream.name, uid, gid)

    # Servers. Each yields its port and CPU account.

    @contextlib.contextmanager
    def running(self, command, port):
        account = CpuAccount(f"{PREFIX}.{port}")
        with open(self.path("log"), "ab") as log:
            server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                      preexec_fn=account.join)
        try:
            self.wait_for(port, server)
            yield port, account
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(60)
            account.close()

    def wait_for(self, port, server):
        for _ in range(500):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)) as probe:
                if "implicit" in self.expecting or probe.recv(4):
                    return
            if server.poll() is not None:
                break
            time.sleep(0.02)
        with open(self.path("log"), errors="replace") as log:
            sys.exit("the server does not come up:\n" + log.read()[-3000:])

    def certificate(self):
        """ECDSA P-256, as both servers want it."""
        certificate, key = self.path("certificate.pem"), self.path("certificate.key")
        if not os.path.exists(key):
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                            "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
                            "/CN=127.0.0.1", "-keyout", key, "-out", certificate],
                           check=True, capture_output=True)
        return certificate, key

    def popper(self, where, form, virtual, tls="clear"):
        port = free_port()
        credentials = self.path(f"credentials.{port}")
        more = [str(n) for n in self.one_owner] + [where] if virtual else []
        subprocess.run([LOAD, "credentials", credentials, str(MOST_CLIENTS), f"{PREFIX}x%d",
                        PASSWORD, *more], check=True, stdout=subprocess.DEVNULL)
        config = self.path(f"popper.{port}.conf")
        with open(config, "w") as stream:
            stream.write(f"set spool-dir = {where}\nset auth-source = credentials\n"
                         f"set credential-file = {credentials}\nset mail-format = {form}\n"
                         "set reverse-lookup = false\nset server-mode = true\n"
                         "set clear-text-password = always\nset failure-delay = 0\n")
            if tls != "clear":
                certificate, key = self.certificate()
                support = "alternate-port" if tls == "implicit" else "stls"
                stream.write(f"set tls-support = {support}\n"
                             f"set tls-server-cert-file = {certificate}\n"
                             f"set tls-private-key-file = {key}\n")
        return self.running([POPPER, f"127.0.0.1:{port}", "--foreground", "-f", config], port)

    def dovecot(self, where, form, virtual, tls="clear", best=True):
        port = free_port()
        base = self.path(f"dovecot.{port}")
        os.mkdir(base)
        hashed = subprocess.run(
            [LOAD, "credentials", os.path.join(base, "hash"), "1", f"{PREFIX}x%d", PASSWORD],
            check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
        with open(os.path.join(base, "users"), "w") as stream:
            for name, uid, gid in self.users:
                if virtual:
                    uid, gid = self.one_owner
                stream.write(f"{name}:{{CRYPT}}{hashed}:{uid}:{gid}::{base}/home/{name}::\n")
        location = (f"mbox:{where}/.dovecot-%u:INBOX={where}/%u" if form == "mbox"
                    else f"maildir:{where}/%u")
        tuned = """
service pop3-login {
  service_count = 0
  process_min_avail = 2
}
service pop3 {
  process_limit = 1024
  service_count = %d
}
auth_cache_size = 10M
""" % (0 if virtual else 1)
        certificate, key = self.certificate()
        ssl = "ssl = no" if tls == "clear" else f"ssl = yes\nssl_cert = <{certificate}\nssl_key = <{key}"
        config = os.path.join(base, "dovecot.conf")
        with open(config, "w") as stream:
            stream.write(f"""base_dir = {base}/run
state_dir = {base}/state
log_path = {base}/log
protocols = pop3
listen = 127.0.0.1
{ssl}
disable_plaintext_auth = no
first_valid_uid = 1
mail_location = {location}
mail_privileged_group = mail
mail_access_groups = mail
service pop3-login {{
  inet_listener pop3 {{
    port = {0 if tls == "implicit" else port}
  }}
  inet_listener pop3s {{
    port = {port if tls == "implicit" else 0}
    ssl = yes
  }}
}}
passdb {{
  driver = passwd-file
  args = {base}/users
}}
userdb {{
  driver = passwd-file
  args = {base}/users
}}
{tuned if best else ''}""")
        return self.running(["dovecot", "-F", "-c", config], port)

    # Measuring.

    def measure(self, server, clients, sessions, script, how="clear"):
        """Milliseconds of CPU a session, sessions a second, median and 99th percentile."""
        port, account = server
        before = account.milliseconds()
        line = subprocess.run(
            [LOAD, "run", str(port), str(clients), str(sessions), script, f"{PREFIX}x%d", PASSWORD,
             how],
            check=True, stdout=subprocess.PIPE, text=True).stdout.split()
        time.sleep(0.2)  # sessions that are just ending
        done, whole = int(line[0]), float(line[1])
        return {"cpu": (account.milliseconds() - before) / done, "rate": done / whole * 1000,
                "median": float(line[2]), "p99": float(line[3])}

    def compare_tls(self, sessions, rounds):
        """One virtual uid, mbox; every session logs in, asks for the listings and quits."""
        owners = [(name, *self.one_owner) for name, _, _ in self.users]
        best = {}
        for entry in ("implicit", "stls"):
            for kind in ("popper", "dovecot"):
                where = self.path("spool")
                self.fill(where, "mbox", owners)
                os.chown(where, *self.one_owner)
                self.expecting = entry
                with getattr(self, kind)(where, "mbox", True, entry) as server:
                    self.measure(server, 16, MOST_CLIENTS, "poll", entry + "-new")
                    for session in ("new", "resumed"):
                        runs = [self.measure(server, 16, sessions, "poll", f"{entry}-{session}")
                                for _ in range(rounds)]
                        best[kind, session] = {"cpu": min(run["cpu"] for run in runs),
                                               "rate": max(run["rate"] for run in runs)}
            for session in ("new", "resumed"):
                ours, theirs = best["popper", session], best["dovecot", session]
                print(f"{entry + ', ' + session:28}   16 clients:  cpu {ours['cpu']:6.3f} : "
                      f"{theirs['cpu']:6.3f} ms = 1/{theirs['cpu'] / ours['cpu']:4.1f}   rate "
                      f"{ours['rate']:6.0f} : {theirs['rate']:6.0f} /s = "
                      f"{ours['rate'] / theirs['rate']:4.1f} x", flush=True)

    def compare(self, what, form, virtual, sessions, rounds):
        owners = [(name, *self.one_owner) if virtual else (name, uid, gid)
                  for name, uid, gid in self.users]
        best = {}
        for kind in ("popper", "dovecot"):
            where = self.path("spool")
            self.fill(where, form, owners)
            if virtual:
                os.chown(where, *self.one_owner)
            with getattr(self, kind)(where, form, virtual) as server:
                self.measure(server, MOST_CLIENTS, MOST_CLIENTS, "poll")  # indexes are made
                for clients in (1, 16, 128):
                    runs = [self.measure(server, clients, max(sessions, clients), "poll")
                            for _ in range(rounds)]
                    best[kind, clients] = {
                        "cpu": min(run["cpu"] for run in runs),
                        "rate": max(run["rate"] for run in runs),
                        "median": min(run["median"] for run in runs),
                        "p99": min(run["p99"] for run in runs)}
                drains = []
                for _ in range(rounds):
                    self.fill(where, form, owners)
                    if virtual:
                        os.chown(where, *self.one_owner)
                    self.measure(server, MOST_CLIENTS, MOST_CLIENTS, "poll")
                    drains.append(self.measure(server, 16, 16, "drain")["cpu"])
                best[kind, "drain"] = min(drains)
        for clients in (1, 16, 128):
            ours, theirs = best["popper", clients], best["dovecot", clients]
            print(f"{what:28} {clients:4} clients:  cpu {ours['cpu']:6.3f} : {theirs['cpu']:6.3f} ms"
                  f" = 1/{theirs['cpu'] / ours['cpu']:4.1f}   rate {ours['rate']:6.0f} : "
                  f"{theirs['rate']:6.0f} /s = {ours['rate'] / theirs['rate']:4.1f} x   median "
                  f"{ours['median']:6.2f} : {theirs['median']:6.2f} ms   p99 {ours['p99']:6.1f} : "
                  f"{theirs['p99']:6.1f} ms", flush=True)
        print(f"{what:28} drain of {MESSAGES}:  cpu {best['popper', 'drain']:6.3f} : "
              f"{best['dovecot', 'drain']:6.3f} ms = "
              f"1/{best['dovecot', 'drain'] / best['popper', 'drain']:4.1f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="cases whose name holds this")
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        print("skipped: the bench needs root, because it creates users")
        sys.exit(77)
    with contextlib.ExitStack() as undo:
        bench = Bench(undo)
        bench.make_users()
        bench.one_owner = bench.users[0][1:]
        if arguments.only in "TLS, ECDSA P-256":
            bench.compare_tls(arguments.sessions, arguments.rounds)
        bench.expecting = "clear"
        for form in ("mbox", "maildir"):
            for virtual in (False, True):
                what = f"{form}, {'one virtual uid' if virtual else 'system users'}"
                if arguments.only in what:
                    bench.compare(what, form, virtual, arguments.sessions, arguments.rounds)


if __name__ == "__main__":
    main()
