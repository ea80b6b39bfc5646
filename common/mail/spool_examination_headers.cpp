#include "mail/spool_examination.h"

#include <algorithm>
#include <utility>

namespace pop {
/// Whether a Content-Length: says what the body is; reports each that does not.
bool SpoolExamination::judge_length(const ScannedMessage& message, std::string_view header,
                                    const HeaderSurvey& survey) {
  if (survey.content_lengths.empty()) return false;
  const std::uint64_t body = (message.content_end - message.body).count;
  const std::string_view last = view(message.content_end.count - std::min<std::uint64_t>(body, 4),
                                     std::min<std::uint64_t>(body, 4));
  std::uint64_t empty_line = 0;
  if (last.ends_with("\n\n") || last == "\n") empty_line = 1;
  if (last.ends_with("\n\r\n") || last == "\r\n") empty_line = 2;
  bool all_right = true;
  for (std::size_t i = 0; i < survey.content_lengths.size(); ++i) {
    const SurveyedField& field = survey.content_lengths[i];
    const std::string_view value = header.substr(field.value, field.value_size);
    const auto length = decimal(value);
    if (i == 0 && length && (*length == body || *length == body - empty_line)) continue;
    if (i > 0 && value == header.substr(survey.content_lengths[0].value,
                                        survey.content_lengths[0].value_size)) {
      continue;
    }
    all_right = false;
    if (length && leads_to_sighting(message, *length)) continue;
    const FileBytes begin = message.header + FileBytes{field.begin};
    SpoolEdit edit{message.header + FileBytes{field.value},
                   {field.value_size},
                   std::to_string(body - empty_line)};
    if (i > 0 || field.value_size == 0) edit = {begin, {field.end - field.begin}, {}};
    Defect defect{
        .kind = DefectKind::wrong_content_length,
        .at = begin,
        .detail = in_quotes(value) + ", and the body has " + std::to_string(body - empty_line)};
    // Nobody knows the length before it is known where the message ends.
    if (sightings.empty()) {
      defect.remedy = Remedy::sure;
      defect.edits = {std::move(edit)};
    }
    report(std::move(defect));
  }
  return all_right;
}

/// Whether a body of `length` ends where something is wrong: then that is wrong, not the length.
bool SpoolExamination::leads_to_sighting(const ScannedMessage& message,
                                         std::uint64_t length) const {
  const std::uint64_t end = message.body.count + length;
  return std::ranges::any_of(sightings, [&](const Sighting& sighting) {
    return end <= sighting.at && sighting.at <= end + 2;
  });
}

void SpoolExamination::judge_no_fields(std::size_t index, std::string_view header,
                                       const HeaderSurvey& survey) {
  const ScannedMessage& message = found.messages[index];
  doubled_end = 0;
  for (const SurveyedField& line : survey.doubled) {
    const FileBytes begin = message.header + FileBytes{line.begin};
    doubled_end = message.header.count + line.end;
    report({.kind = DefectKind::doubled_from_line,
            .remedy = Remedy::sure,
            .at = begin,
            .detail = in_quotes(without_line_end(header.substr(line.begin, line.end - line.begin))),
            .edits = {{begin, {line.end - line.begin}, {}}}});
  }
  if (survey.no_fields.empty()) return;
  const SurveyedField& first = survey.no_fields.front();
  const std::string detail =
      in_quotes(without_line_end(header.substr(first.begin, first.end - first.begin)));
  if (survey.fields == 0 && index > 0 && !is_mmdf && survey.doubled.empty()) {
    report({.kind = DefectKind::false_separator,
            .remedy = Remedy::doubtful,
            .at = message.separator,
            .detail = "followed by " + detail,
            .edits = {{message.separator, {}, ">"}}});
    return;
  }
  if (message.separator == message.header) return;  // told as an unopened message
  const FileBytes begin = message.header + FileBytes{first.begin};
  const bool field_follows = survey.fields_after_first_no_field > 0;
  report({.kind = DefectKind::damaged_header,
          .remedy = Remedy::doubtful,
          .at = begin,
          .detail = detail,
          .edits = {{begin, {}, field_follows ? "X-Damaged-Header: " : eol()}}});
}

void SpoolExamination::judge_stored_ids(const ScannedMessage& message, std::string_view header,
                                        const HeaderSurvey& survey) {
  bool has_one = false;
  for (const SurveyedField& field : survey.stored_ids) {
    const std::string_view value = header.substr(field.value, field.value_size);
    const FileBytes begin = message.header + FileBytes{field.begin};
    const SpoolEdit edit{begin, {field.end - field.begin}, {}};
    if (!is_valid_unique_id(value)) {
      report({.kind = DefectKind::invalid_unique_id,
              .remedy = Remedy::sure,
              .at = begin,
              .detail = in_quotes(value),
              .edits = {edit}});
    } else if (std::exchange(has_one, true)) {
      report({.kind = DefectKind::duplicate_unique_id,
              .remedy = Remedy::sure,
              .at = begin,
              .detail = in_quotes(value) + " besides another one in the same header",
              .edits = {edit}});
    } else {
      stored_ids.push_back({judging - 1, edit});
    }
  }
}

void SpoolExamination::judge_imap(std::size_t index, std::string_view header,
                                  const HeaderSurvey& survey) {
  const ScannedMessage& message = found.messages[index];
  for (const SurveyedField& field : survey.imap_bases) {
    const std::string_view value = header.substr(field.value, field.value_size);
    const FileBytes begin = message.header + FileBytes{field.begin};
    if (index > 0) {
      report({.kind = DefectKind::forged_imap_base,
              .remedy = Remedy::sure,
              .at = begin,
              .detail = in_quotes(value),
              .edits = {{begin, {field.end - field.begin}, {}}}});
      continue;
    }
    has_imap_base = true;
    if (is_imap_base(value)) continue;
    report({.kind = DefectKind::damaged_imap_base, .at = begin, .detail = in_quotes(value)});
  }
  if (first_imap_id || survey.imap_ids.empty()) return;
  const SurveyedField& field = survey.imap_ids.front();
  first_imap_id = Defect{
      .kind = DefectKind::lost_imap_base,
      .at = message.header + FileBytes{field.begin},
      .message = judging,
      .detail = "X-UID: " + std::string{in_quotes(header.substr(field.value, field.value_size))}};
}

}  // namespace pop
