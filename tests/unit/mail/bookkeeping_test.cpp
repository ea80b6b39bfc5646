#include "mail/bookkeeping.h"

#include <array>
#include <string>

#include "support/catch.h"

using namespace pop;

TEST_CASE("Every bookkeeping field has its kind and its rule for the client", "[mail][header]") {
  struct Row {
    std::string_view name;
    Bookkeeping kind;
    bool hidden;
  };
  const Row row = GENERATE(
      Row{"Content-Length", Bookkeeping::content_length, true},
      Row{"LINES", Bookkeeping::content_length, false}, Row{"status", Bookkeeping::status, false},
      Row{"X-Status", Bookkeeping::status, false}, Row{"x-uidl", Bookkeeping::unique_id, true},
      Row{"X-IMAP", Bookkeeping::imap, true}, Row{"X-IMAPbase", Bookkeeping::imap, true},
      Row{"X-UID", Bookkeeping::imap, true}, Row{"X-Keywords", Bookkeeping::imap, true},
      Row{"Subject", Bookkeeping::none, false}, Row{"X-UIDLs", Bookkeeping::none, false},
      Row{"Statu", Bookkeeping::none, false}, Row{"", Bookkeeping::none, false});
  CAPTURE(row.name);
  CHECK(bookkeeping_of(row.name) == row.kind);
  CHECK(hidden_from_client(row.name) == row.hidden);
}

TEST_CASE("field_name takes a name only where there is one", "[mail][header]") {
  struct Row {
    std::string_view line, name;
  };
  const Row row =
      GENERATE(Row{"Subject: x", "Subject"}, Row{"Subject \t : x", "Subject"}, Row{"a:", "a"},
               Row{"", ""}, Row{":", ""}, Row{" a: b", ""}, Row{"no colon", ""}, Row{"a b: c", ""},
               Row{"\tX-UIDL: c", ""}, Row{"From a@b Wed Dec  2 05:53:22 1992", ""},
               Row{std::string_view{"X-UIDL\0: x", 10}, ""}, Row{"X-\xc3\xa9: x", ""});
  CAPTURE(row.line);
  CHECK(field_name(row.line) == row.name);
}

TEST_CASE("bookkeeping_name decides by the first bytes alone", "[mail][header]") {
  for (std::size_t blanks = 0; blanks < 60; ++blanks) {
    const std::string line = "X-UIDL" + std::string(blanks, ' ') + ": value";
    CAPTURE(blanks);
    CHECK(field_name(line) == "X-UIDL");
    CHECK(bookkeeping_name(line) == (6 + blanks < longest_bookkeeping_head ? "X-UIDL" : ""));
    CHECK(bookkeeping_name(line.substr(0, longest_bookkeeping_head)) == bookkeeping_name(line));
  }
}
