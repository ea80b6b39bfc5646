#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/scram_keys.h"
#include "base/error.h"
#include "base/secret.h"

namespace pop {

/// What SCRAM shows of a user's keys to everybody who asks, before any proof.
struct ScramShape {
  std::uint32_t iterations = scram_iterations;
  std::uint32_t salt_size = 16;  // octets

  auto operator<=>(const ScramShape&) const = default;
};
struct ScramShapeCount {
  ScramShape shape;
  std::uint32_t users = 0;

  bool operator==(const ScramShapeCount&) const = default;
};
/// In ascending order of the shapes, none twice.
using ScramShapes = std::vector<ScramShapeCount>;

/// What is needed to answer for users who have no keys; the credential file keeps it in a record of
/// its own, which popper-formats(5) describes.
struct MadeUpKeysRecord {
  Secret secret;                           // 32 octets
  ScramShapes scram_sha_256, scram_sha_1;  // of the users who have keys
};

/// No user can have this name.
inline constexpr std::string_view made_up_keys_name = "/made-up-keys";
/// Rarer shapes are left out.
inline constexpr std::size_t most_scram_shapes = 64;

/// With a new random secret.
[[nodiscard]] MadeUpKeysRecord new_made_up_keys_record();
[[nodiscard]] Secret encode_made_up_keys(const MadeUpKeysRecord& record);
/// Errc::corrupt for a damaged record; Errc::changed for one of a later format, which must be kept.
[[nodiscard]] Result<MadeUpKeysRecord> decode_made_up_keys(std::string_view text);

/// Counts one more user.
void count_shape(ScramShapes& shapes, const ScramKeys& keys);

/// SCRAM keys of users who have none, so that nobody can tell them from those who have: the same
/// salt and number of iterations for a name each time, in every keeper, after every start and on
/// every host with the same credential file, not to be guessed from outside, and of a shape as it
/// is as often among real keys. What they would prove is random.
class MadeUpKeys {
 public:
  /// Reads machine-id(5): what stands for the secret where the file has none, because no popauth
  /// that knows of it has changed it yet. Without that file it is another one after each start.
  MadeUpKeys();

  /// `record` may be null. With an error of the kernel's random numbers the process ends.
  [[nodiscard]] ScramKeys of(std::string_view user, ScramHash hash,
                             const MadeUpKeysRecord* record) const;

 private:
  Secret of_this_host_;
};

/// Octets of the kernel's random numbers.
[[nodiscard]] Secret random_secret(std::size_t size);

}  // namespace pop
