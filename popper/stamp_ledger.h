#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/fd.h"

namespace pop {

/// The banner stamps that the keepers of one daemon have issued and nobody has used yet, in memory
/// that they share and that neither gates nor sessions can reach. A stamp is random, so it needs no
/// key; taking it out makes it good for one APOP only, whichever keeper is asked. The memory is not
/// inherited by forked children. Stamps that nobody will use are given back; when more than about
/// `slots` are out all the same, the oldest are forgotten.
class StampLedger {
 public:
  static constexpr std::size_t slots = 16384;

  /// An empty ledger in a memory file, to be handed to keepers.
  [[nodiscard]] static Result<Fd> create();
  /// Maps a ledger that create() made. The descriptor is no longer needed afterwards.
  [[nodiscard]] static Result<StampLedger> open(const Fd& memory);

  StampLedger(StampLedger&& other) noexcept;
  ~StampLedger();

  /// A new stamp "<...@host>", valid until `expires` (seconds since the epoch). Errc::io if the
  /// kernel has no random octets.
  [[nodiscard]] Result<std::string> issue(std::string_view host, std::int64_t now,
                                          std::int64_t expires);
  /// Whether exactly this stamp was issued for `host`, has not expired and had not been taken; it
  /// is taken now.
  [[nodiscard]] bool take(std::string_view stamp, std::string_view host, std::int64_t now);
  /// The client that got this stamp has gone without using it. Nothing if it is none of ours.
  void give_back(std::string_view stamp, std::string_view host);

 private:
  struct Table;
  [[nodiscard]] std::size_t free_slot(std::int64_t now);
  explicit StampLedger(Table* table) : table_{table} {}
  Table* table_;
};

}  // namespace pop
