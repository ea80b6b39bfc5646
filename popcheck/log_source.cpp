#include "popcheck/log_source.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <new>
#include <utility>

#include "base/text.h"

namespace pop {
namespace {

constexpr std::size_t buffer_size = std::size_t{1} << 20;

struct ReadRelease {
  void operator()(archive* packed) const noexcept { archive_read_free(packed); }
};

Result<std::size_t> read_some(const Fd& file, char* to, std::size_t room) {
  for (;;) {
    const ssize_t got = ::read(file.get(), to, room);
    if (got >= 0) return static_cast<std::size_t>(got);
    if (errno != EINTR) return fail_errno(errno, "read");
  }
}

/// Makes whole lines of pieces.
class LineBuffer {
 public:
  LineBuffer(const TakeLines& take, LogReading& reading) : take_{take}, reading_{reading} {}

  [[nodiscard]] char* space() { return buffer_.get() + filled_; }
  [[nodiscard]] std::size_t room() const { return buffer_size - filled_; }

  /// So much was put into the space.
  void added(std::size_t octets) {
    reading_.octets += octets;
    const char* const fresh = space();
    filled_ += octets;
    const auto* const last = static_cast<const char*>(::memrchr(fresh, '\n', octets));
    if (last == nullptr) {
      if (room() == 0) drop_line();
      return;
    }
    give(static_cast<std::size_t>(last - buffer_.get()) + 1);
  }
  void end() {
    if (filled_ > 0) give(filled_);
  }

 private:
  void give(std::size_t size) {
    std::string_view lines{buffer_.get(), size};
    if (is_dropping_) {
      lines.remove_prefix(std::min(lines.find('\n'), lines.size() - 1) + 1);
      is_dropping_ = false;
    }
    if (!lines.empty()) take_(lines);
    std::memmove(buffer_.get(), buffer_.get() + size, filled_ - size);
    filled_ -= size;
  }
  void drop_line() {
    if (!is_dropping_) ++reading_.too_long;
    is_dropping_ = true;
    filled_ = 0;
  }

  const TakeLines& take_;
  LogReading& reading_;
  std::unique_ptr<char[]> buffer_{new char[buffer_size]};
  std::size_t filled_ = 0;
  bool is_dropping_ = false;  // the rest of a line that is too long
};

/// What libarchive reads from: the octets that were looked at, and then the descriptor.
struct PackedInput {
  const Fd& file;
  std::string_view first;
  std::unique_ptr<char[]> buffer{new char[buffer_size]};
};

la_ssize_t give_packed(archive* packed, void* context, const void** octets) {
  auto& input = *static_cast<PackedInput*>(context);
  if (!input.first.empty()) {
    *octets = input.first.data();
    return static_cast<la_ssize_t>(std::exchange(input.first, {}).size());
  }
  const Result<std::size_t> got = read_some(input.file, input.buffer.get(), buffer_size);
  if (!got) {
    archive_set_error(packed, EIO, "%s", got.error().text.c_str());
    return -1;
  }
  *octets = input.buffer.get();
  return static_cast<la_ssize_t>(*got);
}

std::unexpected<Error> damage(archive* packed) {
  const char* const text = archive_error_string(packed);
  return fail(Errc::corrupt,
              "cannot be unpacked: " + escaped(text != nullptr ? text : "it is damaged"));
}

Result<void> unpack(PackedInput input, LineBuffer& lines) {
  const std::unique_ptr<archive, ReadRelease> packed{archive_read_new()};
  if (!packed) throw std::bad_alloc{};
  archive_read_support_filter_gzip(packed.get());
  archive_read_support_filter_bzip2(packed.get());
  archive_read_support_filter_xz(packed.get());
  archive_read_support_filter_zstd(packed.get());
  archive_read_support_format_raw(packed.get());
  archive_entry* entry = nullptr;
  const bool is_open =
      archive_read_open(packed.get(), &input, nullptr, give_packed, nullptr) == ARCHIVE_OK;
  if (!is_open || archive_read_next_header(packed.get(), &entry) != ARCHIVE_OK) {
    return damage(packed.get());
  }
  for (;;) {
    const la_ssize_t got = archive_read_data(packed.get(), lines.space(), lines.room());
    if (got < 0) return damage(packed.get());
    if (got == 0) return {};
    lines.added(static_cast<std::size_t>(got));
  }
}

bool is_packed(std::string_view beginning) {
  using namespace std::string_view_literals;
  constexpr std::array marks{"\x1f\x8b"sv, "BZh"sv, "\xfd\x37zXZ\0"sv, "\x28\xb5\x2f\xfd"sv};
  for (const std::string_view mark : marks) {
    if (beginning.starts_with(mark)) return true;
  }
  return false;
}

}  // namespace

Result<LogReading> read_log(const Fd& file, const TakeLines& take) {
  LogReading reading;
  LineBuffer lines{take, reading};
  // A pipe may give its first octets one by one.
  std::array<char, 6> beginning{};
  std::size_t known = 0;
  while (known < beginning.size()) {
    const Result<std::size_t> got =
        read_some(file, beginning.data() + known, beginning.size() - known);
    if (!got) return std::unexpected(got.error());
    if (*got == 0) break;
    known += *got;
  }
  const std::string_view first{beginning.data(), known};
  if (is_packed(first)) {
    Result<void> unpacked = unpack({.file = file, .first = first}, lines);
    lines.end();
    if (!unpacked) return std::unexpected(std::move(unpacked).error());
    return reading;
  }
  std::memcpy(lines.space(), first.data(), first.size());
  lines.added(first.size());
  for (;;) {
    const Result<std::size_t> got = read_some(file, lines.space(), lines.room());
    if (!got) return std::unexpected(got.error());
    if (*got == 0) break;
    lines.added(*got);
  }
  lines.end();
  return reading;
}

Result<WritingProgram> WritingProgram::start(std::vector<std::string> arguments) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return fail_errno(errno, "pipe");
  Fd output{ends[0]};
  const Fd input{ends[1]};
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, input.get(), 1);
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  pid_t pid = 0;
  const int status = ::posix_spawnp(&pid, pointers[0], &actions, nullptr, pointers.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (status != 0) return fail_errno(status, "run " + arguments[0]);
  return WritingProgram{arguments[0], pid, std::move(output)};
}

WritingProgram::WritingProgram(WritingProgram&& other) noexcept
    : name_{std::move(other.name_)},
      pid_{std::exchange(other.pid_, 0)},
      output_{std::move(other.output_)} {}

WritingProgram::~WritingProgram() {
  if (pid_ != 0) (void)finish();
}

Result<void> WritingProgram::finish() {
  output_ = Fd{};
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0) {
    if (errno != EINTR) return fail_errno(errno, "wait for " + name_);
  }
  pid_ = 0;
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  return fail(Errc::io, name_ + " failed");
}

}  // namespace pop
