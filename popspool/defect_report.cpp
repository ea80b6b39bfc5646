#include "popspool/defect_report.h"

#include "base/text.h"

namespace pop {

std::string line_of(const Defect& defect) {
  const DefectText& text = text_of(defect.kind);
  std::string line;
  if (!defect.file.empty()) line += escaped(defect.file) + ": ";
  if (defect.line > 0) {
    line += "byte " + std::to_string(defect.at.count) + ", line " + std::to_string(defect.line);
    if (defect.message > 0) line += ", message " + std::to_string(defect.message);
    line += ": ";
  }
  line += std::string{name_of(text.harm)} + ": " + std::string{text.name};
  if (!defect.detail.empty()) line += ": " + defect.detail;
  return line;
}

Json json_of(const Defect& defect) {
  const DefectText& text = text_of(defect.kind);
  const bool in_spool = defect.line > 0;
  return {Json::Object{
      {"kind", {std::string{text.name}}},
      {"severity", {std::string{name_of(text.harm)}}},
      {"file", defect.file.empty() ? Json{} : Json{defect.file}},
      {"offset", in_spool ? Json{defect.at.count} : Json{}},
      {"line", in_spool ? Json{defect.line} : Json{}},
      {"message", defect.message > 0 ? Json{std::uint64_t{defect.message}} : Json{}},
      {"detail", {defect.detail}},
      {"client", {std::string{text.client_sees}}},
      {"repair", {std::string{text.repair}}},
      {"remedy", {std::string{name_of(defect.remedy)}}},
  }};
}

Json json_of(const std::vector<Defect>& defects) {
  Json::Array array;
  for (const Defect& defect : defects) array.push_back(json_of(defect));
  return {std::move(array)};
}

}  // namespace pop
