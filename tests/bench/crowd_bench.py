#!/usr/bin/env python3
"""Many strangers who connect and say nothing: what each costs, and how long an honest login takes.

    POPPER=build/bin/popper crowd_bench.py [--strangers=10000] [--tls] [--smoke]

Needs root, for it makes a user. Memory of the kernel is what its slabs and sockets grew by, halved,
since both ends of each connection are on this machine. --smoke serves a few and checks only that
everybody was greeted and the login worked. With --tls each stranger has finished a handshake.
"""

import argparse
import os
import poplib
import resource
import socket
import ssl
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "scenario"))
import certificates  # noqa: E402
import daemon_processes  # noqa: E402
import popper_host  # noqa: E402


def numbers_of(path):
    """A file of "Name: number" lines; kB become octets."""
    found = {}
    with open(path) as stream:
        for line in stream:
            name, _, rest = line.partition(":")
            words = rest.split()
            if words and words[0].isdigit():
                found[name] = int(words[0]) * (1024 if words[1:] == ["kB"] else 1)
    return found


def user_memory(processes):
    """Pages that the gates have to themselves."""
    return sum(sum(value for name, value in numbers_of(f"/proc/{process.pid}/smaps_rollup").items()
                   if name.startswith("Private")) for process in processes)


def kernel_memory():
    memory = numbers_of("/proc/meminfo")
    return memory["Slab"] + memory["PageTables"] + memory.get("KernelStack", 0)


def login_times(login, port, user, count):
    times = []
    for _ in range(count):
        began = time.monotonic()
        login(port, user).quit()
        times.append(time.monotonic() - began)
    return sorted(times)


def connect(port, number, context=None):
    """From one of many addresses, so that ports do not run out. Under TLS where there is a context."""
    source = f"127.1.{number // 4096}.{number // 128 % 32 + 1}"
    client = socket.create_connection(("127.0.0.1", port), timeout=popper_host.PATIENCE,
                                      source_address=(source, 0))
    if context:
        client = context.wrap_socket(client)
    greeting = client.recv(512)
    if not greeting.startswith(b"+OK"):
        raise AssertionError(f"stranger {number}: {greeting!r}")
    return client


def trusting_anybody():
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def tls_options(host):
    certificate, key = certificates.Authority(host.path("ca")).issue("host", "127.0.0.1")
    return {"tls_support": "alternate-port", "tls_server_cert_file": certificate,
            "tls_private_key_file": key}


def login_over_tls(port, user):
    client = poplib.POP3_SSL("127.0.0.1", port, context=trusting_anybody(),
                             timeout=popper_host.PATIENCE)
    client.user(user.name)
    client.pass_(user.password)
    return client


def measure(host, strangers, over_tls):
    user = host.add_user()
    host.write_spool(user, popper_host.simple_spool(3))
    more = tls_options(host) if over_tls else {}
    config = host.configure(login_timeout=3600, timeout=3600, reverse_lookup=False, **more)
    context = trusting_anybody() if over_tls else None
    login = login_over_tls if over_tls else host.login
    with host.standalone(config) as port:
        login_times(login, port, user, 5)
        alone = login_times(login, port, user, 20)
        gates = daemon_processes.Family(config).gates()
        user_before, kernel_before = user_memory(gates), kernel_memory()
        crowd = [connect(port, number, context) for number in range(strangers)]
        user_each = (user_memory(gates) - user_before) / strangers / 1024
        kernel_each = (kernel_memory() - kernel_before) / strangers / 2 / 1024
        beside = login_times(login, port, user, 20)
        for client in crowd:
            client.close()
    kind = "idle strangers under TLS" if over_tls else "idle strangers"
    print(f"{strangers} {kind}: {user_each:.2f} KB each in the gates, "
          f"{kernel_each:.2f} KB in the kernel, {user_each + kernel_each:.2f} KB together"
          + ("" if over_tls else " (bar: 8)"))
    for name, times in (("alone", alone), ("beside the crowd", beside)):
        print(f"login and QUIT {name}: median {times[len(times) // 2] * 1000:.1f} ms, "
              f"longest {times[-1] * 1000:.1f} ms")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--strangers", type=int, default=10000)
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--smoke", action="store_true")
    arguments = parser.parse_args()
    popper_host.require_root()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    host = popper_host.Host()
    try:
        measure(host, 300 if arguments.smoke else min(arguments.strangers, most - 200),
                arguments.tls)
    finally:
        host.close()


if __name__ == "__main__":
    main()
