#include "pop3/session_dialogue.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/text.h"
#include "pop3/reply.h"

namespace pop {

namespace {

constexpr std::string_view end_of_listing = ".\r\n";

void append_number(std::string& text, std::uint64_t value) {
  char digits[20];
  const auto written = std::to_chars(digits, digits + sizeof digits, value);
  text.append(digits, written.ptr);
}

bool all_digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

SessionAction say(std::string text) {
  return SendReply{std::move(text)};
}

}  // namespace

SessionDialogue::SessionDialogue(CapabilityFacts facts, std::span<const ListedMessage> messages,
                                 Rights rights)
    : facts_{std::move(facts)},
      messages_{messages},
      rights_{rights},
      deleted_(messages.size()),
      retrieved_(messages.size()) {
  for (std::size_t i = 0; i < messages.size(); ++i) {
    octets_ += messages[i].size;
    if (messages[i].retrieved) last_at_start_ = static_cast<std::uint32_t>(i + 1);
  }
  octets_left_ = octets_;
  last_ = last_at_start_;
}

void SessionDialogue::on_line(std::string_view line, std::vector<SessionAction>& actions) {
  Command command = parse_command(line);
  if (command.verb == Verb::unknown || is_hidden(command.verb)) {
    actions.push_back(say(reply::unknown_command(command.word)));
    return;
  }
  if (command.verb != Verb::mdef) {
    for (std::string_view& word : command.arguments) word = macros_.expanded(word);
  }
  actions.push_back(answer(command));
}

void SessionDialogue::on_too_long_line(std::vector<SessionAction>& actions) {
  actions.push_back(say(reply::line_too_long()));
}

void SessionDialogue::take_new_sizes() {
  octets_ = octets_left_ = {};
  for (std::size_t i = 0; i < messages_.size(); ++i) {
    octets_ += messages_[i].size;
    if (!deleted_[i]) octets_left_ += messages_[i].size;
  }
}

void SessionDialogue::on_retrieved(MessageNumber number) {
  retrieved_[number.index()] = true;
}

void SessionDialogue::delete_retrieved() {
  if (rights_ == Rights::read_only) return;
  for (std::uint32_t value = 1; value <= messages_.size(); ++value) {
    const MessageNumber number{value};
    if (is_retrieved(number) && !is_deleted(number)) mark_deleted(number);
  }
}

std::string SessionDialogue::quit_reply() const {
  return reply::goodbye(facts_);
}

bool SessionDialogue::is_deleted(MessageNumber number) const {
  return deleted_[number.index()];
}

bool SessionDialogue::is_retrieved(MessageNumber number) const {
  return retrieved_[number.index()];
}

std::size_t SessionDialogue::deleted_count() const {
  return deleted_count_;
}

WireOctets SessionDialogue::octets_left() const {
  return octets_left_;
}

std::size_t SessionDialogue::messages_left() const {
  return messages_.size() - deleted_count_;
}

SessionAction SessionDialogue::answer(const Command& command) {
  switch (command.verb) {
    case Verb::user:
    case Verb::pass:
    case Verb::apop:
    case Verb::auth:
    case Verb::stls:
      return say(reply::only_before_login(command.verb));
    default:
      break;
  }
  const CommandRule& rule = rule_of(command.verb);
  if (command.arguments.size() < rule.least) return say(reply::too_few_arguments(rule.verb));
  if (command.arguments.size() > rule.most) return say(reply::too_many_arguments(rule.verb));
  switch (command.verb) {
    case Verb::capa:
      return say(capability_reply(facts_, CapabilityState::transaction));
    case Verb::quit:
      return CommitAndQuit{};
    case Verb::stat:
      return stat();
    case Verb::list:
    case Verb::retr:
    case Verb::top:
      return answer_in_form(command);
    case Verb::dele:
      return say(dele(command));
    case Verb::noop:
      return say(reply::nothing_done());
    case Verb::rset:
      return say(rset());
    case Verb::last:
      return say(reply::last(last_));
    case Verb::uidl:
      return say(uidl(command));
    case Verb::euidl:
      return euidl(command);
    case Verb::xtnd:
      return xtnd(command);
    case Verb::lang:
      return say(lang(command));
    case Verb::utf8:
      return UseUtf8{reply::utf8_enabled()};
    case Verb::mdef:
      return say(mdef(command.arguments[0]));
    default:
      return say(reply::unknown_command(command.word));
  }
}

SessionDialogue::Selection SessionDialogue::select(Verb verb, std::string_view argument) const {
  if (!all_digits(argument)) {
    return std::unexpected(reply::not_a_number(verb, argument, messages_.size()));
  }
  const std::optional<std::uint32_t> value = parse_number(argument);
  if (!value || *value == 0 || *value > messages_.size()) {
    return std::unexpected(reply::no_such_message(verb, argument));
  }
  const MessageNumber number{*value};
  if (is_deleted(number)) return std::unexpected(reply::already_deleted(verb, number));
  return number;
}

bool SessionDialogue::is_hidden(Verb verb) const {
  return facts_.languages == nullptr && (verb == Verb::utf8 || verb == Verb::lang);
}

std::string SessionDialogue::lang(const Command& command) {
  if (command.arguments.empty()) return reply::language_listing(*facts_.languages);
  const Language* const wanted = facts_.languages->wanted(command.arguments[0]);
  if (wanted == nullptr) return reply::unknown_language();
  language_ = wanted;
  return reply::language_changed(*wanted);
}

// The form that the last argument asks for, which is taken away, or that all messages have.
SessionDialogue::Mangling SessionDialogue::take_mangling(Command& command) const {
  if (command.arguments.empty() || !is_mangle_word(command.arguments.back())) return mangle_all_;
  std::expected<MangleRequest, MangleFault> request =
      parse_mangle_request(command.arguments.back());
  if (!request) return std::unexpected(reply::bad_mangle_request(request.error()));
  command.arguments.pop_back();
  return *std::move(request);
}

SessionAction SessionDialogue::answer_in_form(Command command) {
  Mangling mangling = take_mangling(command);
  if (!mangling) return say(std::move(mangling).error());
  const CommandRule& rule = rule_of(command.verb);
  if (command.arguments.size() < rule.least) return say(reply::too_few_arguments(rule.verb));
  if (command.arguments.size() >= rule.most) return say(reply::too_many_arguments(rule.verb));
  if (command.verb == Verb::list) return list(command, *std::move(mangling));
  if (command.verb == Verb::retr) return retr(command, *std::move(mangling));
  return top(command, *std::move(mangling));
}

SessionAction SessionDialogue::stat() const {
  if (mangle_all_) return SendSizes{SendSizes::Form::total, numbers_left(), *mangle_all_};
  return say(reply::stat({messages_left(), octets_left_}));
}

SessionAction SessionDialogue::list(const Command& command,
                                    std::optional<MangleRequest> mangle) const {
  if (command.arguments.empty()) {
    if (!mangle) return say(full_listing());
    return SendSizes{SendSizes::Form::listing, numbers_left(), *std::move(mangle)};
  }
  const auto number = select(Verb::list, command.arguments[0]);
  if (!number) return say(number.error());
  if (mangle) return SendSizes{SendSizes::Form::reply, {*number}, *std::move(mangle)};
  return say(reply::size_of(*number, messages_[number->index()].size));
}

std::string SessionDialogue::uidl(const Command& command) const {
  if (command.arguments.empty()) return all_unique_ids();
  const auto number = select(Verb::uidl, command.arguments[0]);
  if (!number) return number.error();
  return reply::unique_id_of(*number, messages_[number->index()].unique_id);
}

SessionAction SessionDialogue::euidl(const Command& command) const {
  using enum SendFields::Form;
  if (command.arguments.empty()) {
    return SendFields{sender_rows, reply::unique_ids_follow(), {}, numbers_left()};
  }
  const auto number = select(Verb::uidl, command.arguments[0]);
  if (!number) return say(number.error());
  return SendFields{sender_reply, {}, {}, {*number}};
}

SessionAction SessionDialogue::xtnd(const Command& command) const {
  const std::span<const std::string_view> arguments = command.arguments;
  if (equal_ignoring_case(arguments[0], "xmit")) {
    if (arguments.size() > 1) return say(reply::too_many_arguments(Verb::xtnd));
    return TakeMail{};
  }
  if (!equal_ignoring_case(arguments[0], "xlist")) {
    return say(reply::unknown_extension(arguments[0]));
  }
  if (arguments.size() < 2) return say(reply::too_few_arguments_of_xlist());
  if (arguments.size() > 3) return say(reply::too_many_arguments_of_xlist());
  SendFields fields{
      SendFields::Form::field_lines, reply::fields_follow(), std::string{arguments[1]}, {}};
  if (arguments.size() < 3) {
    fields.messages = numbers_left();
    return fields;
  }
  const auto number = select(Verb::xtnd, arguments[2]);
  if (!number) return say(number.error());
  fields.messages = {*number};
  return fields;
}

std::vector<MessageNumber> SessionDialogue::numbers_left() const {
  std::vector<MessageNumber> numbers;
  numbers.reserve(messages_left());
  for (std::uint32_t value = 1; value <= messages_.size(); ++value) {
    if (!is_deleted(MessageNumber{value})) numbers.push_back(MessageNumber{value});
  }
  return numbers;
}

SessionAction SessionDialogue::retr(const Command& command, std::optional<MangleRequest> mangle) {
  const auto number = select(Verb::retr, command.arguments[0]);
  if (!number) return say(number.error());
  last_ = std::max(last_, number->value);
  if (mangle) return SendMessage{reply::top_follows(), *number, {}, std::move(mangle)};
  return SendMessage{reply::retrieval(messages_[number->index()].size), *number, {}, {}};
}

SessionAction SessionDialogue::top(const Command& command,
                                   std::optional<MangleRequest> mangle) const {
  const auto number = select(Verb::top, command.arguments[0]);
  if (!number) return say(number.error());
  if (!all_digits(command.arguments[1])) {
    return say(reply::not_a_number(Verb::top, command.arguments[1], messages_.size()));
  }
  // More lines than 32 bits can count are all lines.
  const std::uint32_t lines = parse_number(command.arguments[1]).value_or(UINT32_MAX);
  return SendMessage{reply::top_follows(), *number, LineCount{lines}, std::move(mangle)};
}

std::string SessionDialogue::mdef(std::string_view definition) {
  const std::expected<std::string, Macros::Fault> name = macros_.define(definition);
  return name ? reply::macro_accepted(*name) : reply::macro_refused(name.error());
}

std::string SessionDialogue::dele(const Command& command) {
  const auto number = select(Verb::dele, command.arguments[0]);
  if (!number) return number.error();
  if (rights_ == Rights::read_only) return reply::not_deleted_read_only(*number);
  mark_deleted(*number);
  last_ = std::max(last_, number->value);
  return reply::deleted(*number);
}

void SessionDialogue::mark_deleted(MessageNumber number) {
  deleted_[number.index()] = true;
  ++deleted_count_;
  octets_left_.count -= messages_[number.index()].size.count;
}

std::string SessionDialogue::rset() {
  deleted_.assign(messages_.size(), false);
  retrieved_.assign(messages_.size(), false);
  deleted_count_ = 0;
  octets_left_ = octets_;
  last_ = last_at_start_;
  return reply::reset({messages_.size(), octets_});
}

std::string SessionDialogue::full_listing() const {
  std::string text = reply::listing({messages_left(), octets_left_});
  text.reserve(text.size() + messages_left() * 16 + end_of_listing.size());
  for (std::size_t i = 0; i < messages_.size(); ++i) {
    if (deleted_[i]) continue;
    append_number(text, i + 1);
    text += ' ';
    append_number(text, messages_[i].size.count);
    text += "\r\n";
  }
  return text.append(end_of_listing);
}

std::string SessionDialogue::all_unique_ids() const {
  std::string text = reply::unique_ids_follow();
  text.reserve(text.size() + messages_left() * 44 + end_of_listing.size());
  for (std::size_t i = 0; i < messages_.size(); ++i) {
    if (deleted_[i]) continue;
    append_number(text, i + 1);
    text += ' ';
    text += messages_[i].unique_id;
    text += "\r\n";
  }
  return text.append(end_of_listing);
}

}  // namespace pop
