#include "popcheck/probe_rules.h"

#include "support/catch.h"

namespace pop {
namespace {

using Lines = std::vector<std::string>;

TEST_CASE("Capabilities are read in either case, and the odd ones are told", "[popcheck][probe]") {
  const Lines good{"TOP", "sasl PLAIN LOGIN", "LOGIN-DELAY 30 USER", "IMPLEMENTATION x y"};
  CHECK_FALSE(capabilities_fault(good));
  const Capabilities capabilities = capabilities_of(good);
  CHECK(capabilities.has("SASL"));
  CHECK(capabilities.parameters("SASL") == Lines{"PLAIN", "LOGIN"});
  CHECK(capabilities.parameters("UIDL").empty());
  CHECK(names_of(capabilities) == "IMPLEMENTATION LOGIN-DELAY SASL TOP");
  for (const Lines& bad : {Lines{"TOP", "top"}, Lines{""}, Lines{" TOP"}, Lines{"T\x01P"},
                           Lines{"SASL"}, Lines{"LOGIN-DELAY soon"}}) {
    CAPTURE(bad.front());
    CHECK(capabilities_fault(bad));
  }
}

TEST_CASE("A banner timestamp is a message-id", "[popcheck][probe]") {
  CHECK(banner_stamp_of("+OK hi <1.2@host>") == "<1.2@host>");
  CHECK(banner_stamp_of("+OK <b>fast</b> <1.2@host> ready") == "<1.2@host>");
  for (const std::string_view none : {"+OK", "+OK <b>", "+OK 1@host", "+OK >a@b<"}) {
    CAPTURE(none);
    CHECK_FALSE(banner_stamp_of(none));
  }
  CHECK_FALSE(banner_stamp_fault("<1.2@host>"));
  for (const std::string_view bad : {"<@host>", "<1@>", "<1@a@b>", "<1 2@host>"}) {
    CAPTURE(bad);
    CHECK(banner_stamp_fault(bad));
  }
}

TEST_CASE("Response codes are looked at where they are announced", "[popcheck][probe]") {
  const Capabilities silent;
  const Capabilities announces = capabilities_of(Lines{"RESP-CODES"});
  CHECK(response_code_of("-ERR [in-use] busy") == "IN-USE");
  CHECK(response_code_of("-ERR [SYS/TEMP] later") == "SYS/TEMP");
  CHECK_FALSE(response_code_of("-ERR busy [IN-USE]"));
  CHECK_FALSE(response_code_of("+OK [x]"));
  for (const std::string_view bad :
       {"-ERR [] no", "-ERR [ no", "-ERR [SYS/] no", "-ERR [a b] no"}) {
    CAPTURE(bad);
    CHECK(response_code_fault(bad, announces));
    CHECK_FALSE(response_code_fault(bad, silent));
  }
  CHECK_FALSE(response_code_fault("-ERR [SYS/TEMP] no", announces));
  CHECK_FALSE(response_code_fault("-ERR no", announces));
}

TEST_CASE("STAT and LIST agree or do not", "[popcheck][probe]") {
  CHECK(count_of("+OK 2 300") == MaildropCount{2, 300});
  CHECK(count_of("+OK 2 300 and more") == MaildropCount{2, 300});
  for (const std::string_view bad : {"+OK", "+OK 2", "+OK two 300", "-ERR 2 300", "+OK 2 -3"}) {
    CAPTURE(bad);
    CHECK_FALSE(count_of(bad));
  }
  Sizes sizes;
  CHECK_FALSE(take_sizes(Lines{"1 100", "2 200 more"}, sizes));
  CHECK(sizes == Sizes{{1, 100}, {2, 200}});
  CHECK_FALSE(count_fault({2, 300}, sizes));
  CHECK(count_fault({2, 301}, sizes));
  CHECK(count_fault({3, 300}, sizes));
  for (const Lines& bad : {Lines{"0 1"}, Lines{"1"}, Lines{"x 1"}, Lines{"1 1", "1 1"},
                           Lines{"2 1", "1 1"}, Lines{"1 99999999999999999999"}}) {
    CAPTURE(bad.front());
    Sizes taken;
    CHECK(take_sizes(bad, taken));
  }
}

TEST_CASE("Unique-ids have 1 to 70 characters, each its own message", "[popcheck][probe]") {
  Ids ids;
  CHECK_FALSE(take_ids(Lines{"1 a", "2 " + std::string(70, '~')}, ids));
  CHECK_FALSE(unique_fault(ids));
  for (const std::string& bad : {std::string{"1"}, std::string{"1 "}, std::string{"1 a b"},
                                 "1 " + std::string(71, 'a'), std::string{"1 \x7f"}}) {
    CAPTURE(bad);
    Ids taken;
    CHECK(take_ids(Lines{bad}, taken));
  }
  CHECK(unique_fault(Ids{{1, "a"}, {2, "b"}, {3, "a"}}));
}

TEST_CASE("Ids may come and go with their messages only", "[popcheck][probe]") {
  const Ids before{{1, "a"}, {2, "b"}};
  CHECK_FALSE(stable_fault(before, before));
  CHECK_FALSE(stable_fault(before, {{1, "a"}, {2, "b"}, {3, "c"}}));  // delivered
  CHECK_FALSE(stable_fault(before, {{1, "b"}}));                      // deleted
  CHECK(stable_fault(before, {{1, "b"}, {2, "a"}}));
  CHECK(stable_fault(before, {{1, "a"}, {2, "x"}}));
  CHECK(stable_fault(before, {{1, "x"}, {2, "y"}, {3, "z"}}));
}

TEST_CASE("TOP is the header, an empty line, and so many lines", "[popcheck][probe]") {
  const Lines whole{"A: 1", "B: 2", "", "one", "two", "three"};
  CHECK_FALSE(top_fault(whole, Lines{"A: 1", "B: 2", ""}, 0));
  CHECK_FALSE(top_fault(whole, Lines{"A: 1", "B: 2", "", "one", "two"}, 2));
  CHECK_FALSE(top_fault(whole, whole, 3));
  CHECK_FALSE(top_fault(whole, whole, 100));
  CHECK(top_fault(whole, Lines{"A: 1", "B: 2"}, 0));
  CHECK(top_fault(whole, Lines{"A: 1", "B: 2", "", "one"}, 0));
  CHECK(top_fault(whole, Lines{"A: 1", "", "one"}, 1));
  const Lines header_only{"A: 1"};
  CHECK_FALSE(top_fault(header_only, header_only, 5));
  CHECK_FALSE(top_fault({}, {}, 0));
}

TEST_CASE("A dot that was not doubled is seen", "[popcheck][probe]") {
  CHECK_FALSE(stuffing_fault(Lines{"..", "..a", "a."}));
  CHECK(stuffing_fault(Lines{"a", ".b"}));
}

TEST_CASE("A delivered message may gain fields, and lose nothing", "[popcheck][probe]") {
  const Lines sent{"From: a", "Message-ID: <1@x>", "", "one", ".", "end"};
  CHECK_FALSE(delivered_fault(sent, sent));
  CHECK_FALSE(delivered_fault(sent, Lines{"Received: y", "From: a", "X: y", "Message-ID: <1@x>",
                                          "Status: O", "", "one", ".", "end", ""}));
  CHECK(delivered_fault(sent, Lines{"From: a", "", "one", ".", "end"}));
  CHECK(delivered_fault(sent, Lines{"From: a", "Message-ID: <1@x>", "", "one", "end"}));
  CHECK(delivered_fault(sent, Lines{"From: a", "Message-ID: <1@x>", "", "one", ".", "end", "ad"}));
  CHECK(delivered_fault(sent, {}));
}

}  // namespace
}  // namespace pop
