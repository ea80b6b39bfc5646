"""A client of AUTH GSSAPI (RFC 4752) that can be told to go wrong, by libgssapi_krb5."""

import ctypes
import os

from sasl_client import encoded

MUTUAL, SEQUENCE, DCE_STYLE = 2, 8, 4096
NO_LAYER = 1
HEADER = b"\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02\x01\x00"  # Kerberos 5, an AP-REQ


def token_of(ap_req):
    """As a client's first message, whatever it holds."""
    content = HEADER + ap_req
    return b"\x60\x82" + len(content).to_bytes(2, "big") + content


class Buffer(ctypes.Structure):
    _fields_ = [("length", ctypes.c_size_t), ("value", ctypes.c_void_p)]

    @classmethod
    def of(cls, octets):
        buffer = cls(len(octets), ctypes.cast(ctypes.c_char_p(octets), ctypes.c_void_p))
        buffer.octets = octets  # lives as long
        return buffer

    def text(self):
        return ctypes.string_at(self.value, self.length) if self.length else b""


class Context:
    """With a ticket out of the cache, for `service@host`."""

    def __init__(self, cache, service="pop", host="localhost", flags=MUTUAL | SEQUENCE):
        self.call = ctypes.CDLL("libgssapi_krb5.so.2")
        self.flags, self.context, self.name = flags, ctypes.c_void_p(), ctypes.c_void_p()
        kind = ctypes.c_void_p.in_dll(self.call, "GSS_C_NT_HOSTBASED_SERVICE")
        os.environ["KRB5CCNAME"] = "FILE:" + cache
        self._check("gss_import_name", ctypes.byref(Buffer.of(f"{service}@{host}".encode())), kind,
                    ctypes.byref(self.name))

    def _check(self, function, *arguments):
        minor = ctypes.c_uint32()
        major = getattr(self.call, function)(ctypes.byref(minor), *arguments)
        if major & 0xffff0000:
            raise OSError(f"{function}: {major:#x} {minor.value}")

    def step(self, octets=b""):
        output = Buffer()
        self._check("gss_init_sec_context", None, ctypes.byref(self.context), self.name, None,
                    ctypes.c_uint32(self.flags), ctypes.c_uint32(0), None,
                    ctypes.byref(Buffer.of(octets)), None, ctypes.byref(output), None, None)
        return output.text()

    def wrap(self, octets):
        output = Buffer()
        self._check("gss_wrap", self.context, 0, 0, ctypes.byref(Buffer.of(octets)), None,
                    ctypes.byref(output))
        return output.text()

    def unwrap(self, octets):
        output = Buffer()
        self._check("gss_unwrap", self.context, ctypes.byref(Buffer.of(octets)),
                    ctypes.byref(output), None, None)
        return output.text()

    def negotiate(self, client):
        """Up to the offer of layers, which it returns."""
        token = self.step()
        challenge = client.challenge_after(b"AUTH GSSAPI")
        assert challenge == b"", challenge
        challenge = client.challenge_after(encoded(token))
        if self.flags & MUTUAL:
            assert self.step(challenge) == b""
            challenge = client.challenge_after(b"")
        return self.unwrap(challenge)

    def answer(self, user=b"", layer=NO_LAYER, size=0):
        return self.wrap(bytes([layer]) + size.to_bytes(3, "big") + user)

    def run(self, client, user=b"", **more):
        """The last line."""
        assert self.negotiate(client) == bytes([NO_LAYER, 0, 0, 0])
        return client.respond(self.answer(user, **more))
