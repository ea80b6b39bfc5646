#include "ipc/frame.h"

#include <cstdint>
#include <utility>

namespace pop {

namespace {

// A frame is one octet that tells the message, then its fields in order. Every field, numbers too,
// is its length as 4 octets, lowest first, and so many octets. The two directions share no type,
// so neither side's message can be taken for the other's.
enum class Type : unsigned char {
  stamps_wanted = 1,
  password_attempt = 2,
  apop_attempt = 3,
  sasl_begin = 4,
  sasl_response = 5,
  kerberos_attempt = 6,
  stamps = 65,
  verdict = 66,
  sasl_challenge = 67,
};

class Writer {
 public:
  // `room` for the fields, so that no half-written copy with a password is left in freed memory.
  Writer(Type type, std::size_t room) {
    frame_.reserve(room);
    frame_ += static_cast<char>(type);
  }
  Writer& text(std::string_view octets) {
    octets_of(octets.size(), 4);
    frame_ += octets;
    return *this;
  }
  Writer& number(std::uint32_t value) { return sized_number(value, 4); }
  Writer& number(std::uint64_t value) { return sized_number(value, 8); }
  Writer& truth(bool value) { return sized_number(value ? 1 : 0, 1); }
  Writer& speech(const Speech& value) { return truth(value.utf8).text(value.language); }
  [[nodiscard]] std::string take() { return std::move(frame_); }

 private:
  Writer& sized_number(std::uint64_t value, unsigned size) {
    octets_of(size, 4);
    octets_of(value, size);
    return *this;
  }
  void octets_of(std::uint64_t value, unsigned size) {
    for (unsigned i = 0; i < size; ++i) frame_ += static_cast<char>(value >> (8 * i) & 0xff);
  }

  std::string frame_;
};

// Takes fields from the front. After the first that is not there, all are empty and whole() is
// false: the caller asks once, at the end.
class Reader {
 public:
  explicit Reader(std::string_view frame) : rest_{frame} {}

  [[nodiscard]] unsigned char type() { return static_cast<unsigned char>(take(1).value_or(0)); }
  [[nodiscard]] std::string_view text() {
    const auto size = static_cast<std::size_t>(take(4).value_or(0));
    if (size > rest_.size()) {
      broken_ = true;
      return {};
    }
    const std::string_view field = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return field;
  }
  [[nodiscard]] std::string string() { return std::string{text()}; }
  [[nodiscard]] std::uint32_t number32() { return static_cast<std::uint32_t>(number(4)); }
  [[nodiscard]] std::uint64_t number64() { return number(8); }
  [[nodiscard]] bool truth() {
    const std::uint64_t value = number(1);
    require(value <= 1);
    return value == 1;
  }

  void require(bool holds) { broken_ = broken_ || !holds; }
  [[nodiscard]] bool broken() const { return broken_; }
  [[nodiscard]] bool whole() const { return !broken_ && rest_.empty(); }

 private:
  std::uint64_t number(unsigned size) {
    require(take(4) == size);
    return take(size).value_or(0);
  }
  std::optional<std::uint64_t> take(unsigned size) {
    if (broken_ || rest_.size() < size) {
      broken_ = true;
      return std::nullopt;
    }
    std::uint64_t value = 0;
    for (unsigned i = 0; i < size; ++i) {
      value |= std::uint64_t{static_cast<unsigned char>(rest_[i])} << (8 * i);
    }
    rest_.remove_prefix(size);
    return value;
  }

  std::string_view rest_;
  bool broken_ = false;
};

template <class... Field>
std::size_t room_for(const Field&... field) {
  return 1 + (... + (4 + field.size())) + 27;  // and a connection number and three truths
}

std::size_t room_for(const Speech& speech) {
  return 5 + 4 + speech.language.size();
}

void write_list(Writer& writer, const std::vector<std::string>& texts) {
  writer.number(static_cast<std::uint32_t>(texts.size()));
  for (const std::string& text : texts) writer.text(text);
}

std::string encoded(const StampsWanted& message) {
  Writer writer{Type::stamps_wanted, 1024};
  writer.number(message.count);
  write_list(writer, message.returned);
  return writer.take();
}

std::string encoded(const PasswordAttempt& message) {
  const std::string_view password = message.password.octets();
  return Writer{Type::password_attempt, room_for(message.user, password, message.address,
                                                 message.pipelined, message.client_name) +
                                            16 + room_for(message.speech)}
      .number(message.connection)
      .text(message.user)
      .text(password)
      .text(message.address)
      .text(message.pipelined)
      .text(message.client_name)
      .truth(message.relayed)
      .truth(message.over_tls)
      .truth(message.repeated)
      .number(static_cast<std::uint32_t>(message.by))
      .number(message.mechanisms)
      .speech(message.speech)
      .take();
}

std::string encoded(const ApopAttempt& message) {
  return Writer{Type::apop_attempt,
                room_for(message.user, message.banner_stamp, message.digest, message.address,
                         message.pipelined, message.client_name) +
                    8 + room_for(message.speech)}
      .number(message.connection)
      .text(message.user)
      .text(message.banner_stamp)
      .text(message.digest)
      .text(message.address)
      .text(message.pipelined)
      .text(message.client_name)
      .truth(message.relayed)
      .truth(message.over_tls)
      .number(message.mechanisms)
      .speech(message.speech)
      .take();
}

std::string encoded(const KerberosAttempt& message) {
  return Writer{Type::kerberos_attempt,
                room_for(message.user, message.voucher, message.address, message.pipelined,
                         message.client_name, message.why) +
                    8 + room_for(message.speech)}
      .number(message.connection)
      .text(message.user)
      .text(message.voucher)
      .text(message.address)
      .text(message.pipelined)
      .text(message.client_name)
      .truth(message.relayed)
      .truth(message.over_tls)
      .truth(message.by_auth)
      .text(message.why)
      .number(message.mechanisms)
      .speech(message.speech)
      .take();
}

std::string encoded(const SaslBegin& message) {
  const std::string_view response = message.response.octets();
  std::size_t room = room_for(message.mechanism, response, message.address, message.pipelined,
                              message.client_name, message.identity) +
                     40 + room_for(message.speech);
  for (const ChannelData& binding : message.bindings) {
    room += 8 + binding.kind.size() + binding.data.octets().size();
  }
  Writer writer{Type::sasl_begin, room};
  writer.number(message.connection)
      .text(message.mechanism)
      .truth(message.has_response)
      .text(response)
      .text(message.address)
      .text(message.pipelined)
      .text(message.client_name)
      .truth(message.relayed)
      .truth(message.over_tls)
      .number(message.tls_bits)
      .number(static_cast<std::uint32_t>(message.bindings.size()));
  for (const ChannelData& binding : message.bindings) {
    writer.text(binding.kind).text(binding.data.octets());
  }
  return writer.text(message.identity).number(message.mechanisms).speech(message.speech).take();
}

std::string encoded(const SaslResponse& message) {
  const std::string_view response = message.response.octets();
  return Writer{Type::sasl_response, room_for(response, message.pipelined, message.client_name)}
      .number(message.connection)
      .text(response)
      .text(message.pipelined)
      .text(message.client_name)
      .take();
}

std::string encoded(const SaslChallenge& message) {
  return Writer{Type::sasl_challenge, room_for(message.challenge) + 28}
      .number(message.connection)
      .text(message.challenge)
      .number(message.guess.user)
      .number(message.guess.password)
      .number(static_cast<std::uint32_t>(message.to))
      .take();
}

std::string encoded(const Stamps& message) {
  Writer writer{Type::stamps, 1024};
  writer.number(message.valid_seconds);
  write_list(writer, message.stamps);
  write_list(writer, message.mechanisms);
  return writer.take();
}

std::string encoded(const Verdict& message) {
  return Writer{Type::verdict, room_for(message.reply, message.challenge) + 28}
      .number(message.connection)
      .number(static_cast<std::uint32_t>(message.outcome))
      .text(message.reply)
      .number(message.guess.user)
      .number(message.guess.password)
      .text(message.challenge)
      .take();
}

std::vector<std::string> read_list(Reader& reader, std::uint32_t most) {
  std::vector<std::string> texts;
  const std::uint32_t count = reader.number32();
  reader.require(count <= most);
  for (std::uint32_t i = 0; i < count && !reader.broken(); ++i) texts.push_back(reader.string());
  return texts;
}

Speech read_speech(Reader& reader) {
  Speech speech{reader.truth(), reader.string()};
  reader.require(speech.language.size() <= longest_language);
  return speech;
}

PasswordBy read_password_by(Reader& reader) {
  const std::uint32_t by = reader.number32();
  reader.require(by <= static_cast<std::uint32_t>(PasswordBy::login));
  return reader.broken() ? PasswordBy::pass : static_cast<PasswordBy>(by);
}

GuessKeys read_guess(Reader& reader) {
  const GuessKeys guess{reader.number64(), reader.number32()};
  reader.require(guess.password <= most_password_keys);
  return guess;
}

StampsWanted read_stamps_wanted(Reader& reader) {
  StampsWanted message;
  message.count = reader.number32();
  reader.require(message.count <= most_stamps);
  message.returned = read_list(reader, most_stamps);
  return message;
}

// Braces evaluate left to right, so the fields come in the order they were written.
PasswordAttempt read_password_attempt(Reader& reader) {
  return {reader.number64(), reader.string(),          Secret{reader.text()}, reader.string(),
          reader.string(),   reader.string(),          reader.truth(),        reader.truth(),
          reader.truth(),    read_password_by(reader), reader.number32(),     read_speech(reader)};
}

ApopAttempt read_apop_attempt(Reader& reader) {
  return {reader.number64(), reader.string(),   reader.string(),    reader.string(),
          reader.string(),   reader.string(),   reader.string(),    reader.truth(),
          reader.truth(),    reader.number32(), read_speech(reader)};
}

SaslBegin read_sasl_begin(Reader& reader) {
  SaslBegin message;
  message.connection = reader.number64();
  message.mechanism = reader.string();
  message.has_response = reader.truth();
  message.response = Secret{reader.text()};
  reader.require(message.has_response || message.response.empty());
  message.address = reader.string();
  message.pipelined = reader.string();
  message.client_name = reader.string();
  message.relayed = reader.truth();
  message.over_tls = reader.truth();
  message.tls_bits = reader.number32();
  const std::uint32_t bindings = reader.number32();
  reader.require(bindings <= most_bindings);
  for (std::uint32_t i = 0; i < bindings && !reader.broken(); ++i) {
    message.bindings.push_back({reader.string(), Secret{reader.text()}});
  }
  message.identity = reader.string();
  message.mechanisms = reader.number32();
  message.speech = read_speech(reader);
  return message;
}

SaslResponse read_sasl_response(Reader& reader) {
  return {reader.number64(), Secret{reader.text()}, reader.string(), reader.string()};
}

KerberosAttempt read_kerberos_attempt(Reader& reader) {
  return {reader.number64(), reader.string(), reader.string(),   reader.string(),
          reader.string(),   reader.string(), reader.truth(),    reader.truth(),
          reader.truth(),    reader.string(), reader.number32(), read_speech(reader)};
}

SaslChallenge read_sasl_challenge(Reader& reader) {
  SaslChallenge message;
  message.connection = reader.number64();
  message.challenge = reader.string();
  message.guess = read_guess(reader);
  const std::uint32_t to = reader.number32();
  reader.require(to <= static_cast<std::uint32_t>(SaslChallenge::To::gate));
  if (!reader.broken()) message.to = static_cast<SaslChallenge::To>(to);
  return message;
}

Stamps read_stamps(Reader& reader) {
  Stamps message;
  message.valid_seconds = reader.number32();
  message.stamps = read_list(reader, most_stamps);
  message.mechanisms = read_list(reader, most_mechanisms);
  return message;
}

Verdict read_verdict(Reader& reader) {
  Verdict message;
  message.connection = reader.number64();
  const std::uint32_t outcome = reader.number32();
  reader.require(outcome <= static_cast<std::uint32_t>(Verdict::Outcome::unavailable));
  if (!reader.broken()) message.outcome = static_cast<Verdict::Outcome>(outcome);
  message.reply = reader.string();
  message.guess = read_guess(reader);
  message.challenge = reader.string();
  return message;
}

template <class Message>
Result<Message> checked(const Reader& reader, Message message) {
  if (!reader.whole()) return fail(Errc::corrupt, "message between gate and keeper is malformed");
  return message;
}

std::unexpected<Error> unknown_type(unsigned char type) {
  return fail(Errc::corrupt,
              "message of unknown type " + std::to_string(type) + " between gate and keeper");
}

std::unexpected<Error> too_long() {
  return fail(Errc::corrupt, "message between gate and keeper is too long");
}

}  // namespace

std::string encode(const GateMessage& message) {
  return std::visit([](const auto& kind) { return encoded(kind); }, message);
}

std::string encode(const KeeperMessage& message) {
  return std::visit([](const auto& kind) { return encoded(kind); }, message);
}

Result<GateMessage> decode_gate_message(std::string_view frame) {
  if (frame.size() > longest_frame) return too_long();
  Reader reader{frame};
  const unsigned char type = reader.type();
  switch (static_cast<Type>(type)) {
    case Type::stamps_wanted:
      return checked<GateMessage>(reader, read_stamps_wanted(reader));
    case Type::password_attempt:
      return checked<GateMessage>(reader, read_password_attempt(reader));
    case Type::apop_attempt:
      return checked<GateMessage>(reader, read_apop_attempt(reader));
    case Type::sasl_begin:
      return checked<GateMessage>(reader, read_sasl_begin(reader));
    case Type::sasl_response:
      return checked<GateMessage>(reader, read_sasl_response(reader));
    case Type::kerberos_attempt:
      return checked<GateMessage>(reader, read_kerberos_attempt(reader));
    default:
      return unknown_type(type);
  }
}

Result<KeeperMessage> decode_keeper_message(std::string_view frame) {
  if (frame.size() > longest_frame) return too_long();
  Reader reader{frame};
  const unsigned char type = reader.type();
  switch (static_cast<Type>(type)) {
    case Type::stamps:
      return checked<KeeperMessage>(reader, read_stamps(reader));
    case Type::verdict:
      return checked<KeeperMessage>(reader, read_verdict(reader));
    case Type::sasl_challenge:
      return checked<KeeperMessage>(reader, read_sasl_challenge(reader));
    default:
      return unknown_type(type);
  }
}

}  // namespace pop
