#include "popper/pulse.h"

#include <fcntl.h>
#include <unistd.h>

#include <string>

#include "support/catch.h"

using namespace pop;

TEST_CASE("Both ends of a pulse see the same mark", "[popper]") {
  const Result<Fd> memory = Pulse::create();
  REQUIRE(memory);
  Result<Pulse> role = Pulse::open(*memory);
  const Result<Pulse> master = Pulse::open(*memory);
  REQUIRE(role);
  REQUIRE(master);
  CHECK_FALSE(master->marked());
  const Pulse::Time now{std::chrono::seconds{77}};
  role->mark(now);
  CHECK(master->marked() == now);
  CHECK_FALSE(master->last_sign());
  role->clear();
  CHECK_FALSE(master->marked());
  role->show_life(now);
  CHECK(master->last_sign() == now);
  CHECK_FALSE(master->marked());
  CHECK(master->parting() == Pulse::Parting::none);
  role->part(Pulse::Parting::gate_broke_rules);
  CHECK(master->parting() == Pulse::Parting::gate_broke_rules);
}

TEST_CASE("Noise in a pulse says nothing about a parting", "[popper]") {
  const Result<Fd> memory = Pulse::create();
  REQUIRE(memory);
  const Result<Pulse> master = Pulse::open(*memory);
  REQUIRE(master);
  const std::string noise(24, '\xff');
  REQUIRE(::pwrite(memory->get(), noise.data(), noise.size(), 0) == 24);
  CHECK(master->parting() == Pulse::Parting::none);
}

TEST_CASE("Nobody can take the memory of a pulse away from its reader", "[popper]") {
  const Result<Fd> memory = Pulse::create();
  REQUIRE(memory);
  CHECK(::ftruncate(memory->get(), 0) == -1);
}

TEST_CASE("What is no pulse is not read as one", "[popper]") {
  const Fd other{::open("/dev/null", 0)};
  const Result<Pulse> pulse = Pulse::open(other);
  REQUIRE_FALSE(pulse);
  CHECK(pulse.error().code == Errc::corrupt);
}
