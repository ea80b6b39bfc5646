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

  void add(std::uint64_t connection, std::chrono::seconds later = std::chrono::seconds{0}) {
    OpenExchange open;
    open.attempt.connection = connection;
    open.attempt.begun = start + later;
    open.exchange = std::make_unique<Counted>(living);
    exchanges.add(std::move(open));
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
  bench.add(7);
  CHECK(bench.living == 1);
}

TEST_CASE("of too many exchanges the oldest goes", "[popper][sasl]") {
  Bench bench;
  for (std::uint64_t connection = 0; connection <= OpenExchanges::most; ++connection) {
    bench.add(connection);
  }
  CHECK(bench.exchanges.size() == OpenExchanges::most);
  CHECK(bench.living == static_cast<int>(OpenExchanges::most));
  CHECK_FALSE(bench.take(0));
  CHECK(bench.take(1));
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
