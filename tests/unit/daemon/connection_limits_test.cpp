#include "daemon/connection_limits.h"

#include "support/catch.h"

using namespace pop;
using std::chrono::milliseconds;
using std::chrono::seconds;

TEST_CASE("Limits hold here, for all, and for an address", "[daemon][limits]") {
  Settings settings;
  settings.max_connections = 32;
  settings.max_connections_per_address = 3;
  const ConnectionLimits limits{10, settings};
  CHECK(limits.has_room_here(9));
  CHECK_FALSE(limits.has_room_here(10));
  CHECK(limits.has_room(31));
  CHECK_FALSE(limits.has_room(32));
  CHECK_FALSE(limits.is_exceeded_by(32));
  CHECK(limits.is_exceeded_by(33));
  CHECK(limits.has_slack(38));
  CHECK_FALSE(limits.has_slack(39));
  CHECK(limits.has_room_for_address(2));
  CHECK_FALSE(limits.has_room_for_address(3));
}

TEST_CASE("Without limits there is always room but for open files", "[daemon][limits]") {
  Settings settings;
  settings.max_connections = 0;
  const ConnectionLimits limits{10, settings};
  CHECK_FALSE(limits.are_for_all());
  CHECK(limits.has_room(1'000'000));
  CHECK_FALSE(limits.is_exceeded_by(1'000'000));
  CHECK(limits.has_room_for_address(1'000'000));
  CHECK_FALSE(limits.has_room_here(10));
}

TEST_CASE("Delays double up to the most, from the last failure on", "[daemon][limits]") {
  Settings settings;
  settings.failure_delay = seconds{1};
  settings.failure_delay_most = seconds{60};
  const FailureDelays delays{settings};
  CHECK(delays.left({0, {}}) == seconds{0});
  CHECK(delays.left({1, {}}) == seconds{1});
  CHECK(delays.left({2, {}}) == seconds{2});
  CHECK(delays.left({6, {}}) == seconds{32});
  CHECK(delays.left({7, {}}) == seconds{60});
  CHECK(delays.left({100'000, {}}) == seconds{60});
  CHECK(delays.left({3, milliseconds{1500}}) == milliseconds{2500});
  CHECK(delays.left({3, seconds{5}}) == seconds{0});
  CHECK(delays.memory() >= seconds{60});
  settings.failure_delay = seconds{0};
  CHECK(FailureDelays{settings}.left({50, {}}) == seconds{0});
}
