#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace pop::test {

/// A second reader of spools, written apart from common/mail and far simpler: it knows the From_
/// lines that the fault tests write, and neither Content-Length nor MMDF.
[[nodiscard]] std::vector<std::string> split_messages(std::string_view spool);

/// Byte for byte but for bookkeeping fields (Status:, X-UIDL: and their kin) and the line ends at a
/// message's end, where a delivery may have added what was missing.
[[nodiscard]] bool same_messages(const std::vector<std::string>& found,
                                 const std::vector<std::string>& wanted);

/// For people: what is lost, doubled or broken.
[[nodiscard]] std::string describe_difference(const std::vector<std::string>& found,
                                              const std::vector<std::string>& kept,
                                              const std::vector<std::string>& all);

}  // namespace pop::test
