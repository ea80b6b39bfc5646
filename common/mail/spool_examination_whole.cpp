#include "mail/spool_examination.h"

#include <algorithm>
#include <numeric>

namespace pop {
void SpoolExamination::judge_controls() {
  if (controls == 0) return;
  report({.kind = DefectKind::control_bytes,
          .at = {first_control},
          .detail = std::to_string(controls) + (controls == 1 ? " octet" : " octets") +
                    ", the first one " + in_quotes(view(first_control, 1))});
}

// The end of the file

void SpoolExamination::judge_end() {
  if (found.messages.empty()) return;
  const ScannedMessage& last = found.messages.back();
  judging = found.messages.size();
  const std::uint64_t look = std::min<std::uint64_t>(size(), 4);
  const std::string tail{text.bytes({size() - look}, look)};
  const bool ended = tail.ends_with('\n');
  if (is_mmdf) {
    if (last.content_end == last.end) {
      report(
          {.kind = DefectKind::unclosed_message,
           .remedy = Remedy::sure,
           .at = {size()},
           .detail = "the file ends without a closing line",
           .edits = {{{size()}, {}, (ended ? "" : eol()) + std::string{control_a_line} + eol()}}});
    }
  } else if (!ended) {
    report({.kind = DefectKind::torn_message,
            .remedy = Remedy::sure,
            .at = {size()},
            .detail = "the file ends in the middle of a line",
            .edits = {{{size()}, {}, eol() + eol()}}});
  } else if (!tail.ends_with("\n\n") && !tail.ends_with("\n\r\n")) {
    report({.kind = DefectKind::missing_empty_line,
            .remedy = Remedy::sure,
            .at = {size()},
            .detail = "the file does not end with an empty line",
            .edits = {{{size()}, {}, eol()}}});
  }
  judging = 0;
}

// What is there twice

void SpoolExamination::judge_duplicates() {
  std::vector<std::size_t> order(found.messages.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, {}, [&](std::size_t i) { return found.messages[i].fingerprint; });
  std::vector<bool> duplicate(order.size());
  for (std::size_t k = 1, first = 0; k < order.size(); ++k) {
    const ScannedMessage& one = found.messages[order[first]];
    const ScannedMessage& other = found.messages[order[k]];
    if (one.fingerprint != other.fingerprint) {
      first = k;
      continue;
    }
    duplicate[order[k]] = true;
    const bool same_id = !one.stored_id.empty() && one.stored_id == other.stored_id;
    report({.kind = DefectKind::duplicate_message,
            .remedy = same_id ? Remedy::sure : Remedy::doubtful,
            .at = other.separator,
            .message = order[k] + 1,
            .detail = "the same as message " + std::to_string(order[first] + 1),
            .edits = {{other.separator, other.end - other.separator, {}}}});
  }
  judge_equal_ids(duplicate);
}

void SpoolExamination::judge_equal_ids(const std::vector<bool>& duplicate) {
  const auto id_of = [&](const StoredId& stored) -> const std::string& {
    return found.messages[stored.index].stored_id;
  };
  std::ranges::stable_sort(stored_ids, {}, id_of);
  for (std::size_t k = 1, first = 0; k < stored_ids.size(); ++k) {
    if (id_of(stored_ids[first]) != id_of(stored_ids[k])) {
      first = k;
      continue;
    }
    if (duplicate[stored_ids[k].index]) continue;  // goes as a whole, or asked about
    report({.kind = DefectKind::duplicate_unique_id,
            .remedy = Remedy::sure,
            .at = stored_ids[k].edit.at,
            .message = stored_ids[k].index + 1,
            .detail = in_quotes(id_of(stored_ids[k])) + " is that of message " +
                      std::to_string(stored_ids[first].index + 1),
            .edits = {stored_ids[k].edit}});
  }
}

}  // namespace pop
