"""GDBM files as Qpopper made them: names end in a NUL."""

import ctypes
import struct


class Datum(ctypes.Structure):
    _fields_ = [("octets", ctypes.c_char_p), ("size", ctypes.c_int)]

    @staticmethod
    def of(octets):
        return Datum(octets, len(octets))


def write_database(path, records):
    gdbm = ctypes.CDLL("libgdbm.so.6")
    gdbm.gdbm_open.restype = ctypes.c_void_p
    gdbm.gdbm_store.argtypes = [ctypes.c_void_p, Datum, Datum, ctypes.c_int]
    gdbm.gdbm_close.argtypes = [ctypes.c_void_p]
    new_database, insert = 3, 0
    database = gdbm.gdbm_open(path.encode(), 512, new_database, 0o600, None)
    assert database
    for name, value in records.items():
        key = name.encode() + b"\0"
        assert gdbm.gdbm_store(database, Datum.of(key), Datum.of(value), insert) == 0
    gdbm.gdbm_close(database)


def write_bulletin_numbers(path, users):
    """Values are native longs."""
    write_database(path, {name: struct.pack("@l", number) for name, number in users.items()})


def write_bulletin_values(path, users):
    """As they are, right or wrong."""
    write_database(path, users)


def write_apop_secrets(path, users):
    """Each octet of a secret turned round, and an empty second field."""
    write_database(path, {name: bytes(octet ^ 0xFF for octet in secret.encode()) + b"\0\0"
                          for name, secret in users.items()})
