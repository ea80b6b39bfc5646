#include "daemon/systemd.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>

#include "support/catch.h"
#include "support/temporary_directory.h"

using namespace pop;
using test::TemporaryDirectory;

namespace {

Fd manager_at(const std::filesystem::path& path) {
  Fd socket{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  REQUIRE(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  return socket;
}

std::string next_notice(const Fd& manager) {
  std::array<char, 512> notice{};
  const ssize_t size = ::recv(manager.get(), notice.data(), notice.size(), 0);
  return {notice.data(), static_cast<std::size_t>(size < 0 ? 0 : size)};
}

// What systemd would have set.
void set_sockets(const std::string& pid, const char* count, const char* names) {
  ::setenv("LISTEN_PID", pid.c_str(), 1);
  ::setenv("LISTEN_FDS", count, 1);
  ::setenv("LISTEN_FDNAMES", names, 1);
}

}  // namespace

TEST_CASE("A service manager is told how the daemon is", "[daemon]") {
  const TemporaryDirectory directory;
  const std::filesystem::path path = directory.path() / "notify";
  const Fd manager = manager_at(path);
  ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
  ::setenv("WATCHDOG_USEC", "3000000", 1);
  ::setenv("WATCHDOG_PID", std::to_string(::getpid()).c_str(), 1);
  const Systemd systemd = Systemd::from_environment();
  REQUIRE(systemd.is_there());
  CHECK(systemd.watchdog() == std::chrono::seconds{3});
  systemd.ready("Serving");
  CHECK(next_notice(manager) == "READY=1\nSTATUS=Serving");
  systemd.reloading(Systemd::Time{std::chrono::milliseconds{1500}});
  CHECK(next_notice(manager) == "RELOADING=1\nMONOTONIC_USEC=1500000");
  systemd.alive();
  CHECK(next_notice(manager) == "WATCHDOG=1");
  systemd.stopping("Waiting");
  CHECK(next_notice(manager) == "STOPPING=1\nSTATUS=Waiting");
  for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) {
    CHECK(std::getenv(name) == nullptr);
  }
}

TEST_CASE("A watchdog of another process is not ours", "[daemon]") {
  ::setenv("WATCHDOG_USEC", "3000000", 1);
  ::setenv("WATCHDOG_PID", "1", 1);
  const Systemd systemd = Systemd::from_environment();
  CHECK_FALSE(systemd.is_there());
  CHECK_FALSE(systemd.watchdog());
  systemd.ready("to nobody");
}

TEST_CASE("Sockets for another process are left alone", "[daemon]") {
  set_sockets("1", "1", "pop3");
  const auto sockets = take_handed_sockets();
  REQUIRE(sockets);
  CHECK(sockets->empty());
  CHECK(std::getenv("LISTEN_FDS") == nullptr);
}

TEST_CASE("A number of sockets that cannot be is an error", "[daemon]") {
  for (const char* count : {"-1", "many", "1025", "", "1 "}) {
    CAPTURE(count);
    set_sockets(std::to_string(::getpid()), count, "");
    const auto sockets = take_handed_sockets();
    REQUIRE_FALSE(sockets);
    CHECK(sockets.error().code == Errc::usage);
  }
}
