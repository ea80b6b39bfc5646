#include "ipc/frame.h"

#include <random>

#include "support/catch.h"

namespace pop {

static bool operator==(const StampsWanted& a, const StampsWanted& b) {
  return a.count == b.count && a.returned == b.returned;
}
static bool operator==(const PasswordAttempt& a, const PasswordAttempt& b) {
  return a.connection == b.connection && a.user == b.user &&
         a.password.octets() == b.password.octets() && a.address == b.address &&
         a.pipelined == b.pipelined && a.client_name == b.client_name && a.relayed == b.relayed &&
         a.over_tls == b.over_tls && a.repeated == b.repeated && a.by == b.by &&
         a.mechanisms == b.mechanisms && a.speech == b.speech;
}
static bool operator==(const ChannelData& a, const ChannelData& b) {
  return a.kind == b.kind && a.data.octets() == b.data.octets();
}
static bool operator==(const SaslBegin& a, const SaslBegin& b) {
  return a.connection == b.connection && a.mechanism == b.mechanism &&
         a.has_response == b.has_response && a.response.octets() == b.response.octets() &&
         a.address == b.address && a.pipelined == b.pipelined && a.client_name == b.client_name &&
         a.relayed == b.relayed && a.over_tls == b.over_tls && a.tls_bits == b.tls_bits &&
         a.bindings == b.bindings && a.identity == b.identity && a.mechanisms == b.mechanisms &&
         a.speech == b.speech;
}
static bool operator==(const SaslResponse& a, const SaslResponse& b) {
  return a.connection == b.connection && a.response.octets() == b.response.octets() &&
         a.pipelined == b.pipelined && a.client_name == b.client_name;
}
static bool operator==(const SaslChallenge& a, const SaslChallenge& b) {
  return a.connection == b.connection && a.challenge == b.challenge && a.guess == b.guess &&
         a.to == b.to;
}
static bool operator==(const ApopAttempt& a, const ApopAttempt& b) {
  return a.connection == b.connection && a.user == b.user && a.banner_stamp == b.banner_stamp &&
         a.digest == b.digest && a.address == b.address && a.pipelined == b.pipelined &&
         a.client_name == b.client_name && a.relayed == b.relayed && a.over_tls == b.over_tls &&
         a.mechanisms == b.mechanisms && a.speech == b.speech;
}
static bool operator==(const KerberosAttempt& a, const KerberosAttempt& b) {
  return a.connection == b.connection && a.user == b.user && a.voucher == b.voucher &&
         a.address == b.address && a.pipelined == b.pipelined && a.client_name == b.client_name &&
         a.relayed == b.relayed && a.over_tls == b.over_tls && a.by_auth == b.by_auth &&
         a.why == b.why && a.mechanisms == b.mechanisms && a.speech == b.speech;
}
static bool operator==(const Stamps& a, const Stamps& b) {
  return a.stamps == b.stamps && a.valid_seconds == b.valid_seconds && a.mechanisms == b.mechanisms;
}
static bool operator==(const Verdict& a, const Verdict& b) {
  return a.connection == b.connection && a.outcome == b.outcome && a.reply == b.reply &&
         a.guess == b.guess && a.challenge == b.challenge;
}

}  // namespace pop

using namespace pop;

namespace {

using namespace std::string_literals;

class Source {
 public:
  explicit Source(std::uint32_t seed) : random_{seed} {}

  std::uint32_t number32() { return static_cast<std::uint32_t>(random_()); }
  std::uint64_t number64() { return std::uint64_t{random_()} << 32 | random_(); }
  std::uint32_t below(std::uint32_t limit) { return number32() % limit; }
  bool truth() { return below(2) == 1; }
  // Half of the octets are ones that have a meaning somewhere.
  std::string octets() {
    static const std::string special = "\0\t\n\r\xff\x01 =:"s;
    std::string text(below(40), '\0');
    for (char& c : text) c = below(2) ? special[below(9)] : static_cast<char>(number32());
    return text;
  }

 private:
  std::mt19937 random_;
};

std::vector<std::string> stamp_list(Source& source) {
  std::vector<std::string> stamps;
  for (std::uint32_t i = source.below(most_stamps + 1); i > 0; --i)
    stamps.push_back(source.octets());
  return stamps;
}

Speech speech(Source& source) {
  return {source.truth(), std::string(source.below(longest_language + 1), 'x')};
}

SaslBegin sasl_begin(Source& source) {
  SaslBegin message;
  message.connection = source.number64();
  message.mechanism = source.octets();
  message.has_response = source.truth();
  if (message.has_response) message.response = Secret{source.octets()};
  message.address = source.octets();
  message.pipelined = source.octets();
  message.client_name = source.octets();
  message.relayed = source.truth();
  message.over_tls = source.truth();
  message.tls_bits = source.number32();
  for (std::uint32_t i = source.below(most_bindings + 1); i > 0; --i) {
    message.bindings.push_back({source.octets(), Secret{source.octets()}});
  }
  message.identity = source.octets();
  message.mechanisms = source.number32();
  message.speech = speech(source);
  return message;
}

GateMessage gate_message(Source& source) {
  switch (source.below(6)) {
    case 0:
      return StampsWanted{source.below(most_stamps + 1), stamp_list(source)};
    case 1:
      return PasswordAttempt{source.number64(),       source.octets(),
                             Secret{source.octets()}, source.octets(),
                             source.octets(),         source.octets(),
                             source.truth(),          source.truth(),
                             source.truth(),          static_cast<PasswordBy>(source.below(3)),
                             source.number32(),       speech(source)};
    case 2:
      return sasl_begin(source);
    case 3:
      return SaslResponse{source.number64(), Secret{source.octets()}, source.octets(),
                          source.octets()};
    case 4:
      return KerberosAttempt{source.number64(), source.octets(), source.octets(),   source.octets(),
                             source.octets(),   source.octets(), source.truth(),    source.truth(),
                             source.truth(),    source.octets(), source.number32(), speech(source)};
    default:
      return ApopAttempt{source.number64(), source.octets(),   source.octets(), source.octets(),
                         source.octets(),   source.octets(),   source.octets(), source.truth(),
                         source.truth(),    source.number32(), speech(source)};
  }
}

KeeperMessage keeper_message(Source& source) {
  const std::uint32_t kind = source.below(3);
  if (kind == 0) {
    const std::uint32_t valid_seconds = source.number32();
    std::vector<std::string> stamps = stamp_list(source);
    return Stamps{std::move(stamps), valid_seconds, stamp_list(source)};
  }
  if (kind == 1) {
    return SaslChallenge{source.number64(),
                         source.octets(),
                         {source.number64(), source.below(most_password_keys + 1)},
                         static_cast<SaslChallenge::To>(source.below(2))};
  }
  return Verdict{source.number64(),
                 static_cast<Verdict::Outcome>(source.below(3)),
                 source.octets(),
                 {source.number64(), source.below(most_password_keys + 1)},
                 source.octets()};
}

void check_corrupt(std::string_view frame) {
  const auto gate = decode_gate_message(frame);
  const auto keeper = decode_keeper_message(frame);
  REQUIRE_FALSE(gate);
  REQUIRE_FALSE(keeper);
  REQUIRE(gate.error().code == Errc::corrupt);
  REQUIRE(keeper.error().code == Errc::corrupt);
}

// Whatever decodes must be what encode() would have sent: there is one frame for a message.
void check_canonical_or_corrupt(std::string_view frame) {
  if (const auto gate = decode_gate_message(frame)) REQUIRE(encode(*gate) == frame);
  if (const auto keeper = decode_keeper_message(frame)) REQUIRE(encode(*keeper) == frame);
}

}  // namespace

TEST_CASE("the frame of a password attempt is as its description says", "[ipc][frame]") {
  const std::string frame = encode(PasswordAttempt{0x0102030405060708,
                                                   "jo",
                                                   Secret{"pw"},
                                                   "::1",
                                                   "",
                                                   "h.example",
                                                   true,
                                                   false,
                                                   true,
                                                   PasswordBy::pass,
                                                   0,
                                                   {true, "de"}});
  CHECK(frame ==
        "\x02"
        "\x08\0\0\0\x08\x07\x06\x05\x04\x03\x02\x01"
        "\x02\0\0\0jo"
        "\x02\0\0\0pw"
        "\x03\0\0\0::1"
        "\0\0\0\0"
        "\x09\0\0\0h.example"
        "\x01\0\0\0\x01"
        "\x01\0\0\0\0"
        "\x01\0\0\0\x01"
        "\x04\0\0\0\0\0\0\0"
        "\x04\0\0\0\0\0\0\0"
        "\x01\0\0\0\x01"
        "\x02\0\0\0de"s);
  const std::string from_mechanisms_on = "\x04\0\0\0\0\0\0\0\x01\0\0\0\x01\x02\0\0\0de"s;
  REQUIRE(frame.ends_with("\x04\0\0\0\0\0\0\0"s + from_mechanisms_on));
  const std::size_t by = frame.size() - from_mechanisms_on.size() - 4;
  check_corrupt(frame.substr(0, by) + "\x03\0\0\0"s + from_mechanisms_on);
}

TEST_CASE("a language longer than any tag is corrupt", "[ipc][frame]") {
  ApopAttempt attempt;
  attempt.speech.language.assign(longest_language, 'x');
  CHECK(decode_gate_message(encode(attempt)));
  attempt.speech.language += 'x';
  check_corrupt(encode(attempt));
}

TEST_CASE("a response without one to begin with is corrupt", "[ipc][frame][sasl]") {
  SaslBegin begin;
  begin.response = Secret{"x"};
  const std::string frame = encode(GateMessage{std::move(begin)});
  check_corrupt(frame);
  SaslBegin with_response;
  with_response.response = Secret{"x"};
  with_response.has_response = true;
  CHECK(decode_gate_message(encode(GateMessage{std::move(with_response)})));
}

TEST_CASE("more bindings or mechanisms than there can be are corrupt", "[ipc][frame][sasl]") {
  SaslBegin begin;
  for (std::uint32_t i = 0; i <= most_bindings; ++i) begin.bindings.push_back({"kind", Secret{}});
  check_corrupt(encode(GateMessage{std::move(begin)}));
  check_corrupt(encode(Stamps{{}, 1, std::vector<std::string>(most_mechanisms + 1, "PLAIN")}));
}

TEST_CASE("decode gives back what encode was given", "[ipc][frame][property]") {
  Source source{11};
  for (int round = 0; round < 5000; ++round) {
    const GateMessage sent = gate_message(source);
    const auto got = decode_gate_message(encode(sent));
    REQUIRE(got);
    REQUIRE(*got == sent);
    const KeeperMessage answer = keeper_message(source);
    const auto heard = decode_keeper_message(encode(answer));
    REQUIRE(heard);
    REQUIRE(*heard == answer);
  }
}

TEST_CASE("CVE-2008-1218: no octet of a user or password ends its field", "[ipc][frame]") {
  for (int octet = 0; octet < 256; ++octet) {
    for (const std::size_t count : {1u, 2u, 5u}) {
      const std::string text = "a" + std::string(count, static_cast<char>(octet)) + "skip=1";
      const GateMessage sent = PasswordAttempt{1, text, Secret{text}, text, text};
      const auto got = decode_gate_message(encode(sent));
      CAPTURE(octet, count);
      REQUIRE(got);
      REQUIRE(*got == sent);
    }
  }
}

TEST_CASE("a frame cut short anywhere is corrupt, and so is one with more behind it",
          "[ipc][frame]") {
  Source source{12};
  for (int round = 0; round < 200; ++round) {
    for (const std::string& frame :
         {encode(gate_message(source)), encode(keeper_message(source))}) {
      for (std::size_t size = 0; size < frame.size(); ++size) {
        CAPTURE(size);
        check_corrupt(std::string_view{frame}.substr(0, size));
      }
      check_corrupt(frame + '\0');
      check_corrupt(frame + frame);
    }
  }
}

TEST_CASE("a changed frame is corrupt or another message, never more", "[ipc][frame][property]") {
  Source source{13};
  for (int round = 0; round < 20'000; ++round) {
    std::string frame =
        source.below(2) ? encode(gate_message(source)) : encode(keeper_message(source));
    for (std::uint32_t changes = 1 + source.below(4); changes > 0; --changes) {
      frame[source.below(static_cast<std::uint32_t>(frame.size()))] =
          static_cast<char>(source.number32());
    }
    check_canonical_or_corrupt(frame);
  }
}

TEST_CASE("neither side takes its own messages", "[ipc][frame]") {
  Source source{14};
  for (int round = 0; round < 100; ++round) {
    CHECK_FALSE(decode_keeper_message(encode(gate_message(source))));
    CHECK_FALSE(decode_gate_message(encode(keeper_message(source))));
  }
}

TEST_CASE("every type that is not in the closed set is corrupt", "[ipc][frame]") {
  const std::string wanted = encode(StampsWanted{1}).substr(1);
  const std::string stamps = encode(Stamps{}).substr(1);
  for (int type = 0; type < 256; ++type) {
    CAPTURE(type);
    CHECK(decode_gate_message(static_cast<char>(type) + wanted).has_value() == (type == 1));
    CHECK(decode_keeper_message(static_cast<char>(type) + stamps).has_value() == (type == 65));
  }
}

TEST_CASE("numbers out of their range are corrupt", "[ipc][frame]") {
  CHECK(decode_gate_message(encode(StampsWanted{most_stamps})));
  CHECK_FALSE(decode_gate_message(encode(StampsWanted{most_stamps + 1})));
  CHECK_FALSE(decode_gate_message(encode(StampsWanted{UINT32_MAX})));
  CHECK_FALSE(decode_gate_message(
      encode(StampsWanted{1, std::vector<std::string>(most_stamps + 1, "<1@h>")})));
  CHECK(decode_keeper_message(encode(Stamps{std::vector<std::string>(most_stamps, "<1@h>"), 60})));
  CHECK_FALSE(decode_keeper_message(
      encode(Stamps{std::vector<std::string>(most_stamps + 1, "<1@h>"), 60})));
  CHECK_FALSE(decode_keeper_message(encode(Verdict{1, static_cast<Verdict::Outcome>(3), ""})));
}

TEST_CASE("a field longer than the frame is corrupt without being believed", "[ipc][frame]") {
  for (const std::string& size : {"\x05\0\0\0"s, "\xff\xff\xff\x7f"s, "\xff\xff\xff\xff"s}) {
    check_corrupt("\x02\x08\0\0\0AAAAAAAA"s + size + "jo");
  }
  check_corrupt("\x42\x08\0\0\0AAAAAAAA\x04\0\0\0\0\0\0\0\xff\xff\xff\xff"s);
  check_corrupt("\x41\x04\0\0\0AAAA\x04\0\0\0\xff\xff\xff\xff"s);
}

TEST_CASE("a number whose field has another size is corrupt", "[ipc][frame]") {
  const std::string none_returned = "\x04\0\0\0\0\0\0\0"s;
  CHECK(decode_gate_message("\x01\x04\0\0\0\x01\0\0\0"s + none_returned));
  check_corrupt("\x01\x03\0\0\0\x01\0\0"s + none_returned);
  check_corrupt("\x01\x08\0\0\0\x01\0\0\0\0\0\0\0"s + none_returned);
  check_corrupt("\x01\0\0\0\0"s + none_returned);
}

TEST_CASE("a frame beyond the limit is corrupt", "[ipc][frame]") {
  const std::size_t overhead = encode(PasswordAttempt{}).size();
  PasswordAttempt attempt;
  attempt.pipelined.assign(longest_frame - overhead, 'x');
  const std::string longest = encode(std::move(attempt));
  REQUIRE(longest.size() == longest_frame);
  CHECK(decode_gate_message(longest));
  PasswordAttempt longer;
  longer.pipelined.assign(longest_frame - overhead + 1, 'x');
  CHECK_FALSE(decode_gate_message(encode(std::move(longer))));
}
