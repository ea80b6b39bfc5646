#include "mime/mime_flattener.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "base/text.h"
#include "mail/header_scanner.h"
#include "mime/charset_text.h"
#include "mime/gmime_functions.h"
#include "mime/header_text.h"
#include "mime/html_text.h"
#include "mime/part_header.h"
#include "mime/part_walker.h"
#include "mime/text_part.h"

namespace pop {
namespace {

constexpr std::size_t longest_name_in_note = 30, longest_type_in_note = 20;
constexpr std::size_t largest_kept_header = std::size_t{256} * 1024;
constexpr std::string_view note_of_cut = "[message too long; the rest of this text is left out]";

/// What a part is to those inside it.
enum class Role : std::uint8_t {
  leaf,
  all,     // its parts are shown one after the other
  choice,  // one of its parts is shown
  digest,
  report,
  apple_double,
  related,
  message,
  message_header,  // of it only the header is shown
};

/// How well a part does for a choice; of equals the first is taken.
enum Worth : int {
  worth_a_note,
  worth_parts,
  worth_other_text,
  worth_readable_text,
  worth_wanted_text,
  worth_language = 10,  // on top of the others
};

struct OpenPart {
  Role role = Role::leaf;
  // Of a leaf with text.
  PartHeader header{};
  std::optional<TransferDecoder> decoder{};
  std::string octets{};
  bool is_cut = false;
  // Of those with parts.
  std::size_t parts = 0;
  std::string chosen{};
  int worth = -1;  // of what is in there
};

bool is_readable(const PartHeader& part) {
  return part.type == "text" && (part.subtype == "plain" || part.subtype == "html" ||
                                 part.subtype == "enriched" || part.subtype == "richtext");
}

// RFC 4647 section 3.3.1, for one of the tags that a part names.
bool speaks(const PartHeader& part, std::string_view language) {
  std::string_view rest = part.language;
  while (!language.empty() && !rest.empty()) {
    const std::size_t end = std::min(rest.find(','), rest.size());
    const std::string_view tag = trimmed(rest.substr(0, end));
    if (tag.starts_with(language) &&
        (tag.size() == language.size() || tag[language.size()] == '-')) {
      return true;
    }
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return false;
}

int worth_of(const PartHeader& part, const MangleRequest& request) {
  const std::string_view wanted = request.text == MangleRequest::Text::html ? "html" : "plain";
  const int bonus = speaks(part, request.language) ? worth_language : 0;
  if (part.is("text", wanted)) return bonus + worth_wanted_text;
  if (part.is("multipart", "related")) {
    const std::string_view root =
        part.root_type.empty() ? std::string_view{"text/html"} : part.root_type;
    return bonus + (root == std::string{"text/"} + std::string{wanted} ? worth_wanted_text
                                                                       : worth_readable_text);
  }
  if (is_readable(part)) return bonus + worth_readable_text;
  if (part.type == "text") return bonus + worth_other_text;
  return bonus + (part.type == "multipart" || part.type == "message" ? worth_parts : worth_a_note);
}

/// As many whole characters as fit into so many octets.
std::string_view beginning_of(std::string_view text, std::size_t octets) {
  if (text.size() <= octets) return text;
  while (octets > 0 && (static_cast<unsigned char>(text[octets]) & 0xc0U) == 0x80) --octets;
  return text.substr(0, octets);
}

std::string cut(std::string text, std::size_t characters) {
  std::size_t end = 0;
  for (std::size_t seen = 0; end < text.size() && seen < characters; ++seen) {
    ++end;
    while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xc0U) == 0x80) ++end;
  }
  text.resize(end);
  return text;
}

bool is_message(const PartHeader& part) {
  return part.type == "message" &&
         (part.subtype == "rfc822" || part.subtype == "global" || part.subtype == "news");
}

bool is_encoded(const PartHeader& part) {
  return part.encoding == GMIME_CONTENT_ENCODING_BASE64 ||
         part.encoding == GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE ||
         part.encoding == GMIME_CONTENT_ENCODING_UUENCODE;
}

bool is_dropped_silently(const PartHeader& part, Role parent) {
  return part.is("application", "vnd.ms-tnef") || part.is("application", "ms-tnef") ||
         part.is("message", "external-body") ||
         (parent == Role::apple_double && part.is("application", "applefile"));
}

bool is_shown_as_text(const PartHeader& part) {
  if (part.is_attachment || part.subtype == "rtf") return false;
  return part.type == "text" || (part.type == "message" && !is_message(part));
}

}  // namespace

class MimeFlattener::Flattening final : public PartVisitor {
 public:
  Flattening(const GmimeFunctions& gmime, MangleRequest request, Extent extent)
      : gmime_{gmime}, request_{std::move(request)}, extent_{extent} {}

  void feed(std::string_view piece) { walker_.feed(piece); }
  [[nodiscard]] bool is_satisfied() const { return extent_ == Extent::header && has_begun_; }
  std::string finish();

  [[nodiscard]] PartKind begin_part(std::string_view header) override;
  void add_content(std::string_view piece) override;
  void end_part() override;

 private:
  [[nodiscard]] PartKind ignore();
  [[nodiscard]] PartKind open(const PartHeader& part, Role parent);
  [[nodiscard]] PartKind open_parts(const PartHeader& part);
  [[nodiscard]] PartKind open_message(Role parent);
  [[nodiscard]] PartKind open_text(const PartHeader& part);
  [[nodiscard]] PartHeader header_of(std::string_view header, Role parent) const;
  [[nodiscard]] bool is_chosen(const PartHeader& part);
  [[nodiscard]] std::string kept_fields(std::string_view header) const;
  [[nodiscard]] std::string& place_for_text();
  [[nodiscard]] std::size_t room() const;
  void show_header(std::string_view header);
  void append_block(std::string_view text);
  void add_block(std::string_view text);
  void add_note(std::string_view text);
  void note_omission(const PartHeader& part);
  [[nodiscard]] std::string content_fields() const;

  const GmimeFunctions& gmime_;
  MangleRequest request_;
  Extent extent_;
  PartWalker walker_{*this};
  std::vector<OpenPart> open_;
  std::string head_, body_;
  std::size_t parts_ = 0;
  std::size_t text_left_ = largest_text;
  bool has_begun_ = false;
  bool is_full_ = false;  // something of a text had no room, and a note says so
};

std::string MimeFlattener::Flattening::finish() {
  if (!is_satisfied()) walker_.finish();
  std::string text = from_utf8(gmime_, std::move(head_), request_.charset, Missing::similar);
  if (extent_ == Extent::header) return text + "\n";
  const bool is_html = request_.text == MangleRequest::Text::html;
  text += content_fields() + "\n";
  text += from_utf8(gmime_, std::move(body_), request_.charset,
                    is_html ? Missing::reference : Missing::similar);
  return text;
}

std::string MimeFlattener::Flattening::content_fields() const {
  std::string fields = "Mime-version: 1.0\nContent-Type: text/";
  fields += request_.text == MangleRequest::Text::html ? "html" : "plain";
  fields.append(";charset=\"").append(request_.charset).append("\"\n");
  const bool is_7bit = request_.charset == "us-ascii" || request_.charset.ends_with("-jp");
  return is_7bit ? fields : fields + "Content-Transfer-Encoding: 8bit\n";
}

std::string MimeFlattener::Flattening::kept_fields(std::string_view header) const {
  std::string kept;
  for (const HeaderField& field : header_fields(header)) {
    const std::string beginning = lower(field.name) + ":";
    const bool is_kept =
        !field.name.empty() && std::ranges::any_of(request_.headers, [&](const std::string& one) {
          return beginning.starts_with(one);
        });
    if (!is_kept || kept.size() >= largest_kept_header) continue;
    const std::string_view whole = header.substr(field.begin, field.end - field.begin);
    kept += folded_field(field.name, readable_value(gmime_, whole));
  }
  return kept;
}

PartKind MimeFlattener::Flattening::begin_part(std::string_view header) {
  const Role parent = open_.empty() ? Role::all : open_.back().role;
  if (!std::exchange(has_begun_, true)) {
    head_ = kept_fields(header);
    if (extent_ == Extent::header) return ignore();
  }
  if (parent == Role::message || parent == Role::message_header) show_header(header);
  if (parent == Role::message_header) return ignore();
  if (++parts_ > most_parts) {
    if (parts_ == most_parts + 1) add_note("[message too complex; the other parts are left out]");
    return ignore();
  }
  if (open_.size() >= deepest_part) {
    add_note("[message too complex; what is inside this part is left out]");
    return ignore();
  }
  const PartHeader part = header_of(header, parent);
  if (!open_.empty()) ++open_.back().parts;
  if (parent == Role::choice && !is_chosen(part)) return ignore();
  if (is_full_) return ignore();
  return open(part, parent);
}

PartHeader MimeFlattener::Flattening::header_of(std::string_view header, Role parent) const {
  PartHeader otherwise;
  if (parent == Role::digest) {
    otherwise.type = "message";
    otherwise.subtype = "rfc822";
  }
  return parse_part_header(gmime_, header, otherwise);
}

bool MimeFlattener::Flattening::is_chosen(const PartHeader& part) {
  OpenPart& choice = open_.back();
  const int worth = worth_of(part, request_);
  if (worth <= choice.worth) return false;
  choice.worth = worth;
  choice.chosen.clear();
  is_full_ = is_full_ && room() == 0;
  return true;
}

PartKind MimeFlattener::Flattening::ignore() {
  open_.push_back({});
  return {PartKind::Body::ignored};
}

PartKind MimeFlattener::Flattening::open(const PartHeader& part, Role parent) {
  if (part.type == "multipart") return open_parts(part);
  const bool belongs_to_root = parent == Role::related && open_.back().parts > 1;
  if (is_dropped_silently(part, parent)) return ignore();
  if (belongs_to_root && part.type == "text" && !part.is_attachment) return ignore();
  if (is_message(part) && !is_encoded(part)) return open_message(parent);
  if (is_shown_as_text(part)) return open_text(part);
  note_omission(part);
  return ignore();
}

PartKind MimeFlattener::Flattening::open_parts(const PartHeader& part) {
  if (part.boundary.empty()) {
    add_note("[invalid MIME formatting; the parts cannot be told apart]");
    return open_text({});
  }
  OpenPart opened;
  const bool chooses = part.subtype == "alternative" ||
                       (part.subtype == "multilingual" && !request_.language.empty());
  opened.role = chooses                         ? Role::choice
                : part.subtype == "digest"      ? Role::digest
                : part.subtype == "report"      ? Role::report
                : part.subtype == "appledouble" ? Role::apple_double
                : part.subtype == "related"     ? Role::related
                                                : Role::all;
  open_.push_back(std::move(opened));
  return {PartKind::Body::parts, part.boundary};
}

PartKind MimeFlattener::Flattening::open_message(Role parent) {
  const bool only_header = parent == Role::report;
  if (parent != Role::choice) {  // RFC 8255: a translation is no message of its own
    add_note(only_header ? "[Header of message follows:]" : "[Included message follows:]");
  }
  OpenPart opened;
  opened.role = only_header ? Role::message_header : Role::message;
  open_.push_back(std::move(opened));
  return {PartKind::Body::message};
}

PartKind MimeFlattener::Flattening::open_text(const PartHeader& part) {
  OpenPart opened;
  opened.header = part;
  opened.decoder.emplace(gmime_, part.encoding);
  open_.push_back(std::move(opened));
  return {PartKind::Body::content};
}

void MimeFlattener::Flattening::add_content(std::string_view piece) {
  OpenPart& part = open_.back();
  if (part.is_cut) return;
  const std::size_t before = part.octets.size();
  part.decoder->decode(piece, part.octets);
  const std::size_t added = part.octets.size() - before;
  part.is_cut = added > text_left_;
  if (part.is_cut) part.octets.resize(before + text_left_);
  text_left_ -= std::min(added, text_left_);
}

void MimeFlattener::Flattening::end_part() {
  OpenPart part = std::move(open_.back());
  open_.pop_back();
  if (part.role == Role::choice) return append_block(part.chosen);
  if (!part.decoder) return;
  add_block(readable_text(gmime_, part.header, std::move(part.octets), request_, room()));
  if (part.is_cut && !is_full_) add_note(note_of_cut);
}

// Of an included message.
void MimeFlattener::Flattening::show_header(std::string_view header) {
  if (is_full_) return;
  if (text_left_ == 0) return add_note(note_of_cut);
  const std::string fields = kept_fields(header);
  const std::string_view shown = beginning_of(fields, text_left_);
  const bool is_cut = shown.size() < fields.size();
  text_left_ = is_cut ? 0 : text_left_ - shown.size();
  add_block(shown);
  if (is_cut && !is_full_) add_note(note_of_cut);
}

std::string& MimeFlattener::Flattening::place_for_text() {
  const auto choice =
      std::ranges::find(open_.rbegin(), open_.rend(), Role::choice, &OpenPart::role);
  return choice == open_.rend() ? body_ : choice->chosen;
}

std::size_t MimeFlattener::Flattening::room() const {
  std::size_t shown = body_.size();
  for (const OpenPart& part : open_) shown += part.chosen.size();
  return largest_shown - std::min(shown, largest_shown);
}

// As much as there is room for.
void MimeFlattener::Flattening::add_block(std::string_view text) {
  const std::string_view shown = beginning_of(text, room());
  append_block(shown);
  if (shown.size() == text.size() || std::exchange(is_full_, true)) return;
  add_note(note_of_cut);
}

// An empty line between one and the next.
void MimeFlattener::Flattening::append_block(std::string_view text) {
  if (text.empty()) return;
  std::string& place = place_for_text();
  if (!place.empty()) place += '\n';
  place += text;
  if (!place.ends_with('\n')) place += '\n';
}

// Notes are few and short: there is room for them anyway.
void MimeFlattener::Flattening::add_note(std::string_view text) {
  const bool is_html = request_.text == MangleRequest::Text::html;
  append_block(is_html ? "<p>" + html_of_text(text) + "</p>\n" : std::string{text} + "\n");
}

void MimeFlattener::Flattening::note_omission(const PartHeader& part) {
  std::string name = to_utf8(gmime_, part.file_name, "utf-8");
  std::ranges::replace(name, '\n', ' ');
  std::string note;
  if (!name.empty()) note = "[" + cut(std::move(name), longest_name_in_note) + "]\n";
  std::string type = to_utf8(gmime_, part.type + "/" + part.subtype, "utf-8");
  std::ranges::replace(type, '\n', ' ');
  note += "[ " + cut(std::move(type), longest_type_in_note);
  note += part.is_attachment ? " attachment omitted]" : " part omitted]";
  add_note(note);
}

MimeFlattener::MimeFlattener(std::unique_ptr<Flattening> flattening)
    : flattening_{std::move(flattening)} {}
MimeFlattener::MimeFlattener(MimeFlattener&& other) noexcept = default;
MimeFlattener::~MimeFlattener() = default;

Result<MimeFlattener> MimeFlattener::make(MangleRequest request, Extent extent) {
  const Result<const GmimeFunctions*> gmime = load_gmime();
  if (!gmime) return std::unexpected(gmime.error());
  return MimeFlattener{std::make_unique<Flattening>(**gmime, std::move(request), extent)};
}

void MimeFlattener::feed(std::string_view piece) {
  flattening_->feed(piece);
}

bool MimeFlattener::is_satisfied() const {
  return flattening_->is_satisfied();
}

std::string MimeFlattener::finish() {
  return flattening_->finish();
}

}  // namespace pop
