#!/usr/bin/env python3
"""popspool repair on a live host: beside sessions and deliveries nothing is lost or doubled, and on a
terminal it asks before it does what is doubtful."""

import os
import pty
import re
import select
import subprocess
import threading
import time

import popper_host
import spool_reader
from popper_host import HostTest, SEPARATOR, simple_message, simple_spool
from popspool_host import POPSPOOL

PATIENCE = popper_host.PATIENCE
DAMAGED = SEPARATOR[1:]  # "rom someone"
HEADER = b"From: ann@example.org\nDate: Thu, 1 Jan 1970 00:00:00 +0000\n"  # makes it a message's
REPAIR = ("repair", "--decide=damaged-from-line")


def number_of(message):
    return int(re.search(rb"^Message-ID: <n(\d+)@", message, re.MULTILINE).group(1))


class PopspoolRescueTest(HostTest):
    def popspool(self, *arguments, check=0):
        done = subprocess.run([POPSPOOL, "-f", self.config, *arguments, self.user.name],
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE * 4)
        if check is not None:
            self.assertEqual(done.returncode, check, (done.stdout + done.stderr).decode())
        return done

    def setUp(self):
        super().setUp()
        self.config = self.host.configure(server_mode=True)

    # Beside others.

    def damage(self, spool):
        """Every fourth separator loses a letter."""
        parts = spool.split(SEPARATOR)[1:]
        return b"".join((DAMAGED if i % 4 == 3 else SEPARATOR) + part
                        for i, part in enumerate(parts))

    def fetch_some(self, port, stop, fetched, refused):
        while not stop.is_set():
            client = popper_host.connect(port)
            try:
                client.user(self.user.name)
                client.pass_(self.user.password)
                if client.stat()[0]:
                    fetched.append(popper_host.message_of(client, 1))
                    client.dele(1)
                client.quit()
            except popper_host.poplib.error_proto as error:
                refused.append(error.args[0])
            finally:
                client.close()

    def append_some(self, numbers):
        for number in numbers:
            spool = self.host.spool_path(self.user)
            lock = spool + ".lock"
            while True:
                try:
                    os.close(os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
                    break
                except FileExistsError:
                    time.sleep(0.005)
            try:
                with open(spool, "ab") as stream:
                    stream.write(SEPARATOR + simple_message(number))
            finally:
                os.unlink(lock)

    def test_repair_beside_sessions_and_deliveries_loses_and_doubles_nothing(self):
        old, new, rounds = 40, 40, 12
        self.host.write_spool(self.user, self.damage(simple_spool(old, header=HEADER)))
        stop, fetched, refused, repaired = threading.Event(), [], [], []
        with self.host.standalone(self.config) as port:
            workers = [threading.Thread(target=self.fetch_some, args=(port, stop, fetched, refused)),
                       threading.Thread(target=self.append_some, args=(range(101, 101 + new),))]
            for worker in workers:
                worker.start()
            try:
                for _ in range(rounds):
                    done = self.popspool(*REPAIR, check=None)
                    repaired.append(done.returncode)
                    self.assertIn(done.returncode, (0, 1, 75), done.stderr)  # 75: a session is on
            finally:
                workers[1].join()
                stop.set()
                workers[0].join()
            popper_host.wait_until(lambda: self.popspool(*REPAIR, check=None).returncode != 75,
                                   "the last session ends")
        self.assertEqual([text for text in refused if b"[IN-USE]" not in text], [])
        left = [message.stored for message in spool_reader.read(self.host.read_spool(self.user))]
        whole = b"\n".join(fetched + left)
        found = sorted(int(number) for number in re.findall(rb"^Message-ID: <n(\d+)@", whole,
                                                            re.MULTILINE))
        self.assertEqual(found, [*range(1, old + 1), *range(101, 101 + new)])
        self.assertNotIn(DAMAGED, b"".join(left).replace(SEPARATOR, b""))

    def test_repair_waits_for_nobody_who_reads_his_mail(self):
        spool = self.damage(simple_spool(6, header=HEADER))
        self.host.write_spool(self.user, spool)
        with self.host.standalone(self.config) as port:
            client = self.host.login(port, self.user)
            try:
                done = self.popspool(*REPAIR, check=75)
                self.assertIn(b"is in use since", done.stderr)
                self.assertEqual(self.host.read_spool(self.user), spool)
                client.quit()
            finally:
                client.close()
        self.popspool(*REPAIR)
        self.assertEqual(self.host.read_spool(self.user), simple_spool(6, header=HEADER))

    # On a terminal.

    def on_terminal(self, answers):
        """Runs repair where it can ask; gives one answer to each question, or what a function says
        to what was asked. What it said, and its status."""
        pid, terminal = pty.fork()
        if pid == 0:
            try:
                os.execv(POPSPOOL, [POPSPOOL, "-f", self.config, "repair", self.user.name])
            finally:
                os._exit(127)
        said, asked = b"", 0
        answers = answers if callable(answers) else list(answers)
        try:
            while True:
                ready, _, _ = select.select([terminal], [], [], PATIENCE * 4)
                self.assertTrue(ready, said)
                try:
                    piece = os.read(terminal, 4096)
                except OSError:  # EIO: it has ended
                    break
                if not piece:
                    break
                said += piece
                while said.count(b"[q]uit asking: ") > asked:
                    asked += 1
                    self.assertTrue(answers, "it asks more than there are answers to")
                    question = said.split(b"[q]uit asking: ")[asked - 1]
                    answer = answers(question) if callable(answers) else answers.pop(0)
                    os.write(terminal, answer + b"\n")
        finally:
            os.close(terminal)
            _, status = os.waitpid(pid, 0)
        if not callable(answers):
            self.assertEqual(answers, [], "it asks less")
        return said, os.waitstatus_to_exitcode(status)

    def doubtful(self, count):
        """Sound, but for messages that stand there twice."""
        spool = simple_spool(count)
        self.host.write_spool(self.user, spool + spool)
        return spool

    def ids_left(self):
        return [number_of(message.stored)
                for message in spool_reader.read(self.host.read_spool(self.user))]

    def test_what_is_doubtful_is_asked_about_one_by_one(self):
        self.doubtful(3)
        said, status = self.on_terminal(
            lambda question: b"n" if b"the same as message 2" in question else b"yes")
        self.assertIn(b"duplicate-message", said)
        self.assertEqual(self.ids_left(), [1, 2, 3, 2])
        self.assertEqual(status, 1)

    def test_one_answer_may_stand_for_all(self):
        self.doubtful(3)
        self.assertEqual(self.on_terminal([b"what?", b"", b"a"])[1], 0)
        self.assertEqual(self.ids_left(), [1, 2, 3])

    def test_who_answers_nothing_that_is_known_changes_nothing(self):
        spool = self.doubtful(2)
        self.assertEqual(self.on_terminal([b"x", b"x", b"x"])[1], 1)
        self.assertEqual(self.host.read_spool(self.user), spool + spool)

    def test_who_quits_leaves_the_rest_alone(self):
        self.doubtful(3)
        self.assertEqual(self.on_terminal([b"y", b"q"])[1], 1)
        self.assertEqual(self.ids_left(), [1, 2, 3, 2, 3])

    def test_a_script_is_asked_nothing(self):
        spool = self.doubtful(2)
        self.popspool("repair", check=1)
        self.assertEqual(self.host.read_spool(self.user), spool + spool)


if __name__ == "__main__":
    popper_host.main()
