#include "poppassd/change_messages.h"

#include <array>
#include <initializer_list>
#include <optional>

#include "base/text.h"

namespace pop {
namespace {

// One letter that tells the message, then the fields, each after its length as 2 octets, lowest
// first. A longer field is the sender's mistake, and cut.
constexpr std::size_t longest_field = 0xffff;
constexpr char client_letter = 'C', request_letter = 'R', verdict_letter = 'V',
               turn_request_letter = 'T', turn_letter = 'N';

std::string encoded(char letter, std::initializer_list<std::string_view> fields) {
  std::size_t size = 1;
  for (const std::string_view field : fields) size += 2 + field.size();
  std::string record;
  record.reserve(size);  // no half-written copy with a password is left in freed memory
  record += letter;
  for (const std::string_view whole : fields) {
    const std::string_view field = whole.substr(0, longest_field);
    record += static_cast<char>(field.size() & 0xff);
    record += static_cast<char>(field.size() >> 8);
    record += field;
  }
  return record;
}

template <std::size_t Count>
std::optional<std::array<std::string_view, Count>> fields_of(std::string_view record, char letter) {
  if (record.empty() || record.front() != letter) return std::nullopt;
  record.remove_prefix(1);
  std::array<std::string_view, Count> fields;
  for (std::string_view& field : fields) {
    if (record.size() < 2) return std::nullopt;
    const std::size_t size = static_cast<unsigned char>(record[0]) +
                             (std::size_t{static_cast<unsigned char>(record[1])} << 8);
    record.remove_prefix(2);
    if (record.size() < size) return std::nullopt;
    field = record.substr(0, size);
    record.remove_prefix(size);
  }
  if (!record.empty()) return std::nullopt;
  return fields;
}

constexpr std::array<std::string_view, 4> outcomes{"changed", "rejected", "refused", "unavailable"};

constexpr std::array<std::string_view, 3> turn_words{"may-check", "failed", "right"};
constexpr std::array<std::string_view, 2> turns{"now", "repeated"};

template <std::size_t Count>
std::optional<std::size_t> position_in(const std::array<std::string_view, Count>& words,
                                       std::string_view word) {
  for (std::size_t i = 0; i < Count; ++i) {
    if (words[i] == word) return i;
  }
  return std::nullopt;
}

bool is_printable(std::string_view text) {
  for (const char c : text) {
    if (c < ' ' || c > '~') return false;
  }
  return true;
}

}  // namespace

std::string encode(const Client& client) {
  return encoded(client_letter, {client.connection, client.address, word_of(client.tls)});
}

std::string encode(const ChangeRequest& request) {
  return encoded(request_letter, {request.user, request.old_password.octets(),
                                  request.new_password.octets(), request.over_tls ? "t" : ""});
}

std::string encode(const ChangeVerdict& verdict) {
  return encoded(verdict_letter,
                 {outcomes[static_cast<std::size_t>(verdict.outcome)], verdict.text});
}

std::string encode(const TurnRequest& request) {
  return encoded(turn_request_letter,
                 {turn_words[static_cast<std::size_t>(request.word)],
                  std::to_string(request.guess.user), std::to_string(request.guess.password)});
}

std::string encode(Turn turn) {
  return encoded(turn_letter, {turns[static_cast<std::size_t>(turn)]});
}

Result<Client> decode_client(std::string_view record) {
  const auto fields = fields_of<3>(record, client_letter);
  if (!fields) return fail(Errc::corrupt, "not a client");
  for (const ListenTls tls : {ListenTls::none, ListenTls::stls, ListenTls::implicit}) {
    if ((*fields)[2] != word_of(tls)) continue;
    return Client{std::string{(*fields)[0]}, std::string{(*fields)[1]}, tls};
  }
  return fail(Errc::corrupt, "a client of an unknown kind");
}

Result<ChangeRequest> decode_change_request(std::string_view record) {
  const auto fields = fields_of<4>(record, request_letter);
  if (!fields || ((*fields)[3] != "t" && !(*fields)[3].empty())) {
    return fail(Errc::corrupt, "not a request for a change");
  }
  return ChangeRequest{std::string{(*fields)[0]}, Secret{(*fields)[1]}, Secret{(*fields)[2]},
                       !(*fields)[3].empty()};
}

Result<ChangeVerdict> decode_change_verdict(std::string_view record) {
  const auto fields = fields_of<2>(record, verdict_letter);
  if (!fields || !is_printable((*fields)[1])) return fail(Errc::corrupt, "not a verdict");
  const std::optional<std::size_t> outcome = position_in(outcomes, (*fields)[0]);
  if (!outcome) return fail(Errc::corrupt, "an unknown verdict");
  return ChangeVerdict{static_cast<ChangeVerdict::Outcome>(*outcome), std::string{(*fields)[1]}};
}

Result<TurnRequest> decode_turn_request(std::string_view record) {
  const auto fields = fields_of<3>(record, turn_request_letter);
  if (!fields) return fail(Errc::corrupt, "not a request for a turn");
  const std::optional<std::size_t> word = position_in(turn_words, (*fields)[0]);
  const std::optional<std::uint64_t> user = decimal((*fields)[1]), password = decimal((*fields)[2]);
  if (!word || !user || !password || *password > most_password_keys) {
    return fail(Errc::corrupt, "an unknown request for a turn");
  }
  return TurnRequest{static_cast<TurnRequest::Word>(*word),
                     {*user, static_cast<std::uint32_t>(*password)}};
}

Result<Turn> decode_turn(std::string_view record) {
  const auto fields = fields_of<1>(record, turn_letter);
  const std::optional<std::size_t> turn = fields ? position_in(turns, (*fields)[0]) : std::nullopt;
  if (!turn) return fail(Errc::corrupt, "not a turn");
  return static_cast<Turn>(*turn);
}

}  // namespace pop
