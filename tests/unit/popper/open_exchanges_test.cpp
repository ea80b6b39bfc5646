#include "popper/open_exchanges.h"

#include "support/catch.h"

using namespace pop;

namespace {

class Counted final : public SaslExchange {
 public:
  explicit Counted(int& living) : living_{living} { ++living_; }
  ~Counted() override { --living_; }
  Result<std::optional<std::string>> step(const Secret*) override { return std::nullopt; }
  std::string user() const override { return "jo"; }

 private:
  int& living_;
};

struct Bench {
  int living = 0;
  OpenExchanges exchanges{std::chrono::seconds{60}};
  OpenExchanges::Time start = system_clock().steady();

  std::size_t add(std::uint64_t connection, std::chrono::seconds later = std::chrono::seconds{0},
                  std::string address = "192.0.2.1") {
    OpenExchange open;
    open.attempt.connection = connection;
    open.attempt.address = std::move(address);
    open.attempt.begun = start + later;
    open.exchange = std::make_unique<Counted>(living);
    return exchanges.add(std::move(open)).size();
  }
  bool take(std::uint64_t connection, std::chrono::seconds later = std::chrono::seconds{0}) {
    return exchanges.take(connection, start + later).has_value();
  }
};

}  // namespace

TEST_CASE("an exchange is taken once, and by its connection", "[popper][sasl]") {
  Bench bench;
  bench.add(7);
  CHECK_FALSE(bench.take(8));
  CHECK(bench.take(7));
  CHECK_FALSE(bench.take(7));
  CHECK(bench.living == 0);
}

TEST_CASE("a connection has one exchange, the latest", "[popper][sasl]") {
  Bench bench;
  bench.add(7);
  CHECK(bench.add(7) == 1);
  CHECK(bench.living == 1);
}

TEST_CASE("of too many exchanges of one address its oldest goes", "[popper][sasl]") {
  Bench bench;
  bench.add(1000, {}, "192.0.2.7");
  for (std::uint64_t connection = 0; connection <= OpenExchanges::most_of_address; ++connection) {
    CHECK(bench.add(connection) == (connection == OpenExchanges::most_of_address ? 1 : 0));
  }
  CHECK(bench.exchanges.size() == OpenExchanges::most_of_address + 1);
  CHECK(bench.living == static_cast<int>(OpenExchanges::most_of_address + 1));
  CHECK_FALSE(bench.take(0));
  CHECK(bench.take(1));
  CHECK(bench.take(1000));
}

TEST_CASE("a crowd of one address drove the exchanges of others out", "[popper][sasl]") {
  Bench bench;
  constexpr std::uint64_t others = OpenExchanges::most - OpenExchanges::most_of_address;
  for (std::uint64_t i = 0; i < others; ++i) {
    bench.add(10000 + i, {}, "198.51.100." + std::to_string(i));
  }
  for (std::uint64_t connection = 0; connection < 1000; ++connection) bench.add(connection);
  CHECK(bench.exchanges.size() == OpenExchanges::most);
  bench.add(20000, {}, "203.0.113.1");  // somebody new: the crowd makes room
  CHECK(bench.exchanges.size() == OpenExchanges::most);
  for (std::uint64_t i = 0; i < others; ++i) CHECK(bench.take(10000 + i));
  CHECK(bench.take(20000));
}

TEST_CASE("an IPv6 network is one address", "[popper][sasl]") {
  Bench bench;
  for (std::uint64_t connection = 0; connection < 200; ++connection) {
    bench.add(connection, {}, "2001:db8::" + std::to_string(connection));
  }
  CHECK(bench.exchanges.size() == OpenExchanges::most_of_address);
}

TEST_CASE("old exchanges stayed until somebody asked for one", "[popper][sasl]") {
  Bench bench;
  CHECK_FALSE(bench.exchanges.next_expiry());
  bench.add(7);
  bench.add(8, std::chrono::seconds{30});
  CHECK(bench.exchanges.next_expiry() == bench.start + std::chrono::seconds{60});
  CHECK(bench.exchanges.expire(bench.start + std::chrono::seconds{59}).empty());
  CHECK(bench.exchanges.expire(bench.start + std::chrono::seconds{60}).size() == 1);
  CHECK(bench.living == 1);
  CHECK(bench.exchanges.next_expiry() == bench.start + std::chrono::seconds{90});
}

TEST_CASE("who thinks too long is forgotten", "[popper][sasl]") {
  Bench bench;
  bench.add(7);
  bench.add(8, std::chrono::seconds{30});
  CHECK_FALSE(bench.take(7, std::chrono::seconds{61}));
  CHECK(bench.take(8, std::chrono::seconds{61}));
}

TEST_CASE("a session forgets them all", "[popper][sasl]") {
  Bench bench;
  bench.add(7);
  bench.add(8);
  bench.exchanges.clear();
  CHECK(bench.living == 0);
  CHECK_FALSE(bench.take(7));
}
