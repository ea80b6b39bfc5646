"""Debian's Dovecot as a POP3 server of its own, for one user."""

import contextlib
import os
import shutil
import subprocess

import popper_host

DOVECOT = shutil.which("dovecot", path=os.environ.get("PATH", "") + ":/usr/sbin")


def mbox_location(host, user):
    return f"mbox:{user.home}/.imap:INBOX={host.spool_path(user)}"


@contextlib.contextmanager
def serving(host, user, location, settings=(), pair=None):
    """Yields its port and that of implicit TLS, which there is with a pair of files, certificate
    and key. `settings` are more lines of its configuration."""
    port, secure = popper_host.free_port(), popper_host.free_port()
    base = host.path(f"dovecot.{port}")
    os.mkdir(base)
    host.write(base + "/users", (f"{user.name}:{{PLAIN}}{user.password}:{user.uid}:{user.gid}::"
                                 f"{user.home}::\n").encode(), mode=0o644)
    tls = f"ssl = yes\nssl_cert = <{pair[0]}\nssl_key = <{pair[1]}" if pair else "ssl = no"
    more = "\n".join(settings)
    config = host.write(base + "/dovecot.conf", f"""base_dir = {base}/run
state_dir = {base}/state
log_path = {base}/log
protocols = pop3
listen = 127.0.0.1
{tls}
{more}
first_valid_uid = 1
mail_location = {location}
mail_privileged_group = mail
mail_access_groups = mail
service pop3-login {{
  inet_listener pop3 {{
    port = {port}
  }}
  inet_listener pop3s {{
    port = {secure if pair else 0}
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
""".encode(), mode=0o644)
    process = subprocess.Popen([DOVECOT, "-F", "-c", config], stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        popper_host.wait_until(lambda: process.poll() is not None or popper_host.accepts(port),
                               "Dovecot listens")
        if process.poll() is not None:
            raise AssertionError("Dovecot ended")
        yield port, secure
    finally:
        popper_host.stop(process)
