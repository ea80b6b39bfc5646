#include "popper/pulse.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>
#include <utility>

namespace pop {

Result<Fd> Pulse::create() {
  Fd memory{::memfd_create("popper-pulse", MFD_CLOEXEC | MFD_ALLOW_SEALING)};
  // Whoever could shrink it would kill the master at its next look.
  constexpr int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
  if (!memory.is_open() || ::ftruncate(memory.get(), sizeof(Word)) != 0 ||
      ::fcntl(memory.get(), F_ADD_SEALS, seals) != 0) {
    const int saved = errno;
    return fail_errno(saved, "make memory for a pulse");
  }
  return memory;
}

Result<Pulse> Pulse::open(const Fd& memory) {
  struct stat st {};
  if (::fstat(memory.get(), &st) != 0 || st.st_size != sizeof(Word)) {
    return fail(Errc::corrupt, "the memory of a pulse has a wrong size");
  }
  void* const at =
      ::mmap(nullptr, sizeof(Word), PROT_READ | PROT_WRITE, MAP_SHARED, memory.get(), 0);
  if (at == MAP_FAILED) {
    const int saved = errno;
    return fail_errno(saved, "map a pulse");
  }
  ::madvise(at, sizeof(Word), MADV_DONTFORK);
  return Pulse{static_cast<Word*>(at)};
}

Pulse::Pulse(Pulse&& other) noexcept : word_{std::exchange(other.word_, nullptr)} {}

Pulse& Pulse::operator=(Pulse other) noexcept {
  std::swap(word_, other.word_);
  return *this;
}

Pulse::~Pulse() {
  if (word_ != nullptr) ::munmap(word_, sizeof(Word));
}

void Pulse::mark(Time now) {
  word_->store(now.time_since_epoch().count());
}

void Pulse::clear() {
  word_->store(0);
}

std::optional<Pulse::Time> Pulse::marked() const {
  const std::int64_t value = word_->load();
  if (value == 0) return std::nullopt;
  return Time{Time::duration{value}};
}

}  // namespace pop
