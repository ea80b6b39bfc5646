#include "pop3/kpop_exchange.h"

#include <random>
#include <vector>

#include "support/catch.h"

using namespace pop;
using namespace std::string_literals;

namespace {

const std::string versions = kpop_message("KRB5_SENDAUTH_V1.0\0"s) + kpop_message("KPOPV1.0\0"s);

/// What is done about the pieces, up to the first wait after the last: sent octets, then what ends.
struct Course {
  std::string sent;
  std::vector<std::string> requests, refusals;
  bool operator==(const Course&) const = default;
};

Course course_of(std::initializer_list<std::string_view> pieces) {
  KpopExchange exchange;
  Course course;
  for (const std::string_view piece : pieces) {
    exchange.feed(piece);
    for (KpopStep step = exchange.next(); !std::holds_alternative<KpopWait>(step);
         step = exchange.next()) {
      if (const auto* send = std::get_if<KpopSend>(&step)) {
        course.sent += send->octets;
      } else if (const auto* request = std::get_if<KpopRequest>(&step)) {
        course.requests.push_back(request->octets);
        return course;
      } else if (const auto* refusal = std::get_if<KpopRefusal>(&step)) {
        course.refusals.push_back(refusal->octets);
        return course;
      }
    }
  }
  return course;
}

}  // namespace

TEST_CASE("A client of KPOP is understood wherever its octets are cut", "[pop3][kpop]") {
  const std::string whole = versions + kpop_message("the request");
  for (std::size_t cut = 0; cut <= whole.size(); ++cut) {
    CAPTURE(cut);
    CHECK(course_of({whole.substr(0, cut), whole.substr(cut)}) ==
          Course{std::string(1, '\0'), {"the request"}, {}});
  }
}

TEST_CASE("Both versions are answered together, as krb5_recvauth does", "[pop3][kpop]") {
  const std::string exchange = kpop_message("KRB5_SENDAUTH_V1.0\0"s);
  CHECK(course_of({exchange}) == Course{});
  CHECK(course_of({exchange, kpop_message("rcmd\0"s)}) == Course{"", {}, {"\2"}});
  CHECK(course_of({exchange, kpop_message("KPOPV1.0")}) == Course{"", {}, {"\2"}});
  CHECK(course_of({kpop_message("AUTHV0.1")}) == Course{});
  CHECK(course_of({kpop_message("AUTHV0.1"), kpop_message("KPOPV1.0\0"s)}) ==
        Course{"", {}, {"\1"}});
}

TEST_CASE("Who is no client of KPOP is told so by its first four octets", "[pop3][kpop]") {
  for (const std::string_view words : {"USER jo\r\n", "QUIT\r\n", "\xff\xff\xff\xff", "GET "}) {
    const Course course = course_of({words});
    REQUIRE(course.refusals.size() == 1);
    CHECK(course.refusals[0].starts_with("-ERR [AUTH] Kerberos authentication failure"));
  }
  CHECK(course_of({"USE"}) == Course{});
}

TEST_CASE("A request is bounded, and nothing may follow it unasked", "[pop3][kpop]") {
  const std::string longest(KpopExchange::longest_request, 'x');
  CHECK(course_of({versions, kpop_message(longest)}).requests.size() == 1);
  CHECK(course_of({versions, kpop_message(longest + 'x').substr(0, 4)}).refusals.size() == 1);
  CHECK(course_of({versions, kpop_message("request") + "USER jo\r\n"}).refusals.size() == 1);
  CHECK(course_of({versions, kpop_message("")}).requests == std::vector<std::string>{""});
}

TEST_CASE("Random octets never lead to a request without the versions", "[pop3][kpop]") {
  std::mt19937 random{3};
  for (int round = 0; round < 5000; ++round) {
    std::string octets(random() % 64, '\0');
    for (char& octet : octets) octet = random() % 2 ? static_cast<char>(random()) : '\0';
    CHECK(course_of({octets}).requests.empty());
  }
}
