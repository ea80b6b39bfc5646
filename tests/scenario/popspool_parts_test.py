#!/usr/bin/env python3
"""popspool's copies of maildrops beside the daemon, its sessions and deliveries."""

import hashlib
import os
import re
import subprocess

import popper_host
from popper_host import PATIENCE, ids_of, wait_until
from popspool_keep_test import KeepTest, mail

MARK = re.compile(rb"^Subject: number (\d+)$", re.MULTILINE)


def manifest_of(path):
    """Ids, in order, of a manifest whose checksums are right."""
    with open(path + ".manifest", "rb") as stream:
        lines = stream.read().splitlines(keepends=True)
    with open(path, "rb") as stream:
        content = stream.read()
    last = lines.pop().split()
    assert last == [b"manifest", hashlib.sha256(b"".join(lines)).hexdigest().encode()], last
    last = lines.pop().split()
    assert last == [b"mail", hashlib.sha256(content).hexdigest().encode()], last
    assert lines.pop(0) == b"popspool-export 1 mbox\n"
    ids, offset = [], 0
    for line in lines:
        _, identifier, checksum, size, _, _, _ = line.split()
        piece = content[offset:offset + int(size)]
        assert hashlib.sha256(piece).hexdigest().encode() == checksum, identifier
        ids.append(identifier.decode())
        offset += int(size)
    assert offset == len(content)
    return ids


class ExportTest(KeepTest):
    def test_a_copy_is_whole_while_mail_arrives(self):
        self.config = self.host.configure(server_mode=True)
        old = list(range(1, 21))
        self.host.write_spool(self.user, b"".join(mail(number) for number in old))
        with self.host.standalone(self.config) as port:
            client = self.host.login(port, self.user)
            before = [each.decode() for each in ids_of(client)]
            with self.deliveries() as delivered:
                for number in range(3):  # also beside a session
                    copy = self.host.path(f"copy-{number}")
                    self.popspool("export", self.user.name, "--to", copy)
                    ids = manifest_of(copy)
                    with open(copy, "rb") as stream:
                        numbers = [int(each) for each in MARK.findall(stream.read())]
                    self.assertEqual(len(ids), len(numbers))
                    self.assertEqual(ids[:len(old)], before)
                    self.assertEqual(numbers[:len(old)], old)
                    known = len(delivered)
                    self.assertEqual(numbers[len(old):], list(range(1000, 1000 + len(numbers)
                                                                    - len(old))))
                    wait_until(lambda: len(delivered) > known, "a delivery after it")
            client.quit()
        self.assertEqual(len(self.numbers()), len(old) + len(delivered))

    def test_root_copies_everybody_into_a_directory_of_its_own(self):
        self.config = self.host.configure()
        other = self.host.add_user("x")
        for user in (self.user, other):
            self.host.write_spool(user, mail(1) + mail(2))
        out = self.host.path("backup")
        os.mkdir(out, 0o700)
        self.popspool("export", "--all", "-j", "2", "--to", out)
        names = sorted(os.listdir(out))
        self.assertEqual(names, sorted(f"{user.name}.mbox{end}" for user in (self.user, other)
                                       for end in ("", ".manifest")))
        for user in (self.user, other):
            path = os.path.join(out, f"{user.name}.mbox")
            self.assertEqual(os.stat(path).st_uid, user.uid)
            self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
            self.assertEqual(len(manifest_of(path)), 2)
        self.popspool("export", "--all", "--to", out, check=64)
        self.assertEqual(sorted(os.listdir(out)), names)

    def test_tar_unpacks_a_tar(self):
        self.config = self.host.configure()
        self.host.write_spool(self.user, mail(1) + mail(2))
        copy, out = self.host.path("copy.tar"), self.host.path("unpacked")
        self.popspool("export", self.user.name, "--format", "tar", "--to", copy)
        os.mkdir(out, 0o700)
        subprocess.run(["tar", "-C", out, "-xf", copy], check=True, timeout=PATIENCE)
        fresh = os.path.join(out, self.user.name, "new")
        found = []
        for name in sorted(os.listdir(fresh), key=lambda name: name.split(".")[1]):
            with open(os.path.join(fresh, name), "rb") as stream:
                found += MARK.findall(stream.read())
        self.assertEqual(found, [b"1", b"2"])


class ImportTest(KeepTest):
    def test_mail_moves_with_its_ids_while_mail_arrives(self):
        self.config = self.host.configure(server_mode=True)
        other = self.host.add_user("y")
        self.host.write_spool(other, b"".join(mail(number) for number in range(1, 21)))
        self.host.write_spool(self.user, mail(900))
        copy = self.host.path("copy.tar")
        with self.host.standalone(self.config) as port:
            client = self.host.login(port, other)
            for number in (3, 5):
                client.retr(number)
            before = ids_of(client)
            client.quit()
            self.told("export", other.name, "--format", "tar", "--to", copy)
            client = self.host.login(port, self.user)
            self.popspool("import", copy, self.user.name, check=75)
            client.quit()
            with self.deliveries() as delivered:
                self.assertEqual(self.told("import", copy, self.user.name)["imported"], 20)
                self.assertEqual(self.told("import", copy, self.user.name)["there"], 20)
                known = len(delivered)
                wait_until(lambda: len(delivered) > known, "a delivery after it")
            client = self.host.login(port, self.user)
            after = ids_of(client)
            first = after.index(before[0])
            self.assertEqual(after[first:first + 20], before)
            client.quit()
        self.assertEqual(sorted(self.numbers()), sorted([900, *range(1, 21), *delivered]))
        done = self.popspool("list", self.user.name)
        read = [line.split()[3] for line in done.stdout.splitlines() if b" read " in line]
        self.assertEqual(read, [before[2], before[4]])


if __name__ == "__main__":
    popper_host.main()
