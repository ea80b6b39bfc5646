"""The mail programs that people use, each asked to fetch a whole maildrop and leave it there.

Each function returns the messages in order as the program gave them to its delivery. CLIENTS says
what a program does to a message on the way, and which messages it cannot carry unharmed from any
server.
"""

import os
import subprocess

from dataclasses import dataclass
from typing import Callable

import awkward_mail
import popper_host

PATIENCE = 120


@dataclass
class TlsWords:
    """What tells a program how to speak TLS, without a look at the certificate."""
    scheme: str = "pop3"
    curl: tuple = ()
    fetchmail: str = "sslproto ''"
    mpop: str = "tls off"
    getmail: str = "SimplePOP3Retriever"  # which cannot do STLS


WORDS = {
    "": TlsWords(),
    "stls": TlsWords(curl=("--ssl-reqd", "--insecure"),
                     fetchmail="sslproto 'tls1.2+' no sslcertck",
                     mpop="tls on\ntls_starttls on\ntls_certcheck off"),
    "implicit": TlsWords(scheme="pop3s", curl=("--insecure",),
                         fetchmail="ssl sslproto 'tls1.2+' no sslcertck",
                         mpop="tls on\ntls_starttls off\ntls_certcheck off",
                         getmail="SimplePOP3SSLRetriever"),
}[popper_host.TLS]


def run(user, command, **more):
    return subprocess.run(command, user=user.uid, group=user.gid, extra_groups=[], cwd=user.home,
                          env={"HOME": user.home, "PATH": os.environ["PATH"], "LANG": "C.UTF-8"},
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE, **more)


def make_folder(user, name):
    path = os.path.join(user.home, name)
    os.mkdir(path, 0o700)
    os.chown(path, user.uid, user.gid)
    return path


def write_private(user, name, text):
    path = os.path.join(user.home, name)
    with open(path, "w") as stream:
        stream.write(text)
    os.chmod(path, 0o600)
    os.chown(path, user.uid, user.gid)
    return path


def numbered_delivery(user, folder, then="true"):
    """A delivery agent that writes its input to the next number."""
    write_private(user, folder + ".count", "0\n")
    return write_executable(user, folder + ".mda", f"""#!/bin/sh
read n <{folder}.count
echo $((n + 1)) >{folder}.count
cat >{folder}/$(printf %05d $n)
{then}
""")


def write_executable(user, path, text):
    write_private(user, path, text)
    os.chmod(path, 0o700)
    return path


def delivered(folder):
    messages = []
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), "rb") as stream:
            messages.append(stream.read())
    return messages


def check(done, what):
    if done.returncode != 0:
        raise AssertionError(f"{what} ended with {done.returncode}: "
                             f"{(done.stdout + done.stderr)[-2000:]!r}")


def curl(port, user, count):
    """Octets as sent, dot-stuffing undone."""
    folder = make_folder(user, "curl")
    done = run(user, ["curl", "--silent", "--show-error", "--user", f"{user.name}:{user.password}",
                      *WORDS.curl, "--output", folder + "/#1",
                      f"{WORDS.scheme}://127.0.0.1:{port}/[1-{count}]"])
    check(done, "curl")
    for name in os.listdir(folder):
        os.rename(f"{folder}/{name}", f"{folder}/{int(name):05}")
    return delivered(folder)


def fetchmail(port, user, count):
    folder = make_folder(user, "fetchmail")
    mda = numbered_delivery(user, folder)
    rc = write_private(user, "fetchmailrc", f"""
set no bouncemail
set no spambounce
set invisible
set idfile "{user.home}/fetchids"
poll 127.0.0.1 protocol POP3 port {port} no dns bad-header accept
  user "{user.name}" there with password "{user.password}"
  fetchall keep no rewrite no mimedecode no forcecr no stripcr pass8bits {WORDS.fetchmail}
  mda "{mda}"
""")
    done = run(user, ["fetchmail", "--fetchmailrc", rc, "--pidfile", f"{user.home}/fetchmail.pid",
                      "--nosyslog", "--nodetach"])
    check(done, "fetchmail")
    return delivered(folder)


def mpop(port, user, count):
    folder = make_folder(user, "mpop")
    mda = numbered_delivery(user, folder)
    rc = write_private(user, "mpoprc", f"""
account default
host 127.0.0.1
port {port}
user {user.name}
password "{user.password}"
auth user
{WORDS.mpop}
keep on
only_new off
received_header off
uidls_file {user.home}/mpop.uidls
delivery mda "{mda}"
""")
    done = run(user, ["mpop", "-C", rc, "--quiet"])
    check(done, "mpop")
    return delivered(folder)


class ClientFailed(Exception):
    """Of its own, whatever the server does."""


def getmail(port, user, count):
    """It misses the end of a delivery agent that ends before it waits for it, and then waits as long
    as it would for the server. So the agent takes its time; where that does not help, the run counts
    for nothing."""
    name = f"getmail{len(os.listdir(user.home))}"
    folder = make_folder(user, name)
    mda = numbered_delivery(user, folder, "sleep 0.03")
    rc = write_private(user, name + "rc", f"""
[retriever]
type = {WORDS.getmail}
server = 127.0.0.1
port = {port}
username = {user.name}
password = {user.password}
timeout = 20
[destination]
type = MDA_external
path = {mda}
[options]
read_all = true
delete = false
delivered_to = false
received = false
verbose = 0
""")
    done = run(user, ["getmail", "--getmaildir", user.home, "--rcfile", rc])
    if b"waiting child pid" in done.stdout + done.stderr:
        raise ClientFailed("getmail missed the end of its delivery agent")
    check(done, "getmail")
    return delivered(folder)


def python(port, user, count):
    client = popper_host.Host.login(None, port, user)
    messages = [popper_host.message_of(client, number) for number in range(1, count + 1)]
    client.quit()
    return messages


def unchanged(wire):
    return wire


def lf_ends(wire):
    return wire.replace(b"\r\n", b"\n")


def returned(wire):
    """getmail writes the envelope sender in front, and there is none."""
    return b"Return-Path: <unknown>\n" + lf_ends(wire)


@dataclass
class Client:
    fetch: Callable
    delivered: Callable  # wire text to what the program delivers
    longest_line: int = 1_200_000
    without: tuple = ()


CLIENTS = {
    "curl": Client(curl, unchanged),
    # Lines over 8 KiB come out of fetchmail 6.4 damaged; it drops a "From " line from headers.
    "fetchmail": Client(fetchmail, unchanged, longest_line=4000, without=(awkward_mail.odd_header,)),
    "mpop": Client(mpop, lf_ends),
    # getmail takes no line over 1 MiB, and Python's email library writes headers and lone CRs anew.
    "getmail": Client(getmail, returned, longest_line=1_000_000,
                      without=(awkward_mail.line_ends, awkward_mail.giant_header,
                               awkward_mail.odd_header)),
    "poplib": Client(python, unchanged),
}
