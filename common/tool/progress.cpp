#include "tool/progress.h"

#include <algorithm>

namespace pop {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t columns = 79;
constexpr std::uint64_t bar_width = 30;
constexpr std::string_view erase_line = "\r\x1b[K";

}  // namespace

Progress::Progress(Terminal& terminal, Clock& clock, std::uint64_t total)
    : terminal_{terminal}, clock_{clock}, total_{total}, next_{clock.steady() + 500ms} {}

void Progress::show(std::uint64_t done, std::string_view what) {
  if (total_ == 0 || !terminal_.err_is_terminal()) return;
  const auto now = clock_.steady();
  if (now < next_) return;
  next_ = now + 100ms;
  is_drawn_ = true;
  terminal_.tell(std::string{erase_line} + progress_line(done, total_, what),
                 Terminal::LineEnd::none);
}

void Progress::clear() {
  if (!is_drawn_) return;
  is_drawn_ = false;
  terminal_.tell(erase_line, Terminal::LineEnd::none);
}

std::string progress_line(std::uint64_t done, std::uint64_t total, std::string_view what) {
  const std::uint64_t all = std::max<std::uint64_t>(total, 1);
  const std::uint64_t filled = std::min(done, all) * bar_width / all;
  std::string line = "[" + std::string(filled, '#') + std::string(bar_width - filled, '.') + "] ";
  const std::string percent = std::to_string(std::min(done, all) * 100 / all);
  line += std::string(3 - std::min<std::size_t>(3, percent.size()), ' ') + percent + "% (" +
          std::to_string(done) + " of " + std::to_string(total) + ") " + std::string{what};
  return line.substr(0, columns);
}

}  // namespace pop
