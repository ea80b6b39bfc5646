#!/usr/bin/env python3
"""popcheck log of a large log beside `grep -c` and `wc -l` of it.

    POPCHECK=build/bin/popcheck log_bench.py [--size=400] [--repeat=5] [--smoke]

The logs of --size megabytes lie in memory (/dev/shm), so all read at the speed of memory; what is
printed is processor time, and ratios within this run. One log holds nothing but POP, one of each
server; in the last one, as on most hosts, nine lines of ten are of other programs. --smoke looks at
little, and wants only right answers.
"""

import argparse
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time

POPCHECK = os.path.abspath(os.environ.get("POPCHECK", "popcheck"))
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
USERS = 10000


class Sessions:
    """Lines of sessions, one after another, a second apart."""

    def __init__(self):
        self.chance, self.number = random.Random(1), 0

    def facts(self):
        self.number += 1
        user = self.chance.randrange(USERS)
        stamp = time.strftime("%b %d %H:%M:%S", time.gmtime(1767225600 + self.number))
        address = f"192.0.{user // 250 % 250}.{user % 250}"
        return f"{stamp} mail", f"user{user}@example.org", address, f"{self.number:x}"

    def popper(self):
        head, user, address, number = self.facts()
        head += f" popper[{1000 + self.number % 30000}]: "
        return [f"{head}{line}\n" for line in (
            f"(v0.1) TLSv1.3 handshake with client at {address} ({address}); new session-id; "
            f"cipher: TLS_AES_256_GCM_SHA384 (any), 256 bits id={number}",
            f"tls id={number} from={address} protocol=TLSv1.3 cipher=TLS_AES_256_GCM_SHA384 "
            'session=new name="" alpn="" certificate="" user=""',
            f"login id={number} user={user} from={address} by=password",
            f'(v0.1) POP login by user "{user}" at ({address}) {address}',
            f"Stats: {user} 1 2000 5 10000 {address} {address}",
            f"session-end id={number} user={user} from={address} how=quit messages=6 deleted=1 "
            "octets-sent=2000")]

    def dovecot(self):
        head, user, address, number = self.facts()
        return [f"{head} dovecot: pop3-login: Login: user=<{user}>, method=PLAIN, rip={address}, "
                f"lip=192.0.2.1, mpid={self.number}, TLS, session=<{number}>\n",
                f"{head} dovecot: pop3({user})<{self.number}><{number}>: Disconnected: Logged out "
                "top=0/0, retr=1/2000, del=1/6, size=12000\n"]

    def courier(self):
        head, user, address, _ = self.facts()
        return [f"{head} pop3d: LOGIN, user={user}, ip=[::ffff:{address}], port=[40000]\n",
                f"{head} pop3d: LOGOUT, user={user}, ip=[::ffff:{address}], port=[40000], top=0, "
                "retr=2000, rcvd=60, sent=2500, time=1\n"]

    def mixed(self):
        head = self.facts()[0]
        others = [f"{head} postfix/smtpd[{i}]: connect from mail{i}.example.org[198.51.100.{i}]\n"
                  f"{head} postfix/qmgr[77]: 4XyZ{i:04d}: from=<a{i}@example.org>, size={i}, "
                  "nrcpt=1 (queue active)\n" for i in range(9)]
        return [*others, *self.dovecot()]


def write_log(path, size, lines):
    """How many sessions it holds."""
    sessions = 0
    with open(path, "w") as stream:
        while stream.tell() < size:
            for _ in range(100):
                stream.writelines(lines())
            sessions += 100
    return sessions


def processor_time(*command):
    """Seconds of processors, and what it printed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        sys.exit(f"log_bench: {command}: {done.returncode} {done.stderr[:500]}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout


def measure(name, root, arguments):
    sessions = Sessions()
    path = os.path.join(root, name)
    wanted = write_log(path, arguments.size * 1000 * 1000, getattr(sessions, name))
    size = os.path.getsize(path)

    def best(*command):
        return min(processor_time(*command)[0] for _ in range(arguments.repeat))

    _, out = processor_time(POPCHECK, "--json", "log", path)
    report = json.loads(out)
    if (report["logins"], report["sessions"]) != (wanted, wanted):
        sys.exit(f"log_bench: {name}: {wanted} sessions, but {report['logins']} logins and "
                 f"{report['sessions']} ends were counted")
    log, lines, grep = (best(POPCHECK, "log", path), best("wc", "-l", path),
                        best("grep", "-c", "user", path))
    os.unlink(path)
    print(f"log of {name}, {size / 1e6:.0f} MB: {log:.3f} s, {size / 1e6 / max(log, 1e-9):.0f} MB/s "
          f"a core; grep -c {grep:.3f} s, ratio {log / max(grep, 1e-3):.1f}; wc -l {lines:.3f} s, "
          f"ratio {log / max(lines, 1e-3):.1f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=400, help="megabytes")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--smoke", action="store_true")
    arguments = parser.parse_args()
    if arguments.smoke:
        arguments.size, arguments.repeat = 1, 1
    root = tempfile.mkdtemp(prefix="popper-log.", dir=MEMORY)
    try:
        for name in ("popper", "dovecot", "courier", "mixed"):
            measure(name, root, arguments)
    finally:
        shutil.rmtree(root)


if __name__ == "__main__":
    main()
