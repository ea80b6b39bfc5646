#include "auth/made_up_keys.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sys/random.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fstream>
#include <numeric>

#include "auth/credential_record.h"
#include "base/base64.h"
#include "base/text.h"

namespace pop {
namespace {

constexpr std::string_view first_line = "made-up-keys 1\n", format_name = "made-up-keys ",
                           sum_name = "sum ";
constexpr std::size_t secret_size = 32;
constexpr std::size_t longest_salt = 64;

std::string keyed_digest(std::string_view key, std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  if (HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
           reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data(),
           &size) == nullptr) {
    std::abort();
  }
  return {reinterpret_cast<const char*>(digest.data()), size};
}

/// No part can end another.
std::string digest_of(std::string_view key, std::initializer_list<std::string_view> parts) {
  std::string text;
  for (const std::string_view part : parts) {
    text += std::to_string(part.size()) + ":";
    text += part;
  }
  return keyed_digest(key, text);
}

Secret secret_of_this_host() {
  std::ifstream file{"/etc/machine-id"};
  std::string id;
  std::getline(file, id);
  if (id.size() < secret_size) return random_secret(secret_size);
  return Secret{keyed_digest(id, "popper: salts of users without keys")};
}

// --- The record

std::string text_of(std::string_view name, const ScramShapes& shapes) {
  std::string text;
  for (const ScramShapeCount& one : shapes) {
    text += std::string{name} + " " + std::to_string(one.shape.iterations) + " " +
            std::to_string(one.shape.salt_size) + " " + std::to_string(one.users) + "\n";
  }
  return text;
}

std::string_view take_until(std::string_view& text, char end) {
  const std::size_t size = std::min(text.find(end), text.size());
  const std::string_view taken = text.substr(0, size);
  text.remove_prefix(std::min(size + 1, text.size()));
  return taken;
}

std::optional<std::uint32_t> number_in(std::string_view digits, std::uint32_t most) {
  const std::optional<std::uint64_t> number = decimal(digits);
  if (!number || *number == 0 || *number > most) return std::nullopt;
  return static_cast<std::uint32_t>(*number);
}

bool take_shape(ScramShapes& shapes, std::string_view text) {
  const auto iterations = number_in(take_until(text, ' '), most_scram_iterations);
  const auto salt_size = number_in(take_until(text, ' '), longest_salt);
  const auto users = number_in(text, UINT32_MAX);
  if (!iterations || !salt_size || !users || shapes.size() == most_scram_shapes) return false;
  const ScramShapeCount one{{*iterations, *salt_size}, *users};
  if (!shapes.empty() && one.shape <= shapes.back().shape) return false;
  shapes.push_back(one);
  return true;
}

bool take_secret(Secret& secret, std::string_view text) {
  std::optional<std::string> octets = from_base64(text);
  const bool is_right = octets && octets->size() == secret_size && secret.empty();
  if (is_right) secret = Secret{*octets};
  if (octets) wipe(*octets);
  return is_right;
}

bool take_line(MadeUpKeysRecord& record, std::string_view line) {
  const std::string_view name = take_until(line, ' ');
  if (name == "secret") return take_secret(record.secret, line);
  if (name == "scram-sha-256") return take_shape(record.scram_sha_256, line);
  if (name == "scram-sha-1") return take_shape(record.scram_sha_1, line);
  return true;  // of a later version
}

// --- What is made of it

/// In proportion to how many users have each; a change of the file moves few names to another one.
ScramShape shape_of(std::string_view key, std::string_view user, const ScramShapes& shapes) {
  const std::uint64_t users = std::accumulate(
      shapes.begin(), shapes.end(), std::uint64_t{0},
      [](std::uint64_t sum, const ScramShapeCount& one) { return sum + one.users; });
  if (users == 0) return {};
  const std::string digest = digest_of(key, {"shape", user});
  std::uint64_t point = 0;  // of 2^24
  for (const char octet : digest.substr(0, 3))
    point = point << 8 | static_cast<unsigned char>(octet);
  std::uint64_t place = point * users >> 24;
  for (const ScramShapeCount& one : shapes) {
    if (place < one.users) return one.shape;
    place -= one.users;
  }
  return shapes.back().shape;
}

/// Another one with each shape, as a user's who has got new keys.
std::string salt_of(std::string_view key, std::string_view user, std::string_view hash,
                    const ScramShape& shape) {
  std::string salt;
  for (int block = 0; salt.size() < shape.salt_size; ++block) {
    salt += digest_of(key, {"salt", user, hash, std::to_string(shape.iterations),
                            std::to_string(shape.salt_size), std::to_string(block)});
  }
  return salt.substr(0, shape.salt_size);
}

}  // namespace

Secret random_secret(std::size_t size) {
  std::string octets(size, '\0');
  if (::getrandom(octets.data(), size, 0) != static_cast<ssize_t>(size)) std::abort();
  Secret secret{octets};
  wipe(octets);
  return secret;
}

MadeUpKeysRecord new_made_up_keys_record() {
  return {.secret = random_secret(secret_size), .scram_sha_256 = {}, .scram_sha_1 = {}};
}

Secret encode_made_up_keys(const MadeUpKeysRecord& record) {
  std::string secret = to_base64(record.secret.octets());
  const std::string shapes =
      text_of("scram-sha-256", record.scram_sha_256) + text_of("scram-sha-1", record.scram_sha_1);
  std::string text;
  text.reserve(first_line.size() + secret.size() + shapes.size() + 64);
  text.append(first_line).append("secret ").append(secret).append("\n").append(shapes);
  const std::string sum = sum_of_record(text);
  text.append(sum_name).append(sum).append("\n");
  Secret whole{text};
  wipe(secret);
  wipe(text);
  return whole;
}

Result<MadeUpKeysRecord> decode_made_up_keys(std::string_view text) {
  const auto damaged = [] { return fail(Errc::corrupt, "record of made-up keys: damaged"); };
  const std::size_t sum = text.rfind("\n" + std::string{sum_name});
  if (sum == std::string_view::npos) return damaged();
  const std::string_view summed = text.substr(0, sum + 1);
  if (text.substr(summed.size()) != std::string{sum_name} + sum_of_record(summed) + "\n") {
    return damaged();
  }
  if (!summed.starts_with(first_line)) {
    if (!summed.starts_with(format_name)) return damaged();
    return fail(Errc::changed, "record of made-up keys: of a later format");
  }
  MadeUpKeysRecord record;
  std::string_view lines = summed.substr(first_line.size());
  while (!lines.empty()) {
    if (!take_line(record, take_until(lines, '\n'))) return damaged();
  }
  if (record.secret.empty()) return damaged();
  return record;
}

void count_shape(ScramShapes& shapes, const ScramKeys& keys) {
  const ScramShape shape{keys.iterations, static_cast<std::uint32_t>(keys.salt.size())};
  const auto place = std::ranges::lower_bound(shapes, shape, {}, &ScramShapeCount::shape);
  if (place != shapes.end() && place->shape == shape) {
    ++place->users;
  } else {
    shapes.insert(place, {shape, 1});
  }
}

MadeUpKeys::MadeUpKeys() : of_this_host_{secret_of_this_host()} {}

ScramKeys MadeUpKeys::of(std::string_view user, ScramHash hash,
                         const MadeUpKeysRecord* record) const {
  const bool is_sha_1 = hash == ScramHash::sha_1;
  const std::string_view key = record != nullptr ? record->secret.octets() : of_this_host_.octets();
  static const ScramShapes no_shapes;
  const ScramShapes& shapes = record == nullptr ? no_shapes
                              : is_sha_1        ? record->scram_sha_1
                                                : record->scram_sha_256;
  const ScramShape shape = shape_of(key, user, shapes);
  const std::size_t size = scram_key_size(hash);
  return {.iterations = shape.iterations,
          .salt = salt_of(key, user, is_sha_1 ? "sha-1" : "sha-256", shape),
          .stored_key = random_secret(size),
          .server_key = random_secret(size)};
}

}  // namespace pop
