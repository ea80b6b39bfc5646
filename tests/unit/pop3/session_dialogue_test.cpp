#include "pop3/session_dialogue.h"

#include <algorithm>
#include <random>

#include "pop3/reply.h"
#include "support/catch.h"

using namespace pop;

namespace {

using namespace std::string_literals;

CapabilityFacts facts() {
  CapabilityFacts facts;
  facts.host = "host";
  return facts;
}

const std::vector<ListedMessage> three{
    {{120}, "aaa"}, {{0}, "b!~"}, {{5'000'000'000}, "ccc", true}};

struct Rendering {
  std::string operator()(const SendReply& send) const { return send.text; }
  std::string operator()(const SendMessage& send) const {
    const std::string lines = send.top ? " top " + std::to_string(send.top->value) : "";
    const std::string form = send.mangle ? " in " + std::string{send.mangle->charset} : "";
    return send.reply + "{message " + std::to_string(send.number.value) + lines + form + "}";
  }
  std::string operator()(const SendSizes& send) const {
    using enum SendSizes::Form;
    std::string text = send.form == listing ? "{sizes" : send.form == reply ? "{size" : "{total";
    for (const MessageNumber number : send.messages) text += " " + std::to_string(number.value);
    return text + " in " + std::string{send.mangle.charset} + "}";
  }
  std::string operator()(const SendFields& send) const {
    using enum SendFields::Form;
    std::string text = send.reply;
    text += send.form == field_lines   ? "{" + send.prefix
            : send.form == sender_rows ? "{senders"
                                       : "{sender";
    for (const MessageNumber number : send.messages) text += " " + std::to_string(number.value);
    return text + "}";
  }
  std::string operator()(const UseUtf8& use) const { return "{utf8}" + use.reply; }
  std::string operator()(const TakeMail&) const { return "{mail}"; }
  std::string operator()(const CommitAndQuit&) const { return "{commit}"; }
};

std::string reply_to(SessionDialogue& dialogue, std::string_view line) {
  std::vector<SessionAction> actions;
  dialogue.on_line(line, actions);
  REQUIRE(actions.size() == 1);
  return std::visit(Rendering{}, actions.front());
}

struct Exchange {
  std::string client, server;
};

void hold(std::span<const ListedMessage> messages, const std::vector<Exchange>& transcript) {
  SessionDialogue dialogue{facts(), messages};
  for (const Exchange& exchange : transcript) {
    CAPTURE(exchange.client);
    CHECK(reply_to(dialogue, exchange.client) == exchange.server);
  }
}

}  // namespace

TEST_CASE("STAT, LIST and UIDL tell the whole maildrop", "[pop3][session]") {
  hold(three,
       {{"STAT", "+OK 3 5000000120\r\n"},
        {"LIST",
         "+OK 3 visible messages (5000000120 octets)\r\n1 120\r\n2 0\r\n3 5000000000\r\n.\r\n"},
        {"UIDL", "+OK uidl command accepted.\r\n1 aaa\r\n2 b!~\r\n3 ccc\r\n.\r\n"},
        {"LIST 3", "+OK 3 5000000000\r\n"},
        {"UIDL 2", "+OK 2 b!~\r\n"},
        {"list 1", "+OK 1 120\r\n"}});
}

TEST_CASE("an empty maildrop has empty listings", "[pop3][session]") {
  hold({}, {{"STAT", "+OK 0 0\r\n"},
            {"LIST", "+OK 0 visible messages (0 octets)\r\n.\r\n"},
            {"UIDL", "+OK uidl command accepted.\r\n.\r\n"},
            {"LIST 1", "-ERR Message 1 does not exist.\r\n"},
            {"UIDL 1", "-ERR Message 1 out of range.\r\n"},
            {"LAST", "+OK 0\r\n"},
            {"QUIT", "{commit}"}});
}

TEST_CASE("RETR and TOP name the message to send", "[pop3][session]") {
  hold(three, {{"RETR 1", "+OK 120 octets\r\n{message 1}"},
               {"RETR 3", "+OK 5000000000 octets\r\n{message 3}"},
               {"TOP 2 0", "+OK Message follows\r\n{message 2 top 0}"},
               {"TOP 2 17", "+OK Message follows\r\n{message 2 top 17}"},
               {"TOP 2 99999999999", "+OK Message follows\r\n{message 2 top 4294967295}"},
               {"TOP 2 -1", "-ERR Unknown TOP argument: -1\r\n"},
               {"TOP 4 1", "-ERR Message 4 does not exist.\r\n"},
               {"TOP 1", "-ERR Too few arguments for the top command.\r\n"},
               {"TOP 1 2 3", "-ERR Too many arguments for the top command.\r\n"}});
}

TEST_CASE("RETR, TOP and LIST take one word more for the form of the message", "[pop3][mangle]") {
  hold(three, {{"RETR 1 X-MANGLE(text=plain)", "+OK Message follows\r\n{message 1 in us-ascii}"},
               {"retr 1 xmangle(charset=utf-8)", "+OK Message follows\r\n{message 1 in utf-8}"},
               {"TOP 2 7 Mangle", "+OK Message follows\r\n{message 2 top 7 in us-ascii}"},
               {"LIST X-MANGLE(charset=cp1252)", "{sizes 1 2 3 in cp1252}"},
               {"LIST 3 X-MANGLE()", "{size 3 in us-ascii}"},
               {"DELE 2", "+OK Message 2 has been deleted.\r\n"},
               {"LIST X-MANGLE", "{sizes 1 3 in us-ascii}"},
               {"STAT", "+OK 2 5000000120\r\n"},
               {"RETR 2 X-MANGLE", "-ERR Message 2 has been deleted.\r\n"},
               {"RETR 9 X-MANGLE", "-ERR Message 9 does not exist.\r\n"},
               {"RETR 1 X-MANGLE(", "-ERR Syntax error in x-mangle\r\n"},
               {"RETR 1 X-MANGLE(text)", "-ERR Syntax error in x-mangle\r\n"},
               {"RETR 1 X-MANGLE(text=rtf)", "-ERR Syntax error in Mangle\r\n"},
               {"RETR 1 X-MANGLE(nothing=1)", "-ERR Syntax error in Mangle\r\n"},
               {"RETR X-MANGLE", "-ERR Too few arguments for the retr command.\r\n"},
               {"TOP 1 X-MANGLE", "-ERR Too few arguments for the top command.\r\n"},
               {"RETR 1 2", "-ERR Too many arguments for the retr command.\r\n"},
               {"RETR 1 2 X-MANGLE", "-ERR Too many arguments for the retr command.\r\n"},
               {"UIDL X-MANGLE", "-ERR Parameter must be a number between 1 and 3\r\n"}});
}

TEST_CASE("a session can have all its messages in one form", "[pop3][mangle]") {
  SessionDialogue dialogue{facts(), three};
  dialogue.mangle_all({});
  CHECK(reply_to(dialogue, "STAT") == "{total 1 2 3 in us-ascii}");
  CHECK(reply_to(dialogue, "LIST") == "{sizes 1 2 3 in us-ascii}");
  CHECK(reply_to(dialogue, "LIST 2") == "{size 2 in us-ascii}");
  CHECK(reply_to(dialogue, "RETR 1") == "+OK Message follows\r\n{message 1 in us-ascii}");
  CHECK(reply_to(dialogue, "TOP 1 0") == "+OK Message follows\r\n{message 1 top 0 in us-ascii}");
  CHECK(reply_to(dialogue, "RETR 1 X-MANGLE(charset=utf-8)") ==
        "+OK Message follows\r\n{message 1 in utf-8}");
}

TEST_CASE("a macro stands for a word in any command but MDEF", "[pop3][mdef]") {
  hold(three, {{"MDEF Short(X-MANGLE(charset=UTF-8))", "+OK Macro \"short\" accepted\r\n"},
               {"RETR 1 SHORT", "+OK Message follows\r\n{message 1 in utf-8}"},
               {"LIST short", "{sizes 1 2 3 in utf-8}"},
               {"MDEF short(mangle)", "+OK Macro \"short\" accepted\r\n"},
               {"RETR 1 short", "+OK Message follows\r\n{message 1 in us-ascii}"},
               {"MDEF one(1)", "+OK Macro \"one\" accepted\r\n"},
               {"LIST one", "+OK 1 120\r\n"},
               {"RETR unknown", "-ERR Unknown RETR argument: unknown\r\n"},
               {"MDEF 1(2)", "-ERR Syntax error\r\n"},
               {"MDEF one", "-ERR Syntax error\r\n"},
               {"MDEF one()", "-ERR Syntax error\r\n"},
               {"MDEF one(", "-ERR Syntax error\r\n"},
               {"MDEF %n(2)", "-ERR Syntax error\r\n"},
               {"MDEF a b", "-ERR Too many arguments for the mdef command.\r\n"},
               {"MDEF", "-ERR Too few arguments for the mdef command.\r\n"},
               {"MDEF a(" + std::string(97, 'x') + ")", "+OK Macro \"a\" accepted\r\n"},
               {"MDEF a(" + std::string(98, 'x') + ")", "-ERR MDEF name too long\r\n"}});
}

TEST_CASE("the eleventh macro is refused, a known one is not", "[pop3][mdef]") {
  SessionDialogue dialogue{facts(), three};
  for (char name = 'a'; name < 'k'; ++name) {
    const std::string word{name};
    CHECK(reply_to(dialogue, "MDEF " + word + "(1)") == "+OK Macro \"" + word + "\" accepted\r\n");
  }
  CHECK(reply_to(dialogue, "MDEF k(1)") == "-ERR Server only takes a maximum of 10 MDEFs\r\n");
  CHECK(reply_to(dialogue, "MDEF a(3)") == "+OK Macro \"a\" accepted\r\n");
  CHECK(reply_to(dialogue, "LIST a") == "+OK 3 5000000000\r\n");
}

TEST_CASE("deleted messages are gone from every listing and keep their number", "[pop3][session]") {
  hold(three,
       {{"DELE 1", "+OK Message 1 has been deleted.\r\n"},
        {"STAT", "+OK 2 5000000000\r\n"},
        {"LIST", "+OK 2 visible messages (5000000000 octets)\r\n2 0\r\n3 5000000000\r\n.\r\n"},
        {"UIDL", "+OK uidl command accepted.\r\n2 b!~\r\n3 ccc\r\n.\r\n"},
        {"LIST 1", "-ERR Message 1 has been deleted.\r\n"},
        {"UIDL 1", "-ERR Message 1 has been marked for deletion.\r\n"},
        {"RETR 1", "-ERR Message 1 has been deleted.\r\n"},
        {"TOP 1 1", "-ERR Message 1 has been deleted.\r\n"},
        {"DELE 1", "-ERR Message 1 has been deleted.\r\n"},
        {"RETR 2", "+OK 0 octets\r\n{message 2}"},
        {"RSET", "+OK Maildrop has 3 messages (5000000120 octets)\r\n"},
        {"STAT", "+OK 3 5000000120\r\n"},
        {"LIST 1", "+OK 1 120\r\n"}});
}

TEST_CASE("LAST is the highest number that RETR or DELE touched", "[pop3][session]") {
  const std::vector<ListedMessage> four{{{1}, "a"}, {{2}, "b"}, {{3}, "c"}, {{4}, "d"}};
  hold(four, {{"LAST", "+OK 0\r\n"},
              {"TOP 3 1", "+OK Message follows\r\n{message 3 top 1}"},
              {"LAST", "+OK 0\r\n"},
              {"RETR 2", "+OK 2 octets\r\n{message 2}"},
              {"RETR 1", "+OK 1 octets\r\n{message 1}"},
              {"LAST", "+OK 2\r\n"},
              {"DELE 3", "+OK Message 3 has been deleted.\r\n"},
              {"LAST", "+OK 3\r\n"},
              {"RETR 5", "-ERR Message 5 does not exist.\r\n"},
              {"LAST", "+OK 3\r\n"},
              {"RSET", "+OK Maildrop has 4 messages (10 octets)\r\n"},
              {"LAST", "+OK 0\r\n"}});
}

TEST_CASE("LAST begins with what earlier sessions retrieved, and RSET goes back to it",
          "[pop3][session]") {
  const std::vector<ListedMessage> four{{{1}, "a", true}, {{2}, "b", true}, {{3}, "c"}, {{4}, "d"}};
  hold(four, {{"LAST", "+OK 2\r\n"},
              {"RETR 1", "+OK 1 octets\r\n{message 1}"},
              {"LAST", "+OK 2\r\n"},
              {"RETR 4", "+OK 4 octets\r\n{message 4}"},
              {"LAST", "+OK 4\r\n"},
              {"RSET", "+OK Maildrop has 4 messages (10 octets)\r\n"},
              {"LAST", "+OK 2\r\n"}});
}

TEST_CASE("CVE-2000-0096: hostile message numbers are refused by every command",
          "[pop3][session]") {
  struct Row {
    std::string argument, shown;
  };
  const std::string endless(900, '9');
  for (const std::string& number : {"0"s, "4"s, "4294967296"s, "4294967297"s, "2147483648"s,
                                    "9223372036854775809"s, "18446744073709551617"s, "00"s}) {
    for (const char* verb : {"LIST", "RETR", "DELE"}) {
      hold(three, {{verb + " "s + number, "-ERR Message " + number + " does not exist.\r\n"}});
    }
    hold(three, {{"UIDL " + number, "-ERR Message " + number + " out of range.\r\n"},
                 {"TOP " + number + " 1", "-ERR Message " + number + " does not exist.\r\n"}});
  }
  hold(three,
       {{"LIST " + endless, "-ERR Message " + endless.substr(0, 320) + "... does not exist.\r\n"}});
  for (const Row& row :
       {Row{"-1", "-1"}, Row{"+1", "+1"}, Row{"0x1", "0x1"}, Row{"1.", "1."}, Row{"1\r", "1\\x0d"},
        Row{"1\0"s, "1\\x00"}, Row{"\xb9", "\\xb9"}, Row{"%n", "%n"}, Row{"x", "x"}}) {
    hold(three, {{"LIST " + row.argument, "-ERR Unknown LIST argument: " + row.shown + "\r\n"},
                 {"RETR " + row.argument, "-ERR Unknown RETR argument: " + row.shown + "\r\n"},
                 {"DELE " + row.argument, "-ERR Unknown DELE argument: " + row.shown + "\r\n"},
                 {"TOP " + row.argument + " 1", "-ERR Unknown TOP argument: " + row.shown + "\r\n"},
                 {"UIDL " + row.argument, "-ERR Parameter must be a number between 1 and 3\r\n"},
                 {"STAT", "+OK 3 5000000120\r\n"}});
  }
}

TEST_CASE("the session refuses wrong counts of arguments and wrong commands", "[pop3][session]") {
  hold(three, {{"STAT x", "-ERR Too many arguments for the stat command.\r\n"},
               {"RETR", "-ERR Too few arguments for the retr command.\r\n"},
               {"DELE 1 2", "-ERR Too many arguments for the dele command.\r\n"},
               {"LIST 1 2", "-ERR Too many arguments for the list command.\r\n"},
               {"QUIT x", "-ERR Too many arguments for the quit command.\r\n"},
               {"USER jo", "-ERR The user command can be used before login only.\r\n"},
               {"APOP", "-ERR The apop command can be used before login only.\r\n"},
               {"STLS", "-ERR The stls command can be used before login only.\r\n"},
               {"XSENDER", "-ERR Unknown command: \"xsender\".\r\n"},
               {"", "-ERR Unknown command.\r\n"},
               {"GET /", "-ERR Unknown command: \"get\".\r\n"},
               {"NOOP", "+OK no big woop\r\n"},
               {"CAPA", capability_reply(facts(), CapabilityState::transaction)},
               {"QUIT", "{commit}"}});
}

TEST_CASE("goodbye and the long line", "[pop3][session]") {
  SessionDialogue dialogue{facts(), three};
  CHECK(dialogue.quit_reply() == "+OK Pop server at host signing off.\r\n");
  std::vector<SessionAction> actions;
  dialogue.on_too_long_line(actions);
  REQUIRE(actions.size() == 1);
  CHECK(std::get<SendReply>(actions[0]).text == "-ERR Command line longer than 1024 octets.\r\n");
}

TEST_CASE("a pipelined batch gets its replies in order", "[pop3][session]") {
  SessionDialogue dialogue{facts(), three};
  std::vector<SessionAction> actions;
  for (const char* line : {"STAT", "DELE 2", "RETR 1", "DELE 2", "QUIT"})
    dialogue.on_line(line, actions);
  std::string text;
  for (const SessionAction& action : actions) text += std::visit(Rendering{}, action);
  CHECK(text ==
        "+OK 3 5000000120\r\n+OK Message 2 has been deleted.\r\n"
        "+OK 120 octets\r\n{message 1}-ERR Message 2 has been deleted.\r\n{commit}");
}

TEST_CASE("XTND XLIST and EUIDL tell of headers", "[pop3][session]") {
  const std::string coming = "+OK xlst command accepted; headers coming.\r\n";
  hold(three, {{"XTND XLIST From", coming + "{From 1 2 3}"},
               {"xtnd xlist subj 2", coming + "{subj 2}"},
               {"EUIDL", "+OK uidl command accepted.\r\n{senders 1 2 3}"},
               {"EUIDL 3", "{sender 3}"},
               {"DELE 2", "+OK Message 2 has been deleted.\r\n"},
               {"XTND XLIST From", coming + "{From 1 3}"},
               {"EUIDL", "+OK uidl command accepted.\r\n{senders 1 3}"},
               {"EUIDL 2", "-ERR Message 2 has been marked for deletion.\r\n"},
               {"XTND XLIST From 2", "-ERR Message 2 has been deleted.\r\n"},
               {"XTND XLIST From 4", "-ERR Message 4 does not exist.\r\n"},
               {"XTND XLIST From x", "-ERR Unknown XTND argument: x\r\n"},
               {"XTND", "-ERR Too few arguments for the xtnd command.\r\n"},
               {"xtnd Xmit", "{mail}"},
               {"XTND XMIT jo", "-ERR Too many arguments for the xtnd command.\r\n"},
               {"XTND XLIST", "-ERR Too few arguments for the xtnd xlist command.\r\n"},
               {"XTND XLIST a 1 2", "-ERR Too many arguments for the xtnd xlist command.\r\n"},
               {"XTND SCRIPT", "-ERR Unknown command: \"xtnd script\".\r\n"},
               {"XTND <b>", "-ERR Unknown command.\r\n"},
               {"EUIDL 1 2", "-ERR Too many arguments for the euidl command.\r\n"}});
}

TEST_CASE("an implicit DELE takes what was retrieved since RSET, and each message once",
          "[pop3][session]") {
  const std::array<ListedMessage, 4> messages = {
      ListedMessage{WireOctets{1}, "a", true}, ListedMessage{WireOctets{2}, "b"},
      ListedMessage{WireOctets{4}, "c"}, ListedMessage{WireOctets{8}, "d"}};
  SessionDialogue dialogue{{}, messages};
  dialogue.on_retrieved(MessageNumber{2});
  static_cast<void>(reply_to(dialogue, "RSET"));
  dialogue.on_retrieved(MessageNumber{3});
  dialogue.on_retrieved(MessageNumber{4});
  static_cast<void>(reply_to(dialogue, "DELE 4"));
  dialogue.delete_retrieved();
  dialogue.delete_retrieved();
  CHECK(dialogue.deleted_count() == 2);
  CHECK(dialogue.octets_left() == WireOctets{3});
  CHECK(!dialogue.is_deleted(MessageNumber{1}));
  CHECK(!dialogue.is_deleted(MessageNumber{2}));

  SessionDialogue reading{{}, messages, SessionDialogue::Rights::read_only};
  reading.on_retrieved(MessageNumber{1});
  reading.delete_retrieved();
  CHECK(reading.deleted_count() == 0);
}

TEST_CASE("what was retrieved is known until RSET", "[pop3][session]") {
  SessionDialogue dialogue{facts(), three};
  CHECK_FALSE(dialogue.is_retrieved({1}));
  CHECK_FALSE(dialogue.is_retrieved({3}));  // an earlier session's does not count
  static_cast<void>(reply_to(dialogue, "RETR 1"));
  CHECK_FALSE(dialogue.is_retrieved({1}));  // not sent yet
  dialogue.on_retrieved({1});
  CHECK(dialogue.is_retrieved({1}));
  static_cast<void>(reply_to(dialogue, "RSET"));
  CHECK_FALSE(dialogue.is_retrieved({1}));
}

namespace {

// The maildrop as RFC 1939 describes it, kept in the simplest way.
struct Model {
  std::vector<ListedMessage> messages;
  std::vector<bool> deleted;

  [[nodiscard]] bool has(std::size_t number) const {
    return number >= 1 && number <= messages.size() && !deleted[number - 1];
  }
  [[nodiscard]] reply::Maildrop left() const {
    reply::Maildrop sum;
    for (std::size_t i = 0; i < messages.size(); ++i) {
      if (deleted[i]) continue;
      ++sum.messages;
      sum.octets += messages[i].size;
    }
    return sum;
  }
  template <class Column>
  [[nodiscard]] std::string listing(Column column) const {
    std::string text;
    for (std::size_t i = 0; i < messages.size(); ++i) {
      if (!deleted[i]) text += std::to_string(i + 1) + " " + column(messages[i]) + "\r\n";
    }
    return text + ".\r\n";
  }
};

std::string size_column(const ListedMessage& message) {
  return std::to_string(message.size.count);
}
std::string id_column(const ListedMessage& message) {
  return std::string{message.unique_id};
}

std::string after_first_line(const std::string& text) {
  return text.substr(text.find('\n') + 1);
}

void check_agreement(SessionDialogue& dialogue, const Model& model) {
  const reply::Maildrop left = model.left();
  CHECK(dialogue.messages_left() == left.messages);
  CHECK(dialogue.octets_left() == left.octets);
  CHECK(dialogue.deleted_count() == model.messages.size() - left.messages);
  CHECK(reply_to(dialogue, "STAT") == reply::stat(left));
  CHECK(reply_to(dialogue, "LIST") == reply::listing(left) + model.listing(size_column));
  CHECK(after_first_line(reply_to(dialogue, "UIDL")) == model.listing(id_column));
}

}  // namespace

TEST_CASE("STAT, LIST and UIDL agree after any commands", "[pop3][session][property]") {
  static const std::vector<std::string> ids{"a", "bb", "c3", "d~", "!e", "f", "g"};
  for (std::uint32_t seed = 0; seed < 300; ++seed) {
    CAPTURE(seed);
    std::mt19937 random{seed};
    Model model;
    for (std::size_t i = random() % (ids.size() + 1); i > 0; --i) {
      model.messages.push_back({{random() % 100'000}, ids[i - 1]});
    }
    model.deleted.resize(model.messages.size());
    SessionDialogue dialogue{facts(), model.messages};
    for (int step = 0; step < 25; ++step) {
      const std::size_t number = random() % (ids.size() + 2);
      const std::string argument = std::to_string(number);
      const bool exists = model.has(number);
      switch (random() % 6) {
        case 0:
          CHECK(reply_to(dialogue, "DELE " + argument).starts_with("+OK") == exists);
          if (exists) model.deleted[number - 1] = true;
          break;
        case 1:
          if (random() % 4 == 0) {
            CHECK(reply_to(dialogue, "RSET").starts_with("+OK"));
            model.deleted.assign(model.deleted.size(), false);
          }
          break;
        case 2:
          CHECK(reply_to(dialogue, "RETR " + argument).starts_with("+OK") == exists);
          break;
        case 3:
          CHECK(reply_to(dialogue, "TOP " + argument + " 1").starts_with("+OK") == exists);
          break;
        case 4: {
          const std::string size = reply_to(dialogue, "LIST " + argument);
          REQUIRE(size.starts_with("+OK") == exists);
          if (exists) CHECK(model.listing(size_column).find(size.substr(4)) != std::string::npos);
          break;
        }
        default: {
          const std::string id = reply_to(dialogue, "UIDL " + argument);
          REQUIRE(id.starts_with("+OK") == exists);
          if (exists)
            CHECK(id == "+OK " + argument + " " + id_column(model.messages[number - 1]) + "\r\n");
        }
      }
      check_agreement(dialogue, model);
    }
  }
}

// Does not end within the test's time limit if each line moves all before it.
TEST_CASE("listings of 1,000,000 messages are built", "[pop3][session]") {
  const std::vector<ListedMessage> many(
      1'000'000, ListedMessage{{123'456}, "0123456789abcdef0123456789abcdef"});
  SessionDialogue dialogue{facts(), many};
  for (const char* command : {"LIST", "UIDL"}) {
    const std::string listing = reply_to(dialogue, command);
    CHECK(static_cast<std::size_t>(std::ranges::count(listing, '\n')) == many.size() + 2);
  }
}

TEST_CASE("A session for reading only deletes nothing and says why", "[pop3][session]") {
  SessionDialogue dialogue{facts(), three, SessionDialogue::Rights::read_only};
  CHECK(reply_to(dialogue, "DELE 1") ==
        "-ERR Message 1 is kept: this password is for reading only.\r\n");
  CHECK(reply_to(dialogue, "DELE 9").starts_with("-ERR "));
  CHECK_FALSE(dialogue.is_deleted(MessageNumber{1}));
  CHECK(reply_to(dialogue, "STAT") == "+OK 3 5000000120\r\n");
  CHECK(reply_to(dialogue, "RETR 1").starts_with("+OK"));
}

TEST_CASE("LANG after the login chooses, lists and refuses", "[pop3][session][language]") {
  Languages languages;
  languages.add(Language{"de", "Deutsch"});
  CapabilityFacts with_languages = facts();
  with_languages.languages = &languages;
  SessionDialogue dialogue{with_languages, three};
  CHECK(reply_to(dialogue, "LANG") == reply::language_listing(languages));
  CHECK(reply_to(dialogue, "LANG xx") == "-ERR The server does not speak this language.\r\n");
  CHECK(dialogue.language() == nullptr);
  CHECK(reply_to(dialogue, "LANG de") == "+OK de is the tag of the language from now on.\r\n");
  REQUIRE(dialogue.language() != nullptr);
  CHECK(dialogue.language()->tag() == "de");
  SessionDialogue without{facts(), three};
  CHECK(reply_to(without, "LANG de") == "-ERR Unknown command: \"lang\".\r\n");
}

TEST_CASE("UTF8 after the login changes sizes and nothing else", "[pop3][session][language]") {
  const Languages languages;
  CapabilityFacts with_languages = facts();
  with_languages.languages = &languages;
  std::vector<ListedMessage> listed{{{100}, "a"}, {{50}, "b"}};
  SessionDialogue dialogue{with_languages, listed};
  CHECK(reply_to(dialogue, "DELE 1") == "+OK Message 1 has been deleted.\r\n");
  CHECK(reply_to(dialogue, "UTF8") == "{utf8}" + reply::utf8_enabled());
  listed[0].size = {90};
  listed[1].size = {40};
  dialogue.take_new_sizes();
  CHECK(reply_to(dialogue, "STAT") == "+OK 1 40\r\n");
  CHECK(reply_to(dialogue, "RSET") == reply::reset({2, {130}}));
  CHECK(reply_to(dialogue, "UTF8 x") == reply::too_many_arguments(Verb::utf8));
  SessionDialogue without{facts(), listed};
  CHECK(reply_to(without, "UTF8") == "-ERR Unknown command: \"utf8\".\r\n");
}
