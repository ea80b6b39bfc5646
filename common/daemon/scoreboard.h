#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/fd.h"
#include "daemon/scoreboard_layout.h"

namespace pop {

/// One page of a scoreboard, for the one process that has its place: what it does, and what it has
/// counted. Writing is a store to memory, and never fails. Readers believe none of it.
class Activity {
 public:
  /// Nobody reads it.
  Activity();

  void begin_session(std::uint64_t serial);
  void set_state(SessionState state);
  /// The client has been heard now.
  void note_life();
  [[nodiscard]] ScoreboardPage& page() { return *page_; }
  [[nodiscard]] SharedCounters& counters() { return page_->counters; }

  /// Whether somebody who may has asked for the end of this very session.
  [[nodiscard]] bool end_is_wanted() const;

 private:
  friend class Scoreboard;
  explicit Activity(std::shared_ptr<ScoreboardPage> page) : page_{std::move(page)} {}
  std::shared_ptr<ScoreboardPage> page_;
};

/// A file that tells who is on and what has been counted, shared by all daemons and single
/// connections that name it. Only processes that nobody has broken into hold one of these: rows
/// tell users and addresses, and whom a signal is meant for. A forked child does not inherit it;
/// a process that is to speak with clients gets its own page, and drops the rest.
///
/// Whoever has a place gives it back; places of those who have died are found and used again.
class Scoreboard {
 public:
  /// Index of a row and its page.
  using Place = std::size_t;

  /// The file, made if it is missing, anew if it is of another version or of before the machine was
  /// started. Its directory is made, too, and must be this user's or root's and writable by nobody
  /// else. The file's mode is 0600. Errc::denied for anything else that is there.
  [[nodiscard]] static Result<Fd> open_file(const std::filesystem::path& path);

  /// `file` came from open_file(), here or in the parent.
  [[nodiscard]] static Result<Scoreboard> map(Fd file);

  /// A place for this process, or one that it will start; what was counted there stays. nullopt
  /// when all are taken, or the file system is full.
  [[nodiscard]] std::optional<Place> claim();
  /// Says who is there; `facts.kind` none: nobody.
  void tell(Place place, const ScoreboardFacts& facts);
  /// Nobody is there, and anybody may claim it.
  void give_back(Place place);
  /// For who has the place, or will have: to be called in its process.
  [[nodiscard]] Result<Activity> activity(Place place) const;

  /// Never 0, and never the same again.
  [[nodiscard]] std::uint64_t next_serial();

 private:
  struct Table;
  struct Unmap {
    void operator()(Table* table) const noexcept;
  };
  using Mapping = std::unique_ptr<Table, Unmap>;
  Scoreboard(Fd file, Mapping table);
  [[nodiscard]] bool take_if_free(Place place) const;
  [[nodiscard]] bool reserve(Place place) const;

  Fd file_;
  Mapping table_;
  std::uint64_t self_;
  Place next_ = 0;  // those below were looked at
};

/// Facts about this process, as of now: number, birth and since.
[[nodiscard]] Result<ScoreboardFacts> facts_of_this_process(PlaceKind kind);
/// Nanoseconds since the epoch.
[[nodiscard]] std::int64_t scoreboard_time();

/// Cut to the field. False: it was too long.
template <std::size_t size>
bool put_text(std::array<char, size>& field, std::string_view text) {
  const std::size_t length = std::min(text.size(), size);
  field = {};
  for (std::size_t i = 0; i < length; ++i) field[i] = text[i];
  return length == text.size();
}

/// The text of /proc/sys/kernel/random/boot_id.
[[nodiscard]] std::string kernel_boot_id();

}  // namespace pop
