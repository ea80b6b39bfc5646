#!/usr/bin/env python3
"""procmail delivers while sessions delete: at the end each message is somewhere, once."""

import collections
import grp
import os
import re
import shutil
import subprocess
import threading

import popper_host
from popper_host import SEPARATOR, HostTest, message_of

DELIVERIES = 50
MARK = re.compile(rb"^Subject: number (\d+)", re.MULTILINE)


class DeliveryTest(HostTest):
    """procmail takes a dotlock and an fcntl lock when it has the spool's group. Installed setuid it
    gives that group up for a recipe file of the user's; then it says "Lock failure" and delivers
    with the fcntl lock alone."""

    def deliver(self, number):
        done = subprocess.run(
            [self.procmail, f"ORGMAIL={self.spool}", f"DEFAULT={self.place()}", "LOCKSLEEP=1",
             "VERBOSE=off", self.rc],
            input=SEPARATOR + popper_host.simple_message(number, b"body %d\n" % number * 50),
            capture_output=True, timeout=120,
            user=self.user.uid, group=grp.getgrnam("mail").gr_gid, extra_groups=[])
        has_dotlock = b"Lock failure" not in done.stderr
        if done.returncode != 0 or (has_dotlock != self.with_dotlock and not popper_host.MAILDIR):
            raise AssertionError(f"procmail ended with {done.returncode}: {done.stderr!r}")

    def place(self):
        """procmail takes a name with a slash at its end for a Maildir's."""
        return self.spool + "/" if popper_host.MAILDIR else self.spool

    def choose_procmail(self, with_dotlock):
        self.with_dotlock = with_dotlock
        self.procmail = shutil.which("procmail")
        if with_dotlock:
            self.procmail = shutil.copyfile(self.procmail, self.host.path("procmail"))
            os.chmod(self.procmail, 0o755)

    def deliver_all(self):
        try:
            for number in range(101, 101 + DELIVERIES):
                # Not all of them within one session: then the two would hardly meet.
                popper_host.wait_until(lambda: self.sessions >= (number - 101) // 10,
                                       "sessions go on beside the deliveries")
                self.deliver(number)
        except BaseException as error:
            self.failure = error

    def drain_some(self, port):
        """One session that reads everything and deletes every second message."""
        client = self.host.login(port, self.user)
        count = client.stat()[0]
        taken = []
        for number in range(1, count + 1):
            text = message_of(client, number)
            if number % 2:
                client.dele(number)
                taken.append(int(MARK.search(text).group(1)))
        client.quit()
        return taken

    def check(self, with_dotlock=True, **options):
        self.choose_procmail(with_dotlock)
        self.failure = None
        self.spool = self.host.fill(self.user, popper_host.simple_spool(20))
        self.rc = self.host.write(self.host.path("procmailrc"), b"", mode=0o644)
        taken, self.sessions = [], 0
        with self.host.serving(self.host.configure(**options)) as port:
            deliverer = threading.Thread(target=self.deliver_all)
            deliverer.start()
            try:
                while deliverer.is_alive():
                    taken += self.drain_some(port)
                    self.sessions += 1
            finally:
                deliverer.join(120)
            taken += self.drain_some(port)
        if self.failure:
            raise self.failure
        self.assertGreater(self.sessions, 3, "deliveries and sessions did not overlap")
        left = [int(MARK.search(message.stored).group(1))
                for message in self.host.mail_of(self.user)]
        counted = collections.Counter(taken + left)
        wanted = list(range(1, 21)) + list(range(101, 101 + DELIVERIES))
        self.assertEqual(sorted(counted), wanted, "lost")
        self.assertEqual(set(counted.values()), {1}, "doubled")
        print(f"{self.sessions} sessions, {len(taken)} taken, {len(left)} left", flush=True)

    def test_normal_mode(self):
        self.check()

    def test_server_mode(self):
        self.check(server_mode=True)

    def test_normal_mode_with_fcntl_alone(self):
        self.check(with_dotlock=False)

    def test_server_mode_with_fcntl_alone(self):
        self.check(with_dotlock=False, server_mode=True)

    def test_fast_update(self):
        """For sites whose deliverers all take the dotlock, as its description says."""
        self.check(server_mode=True, fast_update=True)


if __name__ == "__main__":
    popper_host.main()
