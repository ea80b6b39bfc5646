#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "mail/repair_plan.h"
#include "support/spool_scan.h"

namespace pop::test {

/// The text as bytes.
inline std::string rendered(const PatchedText& text, std::string_view old) {
  std::string bytes;
  for (const PatchedText::Piece& piece : text.pieces()) {
    bytes += piece.literal.empty() ? old.substr(piece.from.count, piece.count.count)
                                   : std::string_view{piece.literal};
  }
  return bytes;
}

/// Reads a text that lies in memory, `step` bytes at a time.
class MemoryReader final : public TextReader {
 public:
  explicit MemoryReader(std::string bytes, std::size_t step = 4096)
      : bytes_{std::move(bytes)}, step_{step} {}
  [[nodiscard]] FileBytes size() const override { return {bytes_.size()}; }
  [[nodiscard]] std::string_view bytes(FileBytes offset, std::size_t count) override {
    if (offset.count >= bytes_.size()) return {};
    // Only what was asked for stays readable, as from a file.
    last_ = bytes_.substr(offset.count, count);
    return last_;
  }
  void read_all(const std::function<void(std::string_view)>& take) override {
    for (std::size_t at = 0; at < bytes_.size(); at += step_) {
      const std::string piece = bytes_.substr(at, step_);
      take(piece);
    }
  }

 private:
  std::string bytes_;
  std::string last_;
  std::size_t step_;
};

inline SpoolFindings findings(std::string_view spool, std::size_t step = 4096,
                              const ScanOptions& options = {}) {
  MemoryReader reader{std::string{spool}, step};
  DefectFinder finder{options, reader};
  reader.read_all([&](std::string_view piece) { finder.feed(piece); });
  return finder.finish();
}

inline RepairPlan planned(std::string_view spool, Decision doubtful) {
  const auto open = [&](const PatchedText& text) -> std::unique_ptr<TextReader> {
    return std::make_unique<MemoryReader>(rendered(text, spool));
  };
  return plan_repair({spool.size()}, {}, open, [&](const Defect&) { return doubtful; });
}

}  // namespace pop::test
