#!/usr/bin/env python3
"""The independent reader is itself tested: it must see each kind of damage, and nothing in a sound
spool."""

import unittest

import awkward_spool
import mbox_oracle as oracle

SPOOL = awkward_spool.awkward()
BEFORE = oracle.split(b"".join(SPOOL))
ARRIVAL = awkward_spool.arrival()


def expectation(deleted=(1,), **more):
    return oracle.Expectation(BEFORE, frozenset(deleted), **more)


def kinds(data, expected):
    return {kind for kind, _ in oracle.check_spool(data, expected)}


class Splitting(unittest.TestCase):
    def test_every_message_is_found_where_it_was_put(self):
        self.assertEqual([m.separator + m.header + m.body for m in BEFORE], SPOOL)

    def test_wrong_content_length_is_not_believed(self):
        liar = SPOOL[2].replace(b"Content-Length: ", b"Content-Length: 9")
        self.assertEqual(len(oracle.split(liar)), 2)

    def test_bookkeeping_is_no_content(self):
        marked = awkward_spool.with_bookkeeping(SPOOL[1], b"X-UIDL: x\nStatus: RO\n")
        self.assertEqual(oracle.split(marked)[0].content(), BEFORE[1].content())

    def test_wire_octets(self):
        self.assertEqual(oracle.split(b"From a Thu Jan  1 00:00:00 1970\nA: b\nX-UIDL: 1\n c\n\n"
                                      b"x\r\ny")[0].wire_octets(), len("A: b__" "__" "x__" "y__"))


class Judging(unittest.TestCase):
    def test_old_and_new_state_are_sound(self):
        self.assertEqual(kinds(b"".join(SPOOL), expectation()), set())
        self.assertEqual(kinds(b"".join(SPOOL[:1] + SPOOL[2:]), expectation()), set())

    def test_old_state_after_ok_is_a_lie(self):
        self.assertEqual(kinds(b"".join(SPOOL), expectation(said_ok=True)), {"lie"})

    def test_lost(self):
        self.assertIn("lost", kinds(b"".join(SPOOL[2:]), expectation()))

    def test_lost_arrival(self):
        expected = expectation(arrivals=oracle.split(ARRIVAL))
        self.assertIn("lost", kinds(b"".join(SPOOL), expected))

    def test_arrival_after_a_missing_newline(self):
        expected = expectation(arrivals=oracle.split(ARRIVAL))
        self.assertEqual(kinds(b"".join(SPOOL) + b"\n\n" + ARRIVAL, expected), set())

    def test_doubled(self):
        self.assertIn("doubled", kinds(b"".join(SPOOL[:1] + SPOOL), expectation()))

    def test_deleted_in_part(self):
        self.assertEqual(kinds(b"".join(SPOOL[:1] + SPOOL[2:]), expectation((1, 3))), {"mixed"})

    def test_wrong_order(self):
        self.assertEqual(kinds(b"".join([SPOOL[1], SPOOL[0]] + SPOOL[2:]), expectation()),
                         {"mixed"})

    def test_every_cut_is_seen(self):
        whole = b"".join(SPOOL)
        for cut in range(1, len(whole), 7):
            self.assertNotEqual(kinds(whole[:cut], expectation((0, 5))), set(), cut)

    def test_every_changed_byte_is_seen(self):
        whole = bytearray(b"".join(SPOOL))
        skip = b"Status: RO\nX-UIDL: stored-id-0123456789\n"
        for at in range(0, len(whole), 5):
            if whole.find(skip) <= at < whole.find(skip) + len(skip):
                continue
            whole[at] ^= 1
            if not _only_bookkeeping(bytes(whole)):
                self.assertNotEqual(kinds(bytes(whole), expectation()), set(), at)
            whole[at] ^= 1

    def test_bytes_before_recovery(self):
        half = b"".join(SPOOL[:3])
        journal = b"junk" + b"".join(SPOOL[3:]) + b"junk"
        self.assertEqual(oracle.check_all_bytes_somewhere([half, journal], expectation(())), [])
        self.assertEqual(len(oracle.check_all_bytes_somewhere([half], expectation(()))), 3)


def _only_bookkeeping(data):
    try:
        found = [m.content() for m in oracle.split(data)]
    except ValueError:
        return False
    return found == [m.content() for m in BEFORE]


if __name__ == "__main__":
    unittest.main()
