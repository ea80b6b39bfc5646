// What a client sends, as it comes: through the line reader into both dialogues. The first octet
// chooses the set-up, the second how the rest is cut into pieces.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "pop3/line_reader.h"
#include "pop3/login_dialogue.h"
#include "pop3/reply.h"
#include "pop3/session_dialogue.h"

namespace {

using namespace pop;

void require(bool holds) {
  if (!holds) std::abort();
}

std::vector<LineReader::Line> read_lines(std::string_view input, std::size_t piece) {
  LineReader reader;
  std::vector<LineReader::Line> lines;
  while (!input.empty()) {
    reader.feed(input.substr(0, piece));
    input.remove_prefix(std::min(piece, input.size()));
    while (auto line = reader.next()) lines.push_back(*line);
  }
  return lines;
}

bool same(const std::vector<LineReader::Line>& a, const std::vector<LineReader::Line>& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i].text != b[i].text || a[i].too_long != b[i].too_long) return false;
  }
  return true;
}

void check_command(std::string_view line) {
  const Command command = parse_command(line);
  require(command.arguments.size() <= 5);
  require(command.word.size() + command.rest.size() <= line.size());
  for (const std::string_view argument : command.arguments) {
    require(!argument.empty() && argument.find_first_of(" \t") == std::string_view::npos);
    static_cast<void>(parse_number(argument));
  }
}

// Whole lines, each short, with a sign in front and nothing that could begin another reply. Of an
// exchange (RFC 5034) it is one line.
void check_reply(std::string_view text) {
  const bool is_challenge = text.starts_with("+ ");
  require(text.starts_with("+OK") || text.starts_with("-ERR ") || is_challenge);
  require(!is_challenge || text.find("\r\n") == text.size() - 2);
  require(text.ends_with("\r\n"));
  const bool multi_line = text.find("\r\n") != text.size() - 2;
  if (multi_line) require(text.ends_with("\r\n.\r\n"));
  while (!text.empty()) {
    const std::size_t end = text.find("\r\n");
    require(end + 2 <= reply::longest_line);
    for (const char c : text.substr(0, end)) {
      require(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f);
    }
    text.remove_prefix(end + 2);
  }
}

CapabilityFacts facts_of(std::uint8_t choice) {
  CapabilityFacts facts;
  facts.host = "host";
  facts.shy = (choice & 1) != 0;
  facts.user_pass = (choice & 2) == 0;
  facts.login_delay = (choice & 4) != 0 ? 60 : -1;
  if ((choice & 32) != 0) facts.sasl = {"SCRAM-SHA-256", "CRAM-MD5", "PLAIN", "LOGIN"};
  return facts;
}

void log_in(std::uint8_t choice, const std::vector<LineReader::Line>& lines) {
  LoginDialogue dialogue{facts_of(choice), (choice & 8) != 0 ? "<1.2@host>" : ""};
  check_reply(dialogue.greeting());
  for (const LineReader::Line& line : lines) {
    std::vector<LoginAction> actions =
        line.too_long ? dialogue.on_too_long_line() : dialogue.on_line(line.text);
    require(!actions.empty());
    for (const LoginAction& action : actions) {
      if (const auto* send = std::get_if<SendText>(&action)) check_reply(send->text);
      if (const auto* check = std::get_if<CheckPassword>(&action)) {
        require(!check->user.empty() && !check->password.empty());
        actions = dialogue.on_verdict({LoginVerdict::Outcome::rejected, line.text});
        require(actions.size() == 2);
        check_reply(std::get<SendText>(actions[0]).text);
        break;
      }
      if (const auto* check = std::get_if<CheckApop>(&action)) {
        require(!check->user.empty() && check->digest.size() == 32);
      }
      if (std::holds_alternative<BeginSasl>(action)) {
        actions = dialogue.on_challenge(line.text);
        break;
      }
    }
    if (std::holds_alternative<HangUp>(actions.back())) return;
  }
}

void check_totals(const SessionDialogue& dialogue, const std::vector<ListedMessage>& messages) {
  std::size_t left = 0;
  WireOctets octets;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    if (dialogue.is_deleted({static_cast<std::uint32_t>(i + 1)})) continue;
    ++left;
    octets += messages[i].size;
  }
  require(dialogue.messages_left() == left && dialogue.octets_left() == octets);
  require(dialogue.deleted_count() == messages.size() - left);
}

void transact(std::uint8_t choice, const std::vector<LineReader::Line>& lines) {
  const std::vector<ListedMessage> messages(choice >> 4, {{1234}, "unique-id", (choice & 1) != 0});
  SessionDialogue dialogue{facts_of(choice), messages};
  for (const LineReader::Line& line : lines) {
    std::vector<SessionAction> actions;
    if (line.too_long) {
      dialogue.on_too_long_line(actions);
    } else {
      dialogue.on_line(line.text, actions);
    }
    require(actions.size() == 1);
    if (const auto* reply = std::get_if<SendReply>(&actions[0])) check_reply(reply->text);
    if (const auto* message = std::get_if<SendMessage>(&actions[0])) {
      check_reply(message->reply);
      require(message->number.index() < messages.size());
      require(!dialogue.is_deleted(message->number));
      dialogue.on_retrieved(message->number);
    }
    check_totals(dialogue, messages);
    if (std::holds_alternative<CommitAndQuit>(actions[0])) return;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::string_view input{reinterpret_cast<const char*>(data) + 2, size - 2};
  const std::vector<LineReader::Line> lines = read_lines(input, input.size() + 1);
  require(same(lines, read_lines(input, 1u + data[1])));
  for (const LineReader::Line& line : lines) check_command(line.text);
  log_in(data[0], lines);
  transact(data[0], lines);
  return 0;
}
