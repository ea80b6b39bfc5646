#include "mail/server_ids.h"

#include "support/catch.h"

using namespace pop;

namespace {

std::optional<std::string> applied(std::string_view format, const UidlVariables& variables) {
  const Result<UidlTemplate> shape = UidlTemplate::parse(format);
  INFO(format);
  REQUIRE(shape);
  return shape->apply(variables);
}

const UidlVariables known{
    .uid = 26, .uidvalidity = 0x43ef5231, .md5 = "abc", .filename = "1000.Host", .guid = "GuId"};

}  // namespace

TEST_CASE("Dovecot's templates make the ids that it makes", "[mail][server-ids]") {
  struct Row {
    std::string_view format, id;
  };
  for (const Row& row :
       std::initializer_list<Row>{{"%08Xu%08Xv", "0000001a43ef5231"},
                                  {"%{uid|hex(8)}%{uidvalidity|hex(8)}", "0000001a43ef5231"},
                                  {"%v.%u", "1139757617.26"},
                                  {"%{ uidvalidity }.%{uid}", "1139757617.26"},
                                  {"%04u", "0026"},
                                  {"%4u", "  26"},
                                  {"%Xu", "1a"},
                                  {"%XUu", "1A"},
                                  {"%{uid|hex|upper}", "1A"},
                                  {"%m", "abc"},
                                  {"%f", "1000.Host"},
                                  {"%Lf", "1000.host"},
                                  {"%g", "GuId"},
                                  {"%{guid|lower}", "guid"},
                                  {"a%%b", "a%b"}}) {
    const std::optional<std::string> id = applied(row.format, known);
    REQUIRE(id);
    CHECK(*id == row.id);
  }
  CHECK(applied("%Mf", known) == md5_in_hex("1000.Host"));
  CHECK(applied("%{filename|md5}", known) == md5_in_hex("1000.Host"));
}

TEST_CASE("a template tells nothing where its variables are not known", "[mail][server-ids]") {
  for (const std::string_view format : {"%u", "%v", "%m", "%f", "%g", "x%u"}) {
    CHECK(!applied(format, {}));
  }
  CHECK(applied("x", {}) == "x");
}

TEST_CASE("a template that is none is refused", "[mail][server-ids]") {
  for (const std::string_view format :
       {"%", "%x", "%08", "%{uid", "%{user}", "%{uid|base64}", "%{uid|hex(x)}", "%99u"}) {
    INFO(format);
    CHECK(!UidlTemplate::parse(format));
  }
}

TEST_CASE("MD5 is the one of RFC 1321", "[mail][server-ids]") {
  CHECK(md5_in_hex("") == "d41d8cd98f00b204e9800998ecf8427e");
  CHECK(md5_in_hex("abc") == "900150983cd24fb0d6963f7d28e17f72");
}

TEST_CASE("header sums take the lines that popa3d and Dovecot take", "[mail][server-ids]") {
  const std::string header =
      "Date: d\nMessage-ID: <m>\nReceived: from there\n\tby here;\n\t then\nReceived: second\n"
      "Date: again\ndelivered-to:   jo \nSubject: s\n folded\nX-Delivery-ID: 7\n\nDate: body\n";
  CHECK(dovecot_header_md5(header) == md5_in_hex("d<m>from there\tby here;\t then  jo 7"));
  const std::string lines =
      "Date: d\nMessage-ID: <m>\nReceived: from there\n\tby here;\n\t then\ndelivered-to:   jo \n"
      "X-Delivery-ID: 7\n";
  const std::string whole = md5_in_hex(lines);
  std::string expected;
  for (const int octet : {3, 2, 1, 0, 7, 6, 5, 4}) {
    expected += whole.substr(static_cast<std::size_t>(octet) * 2, 2);
  }
  CHECK(popa3d_id(header) == expected);
  std::string crlf;
  for (const char c : header) crlf += c == '\n' ? "\r\n" : std::string(1, c);
  CHECK(popa3d_id(crlf) == expected);
  CHECK(dovecot_header_md5(crlf) == dovecot_header_md5(header));
}

TEST_CASE("popa3d 1.0.3 gave these ids", "[mail][server-ids]") {
  struct Row {
    std::string_view header, id;
  };
  for (const Row& row : std::initializer_list<Row>{
           {"Received: from there\n\tby here;\n\t then\nSubject: 1\n", "b825a9aa69a5a2a1"},
           {"Date: x\nMessage-ID: <2>\nReceived: a\nReceived: b\nDate: y\n", "dbb30f0f6167fcb2"},
           {"Date: d\n cont\nSubject: s\n\tfold\n", "eaef9b0091c3e1d9"},
           {"Delivered-To:   jo \nDelivered-To: b\nX-Delivery-ID: 7\nx-delivery-id: 8\n",
            "924a6b683e2e72ed"},
           {"Message-Id: m\n", "7b198c70f46b50fb"},
           {"Subject: only\n", "d98c1dd404b2008f"},
           {"delivered-to: low\ndate: low\n", "4252523209d21ac9"}}) {
    INFO(row.header);
    CHECK(popa3d_id(row.header) == row.id);
  }
}

TEST_CASE("Dovecot 2.3.19 gave these sums of headers", "[mail][server-ids]") {
  struct Row {
    std::string_view header, sum;
  };
  for (const Row& row : std::initializer_list<Row>{
           {"Received: from there\n\tby here;\n\t then\n", "2c75e30a61297abc31880e59f3f3a2ee"},
           {"Date: x\nDate: y\n", "3e44107170a520582ade522fa73c1d15"},
           {"delivered-to:   jo \n", "260e05417cf1da1615414a5f56887038"},
           {"Delivered-To: a\nDelivered-To: b\n", "187ef4436122d1cc2f40dc2b92f0eba0"},
           {"x-delivery-id: 7\n", "8f14e45fceea167a5a36dedd4bea2543"},
           {"Date: d\nMessage-ID: <m>\nReceived: r\nDate: e\nMessage-ID: <n>\n",
            "1d50588701235d66cbad91830ca78129"},
           {"Date: x\n continued\n", "728f3187b144d598df3414930f3f0ddd"}}) {
    INFO(row.header);
    CHECK(dovecot_header_md5(row.header) == row.sum);
  }
}

TEST_CASE("Courier escapes what cannot stand in a unique-id", "[mail][server-ids]") {
  CHECK(courier_escaped("1000.M1,S=3") == "1000.M1,S=3");
  CHECK(courier_escaped("a b'c\"d+e\x80\x7f") == "a+20b+27c+22d+2Be+80+7F");
}
