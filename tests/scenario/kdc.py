"""A Kerberos realm of the test's own: a real KDC on a loopback port, its database in a temporary
directory, and clients that show tickets. close() takes all of it away.

KRB5_CONFIG of this process leads there while the realm is open, so a popper that is started
meanwhile knows it, too."""

import contextlib
import ctypes
import os
import shutil
import socket
import struct
import subprocess
import tempfile
import time

from super_servers import PATIENCE, stop

REALM = "POPPER.TEST"
HOST = "localhost"  # what clients call the server
MUTUAL = 0x20000000  # AP_OPTS_MUTUAL_REQUIRED

KRB5_CONF = """
[libdefaults]
    default_realm = {realm}
    dns_lookup_kdc = false
    dns_lookup_realm = false
    dns_canonicalize_hostname = false
    rdns = false
    clockskew = {skew}
    kdc_timesync = 0
[realms]
    {realm} = {{
        kdc = 127.0.0.1:{port}
        database_module = local
    }}
[domain_realm]
    localhost = {realm}
[dbmodules]
    local = {{
        db_library = db2
        database_name = {root}/principal
    }}
[logging]
    kdc = FILE:{root}/kdc.log
    default = FILE:{root}/other.log
"""

KDC_CONF = """
[kdcdefaults]
    kdc_listen = 127.0.0.1:{port}
    kdc_tcp_listen = 127.0.0.1:{port}
[realms]
    {realm} = {{
        key_stash_file = {root}/stash
        acl_file = {root}/acl
        max_life = 10h
        supported_enctypes = aes256-cts:normal
        master_key_type = aes256-cts
    }}
"""


def free_port():
    """For UDP and TCP at once."""
    while True:
        with socket.socket() as stream, socket.socket(type=socket.SOCK_DGRAM) as datagram:
            stream.bind(("127.0.0.1", 0))
            with contextlib.suppress(OSError):
                datagram.bind(stream.getsockname())
                return stream.getsockname()[1]


class Realm:
    """`skew`: how many seconds two clocks may differ, and how long an expired ticket still does."""

    def __init__(self, skew=300):
        self.undo = contextlib.ExitStack()
        try:
            self._open(skew)
        except BaseException:
            self.undo.close()
            raise

    def close(self):
        self.undo.close()

    def path(self, name):
        return os.path.join(self.root, name)

    def _open(self, skew):
        self.root = tempfile.mkdtemp(prefix="popper-realm.")
        self.undo.callback(shutil.rmtree, self.root, ignore_errors=True)
        os.chmod(self.root, 0o755)
        self.port = free_port()
        self._write("krb5.conf", KRB5_CONF, skew=skew)
        self._write("kdc.conf", KDC_CONF)
        for name, file in (("KRB5_CONFIG", "krb5.conf"), ("KRB5_KDC_PROFILE", "kdc.conf")):
            self._set_environment(name, self.path(file))
        self._run("kdb5_util", "-r", REALM, "create", "-s", "-P", "not a secret")
        kdc = subprocess.Popen(["krb5kdc", "-n", "-r", REALM, "-P", self.path("kdc.pid")],
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
        self.undo.callback(stop, kdc)
        self._wait_for(kdc)
        self.libkrb5 = Libkrb5()

    def _write(self, name, text, **fields):
        with open(self.path(name), "w") as stream:
            stream.write(text.format(realm=REALM, root=self.root, port=self.port, **fields))

    def _set_environment(self, name, value):
        before = os.environ.get(name)
        os.environ[name] = value
        if before is None:
            self.undo.callback(os.environ.pop, name, None)
        else:
            self.undo.callback(os.environ.__setitem__, name, before)

    def _run(self, *command, **options):
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, **options)
        if done.returncode != 0:
            raise AssertionError(f"{' '.join(command)}: {done.stdout}{done.stderr}")
        return done.stdout

    def _wait_for(self, kdc):
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and kdc.poll() is None:
            with contextlib.suppress(OSError):
                with socket.create_connection(("127.0.0.1", self.port), timeout=1):
                    return
            time.sleep(0.05)
        raise AssertionError(f"the KDC does not listen: status {kdc.poll()}")

    # Principals, keytabs, tickets.

    def add_user(self, name, password="right horse"):
        self._run("kadmin.local", "-r", REALM, "addprinc", "-pw", password, f"{name}@{REALM}")

    def add_service(self, service, keytab, host=HOST):
        """Its key goes into the keytab, which others than root cannot read."""
        principal = f"{service}/{host}@{REALM}"
        self._run("kadmin.local", "-r", REALM, "addprinc", "-randkey", principal)
        self._run("kadmin.local", "-r", REALM, "ktadd", "-k", keytab, principal)
        os.chmod(keytab, 0o600)
        return keytab

    def ticket(self, name, password="right horse", life="1h"):
        """The path of a cache with a ticket-granting ticket."""
        cache = self.path(f"cache.{name.replace('/', '.')}")
        self._run("kinit", "-c", cache, "-l", life, f"{name}@{REALM}", input=password + "\n")
        return cache

    def short_lived_credentials(self, name, service):
        """With their life in seconds, which is long enough for a slow machine to fetch them."""
        for life in (3, 10, 30, 90):
            with contextlib.suppress(OSError):
                return self.libkrb5.credentials(self.ticket(name, life=f"{life}s"), service), life
        raise AssertionError("each ticket has expired before it could be used")


class Libkrb5:
    """As much of libkrb5 as a client needs."""

    def __init__(self):
        self.call = ctypes.CDLL("libkrb5.so.3")
        self.call.krb5_get_error_message.restype = ctypes.c_void_p
        self.context = ctypes.c_void_p()
        self._check("krb5_init_context", ctypes.byref(self.context))

    def _check(self, name, *arguments):
        code = getattr(self.call, name)(*arguments)
        if code != 0:
            text = self.call.krb5_get_error_message(self.context, code)
            raise OSError(code, f"{name}: {ctypes.string_at(text).decode()}")

    def _parsed(self, principal):
        result = ctypes.c_void_p()
        self._check("krb5_parse_name", self.context, principal.encode(), ctypes.byref(result))
        return result

    def credentials(self, cache, service, host=HOST):
        """A ticket for the service, from the cache or from the KDC."""
        store, client = ctypes.c_void_p(), ctypes.c_void_p()
        self._check("krb5_cc_resolve", self.context, f"FILE:{cache}".encode(), ctypes.byref(store))
        self._check("krb5_cc_get_principal", self.context, store, ctypes.byref(client))
        wanted = ctypes.create_string_buffer(512)  # krb5_creds: magic, client, server, ...
        struct.pack_into("PP", wanted, 8, client.value,
                         self._parsed(f"{service}/{host}@{REALM}").value)
        found = ctypes.c_void_p()
        self._check("krb5_get_credentials", self.context, 0, store, wanted, ctypes.byref(found))
        return found

    def forget_expiry(self, credentials):
        """libkrb5 makes no request with a ticket that it knows to have expired."""
        endtime = 56  # in krb5_creds
        ctypes.c_int32.from_address(credentials.value + endtime).value = 0x7fffffff

    def request(self, credentials, options=MUTUAL):
        """An AP-REQ with a fresh authenticator, and what its answer is checked with."""
        exchange, out = ctypes.c_void_p(), Data()
        self._check("krb5_mk_req_extended", self.context, ctypes.byref(exchange),
                    ctypes.c_int32(options), None, credentials, ctypes.byref(out))
        return ctypes.string_at(out.data, out.length), exchange

    def check_reply(self, exchange, reply):
        """Whether the AP-REP proves that the server knows the service's key."""
        buffer = ctypes.create_string_buffer(reply, len(reply))
        data = Data(0, len(reply), ctypes.cast(buffer, ctypes.c_void_p))
        part = ctypes.c_void_p()
        self._check("krb5_rd_rep", self.context, exchange, ctypes.byref(data), ctypes.byref(part))

    def sendauth(self, connection, cache, service, version=b"KPOPV1.0", host=HOST):
        """krb5_sendauth(3) itself, on a blocking socket."""
        store, client, exchange = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_void_p()
        self._check("krb5_cc_resolve", self.context, f"FILE:{cache}".encode(), ctypes.byref(store))
        self._check("krb5_cc_get_principal", self.context, store, ctypes.byref(client))
        number = ctypes.c_int(connection.fileno())
        self._check("krb5_sendauth", self.context, ctypes.byref(exchange), ctypes.byref(number),
                    version, client, self._parsed(f"{service}/{host}@{REALM}"),
                    ctypes.c_int32(MUTUAL), None, None, store, None, None, None)


class Data(ctypes.Structure):
    _fields_ = [("magic", ctypes.c_int32), ("length", ctypes.c_uint), ("data", ctypes.c_void_p)]


def framed(message):
    """A message of krb5_sendauth(3) on the wire."""
    return struct.pack(">I", len(message)) + message
