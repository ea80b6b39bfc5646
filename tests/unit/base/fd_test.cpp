#include "base/fd.h"

#include <fcntl.h>

#include <utility>

#include "support/catch.h"

using namespace pop;

namespace {

Fd open_null() { return Fd{::open("/dev/null", O_RDWR | O_CLOEXEC)}; }
bool is_open(int raw) { return ::fcntl(raw, F_GETFD) >= 0; }

}  // namespace

TEST_CASE("Fd closes what it owns, once", "[base]") {
  int raw = -1;
  {
    const Fd fd = open_null();
    raw = fd.get();
    CHECK(is_open(raw));
  }
  CHECK(!is_open(raw));
}

TEST_CASE("Fd moves, and assignment closes the old one at once", "[base]") {
  Fd first = open_null();
  Fd second = open_null();
  const int raw_first = first.get();
  const int raw_second = second.get();
  first = std::move(second);
  CHECK(!is_open(raw_first));
  CHECK(first.get() == raw_second);
  CHECK(!second.is_open());
  Fd third{std::move(first)};
  CHECK(!first.is_open());
  CHECK(third.get() == raw_second);
  const int given = third.release();
  CHECK(!third.is_open());
  CHECK(is_open(given));
  CHECK(::close(given) == 0);
}

TEST_CASE("Fd::close tells the result and may be called again", "[base]") {
  Fd fd = open_null();
  CHECK(fd.close());
  CHECK(!fd.is_open());
  CHECK(fd.close());
  Fd wrong{1'000'000};
  CHECK(wrong.close().error().text.starts_with("close: "));
  CHECK(!wrong.is_open());
}

TEST_CASE("Fd::duplicate gives a descriptor of its own, close-on-exec", "[base]") {
  Fd fd = open_null();
  auto copy = fd.duplicate();
  REQUIRE(copy);
  CHECK(copy->get() != fd.get());
  CHECK((::fcntl(copy->get(), F_GETFD) & FD_CLOEXEC) != 0);
  REQUIRE(fd.close());
  CHECK(is_open(copy->get()));
  CHECK(!Fd{}.duplicate());
}
