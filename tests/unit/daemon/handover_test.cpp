#include "daemon/handover.h"

#include <unistd.h>

#include "conf/show_config.h"
#include "support/catch.h"

using namespace pop;

TEST_CASE("A role gets the settings that the master has", "[daemon]") {
  Handover given{{}, "host.example", LogTarget::standard_error};
  given.settings.spool_dir = "/srv/mail with blanks";
  given.settings.timeout = std::chrono::seconds{77};
  given.settings.server_mode = true;
  given.settings.gate_user = "popgate";
  for (const char* const where : {"127.0.0.1:1110", "[::1]:1995"}) {
    ListenAddress& listener = given.for_old_devices.emplace_back(*parse_listen_address(where));
    listener.old_devices =
        OldDevices{*parse_day("2027-02-28"), "192.0.2.0/24 2001:db8::/32", {"scanner", "fax"}};
  }
  const Result<Fd> memory = seal_handover(given);
  REQUIRE(memory);
  for (int reader = 0; reader < 2; ++reader) {  // every role reads the same file
    const Result<Handover> taken = take_handover(*memory);
    REQUIRE(taken);
    CHECK(taken->host == given.host);
    CHECK(taken->log == given.log);
    CHECK(taken->for_old_devices == given.for_old_devices);
    CHECK(differing_options(taken->settings, given.settings).empty());
  }
}

TEST_CASE("Nobody can change a handed-over configuration", "[daemon]") {
  const Result<Fd> memory = seal_handover({{}, "host.example", LogTarget::syslog});
  REQUIRE(memory);
  CHECK(::pwrite(memory->get(), "x", 1, 0) == -1);
  CHECK(::ftruncate(memory->get(), 0) == -1);
}
