#include "popspool/spool_report.h"

#include <algorithm>
#include <functional>

#include "popspool/moment.h"
#include "popspool/size_record.h"
#include "tool/shown_text.h"

namespace pop {
namespace {

constexpr std::size_t most_rows = 20;

constexpr std::string_view style =
    "body{font:15px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;"
    "color:#222;background:#fff}"
    "h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem}"
    "table{border-collapse:collapse;width:100%}"
    "th,td{text-align:left;padding:.2rem .6rem;border-bottom:1px solid #ddd;"
    "overflow-wrap:anywhere}"
    "td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}"
    "svg{width:100%;height:auto}svg text{font:12px system-ui,sans-serif;fill:#222}"
    ".bar{fill:#4677a8}.less{fill:#a86b46}.figures{display:flex;gap:2rem;flex-wrap:wrap}"
    ".figures b{display:block;font-size:1.4rem}"
    "@media(prefers-color-scheme:dark){body{background:#181818;color:#ddd}"
    "svg text{fill:#ddd}th,td{border-color:#444}.bar{fill:#6ea0d0}}";

/// "1.5 MB": powers of 1024, as du(1) counts.
std::string size_text(std::uint64_t bytes) {
  constexpr std::array<std::string_view, 5> units{"bytes", "KB", "MB", "GB", "TB"};
  std::size_t unit = 0;
  std::uint64_t tenths = bytes > UINT64_MAX / 10 ? UINT64_MAX : bytes * 10;
  while (tenths >= 10240 && unit + 1 < units.size()) {
    tenths /= 1024;
    ++unit;
  }
  std::string text = std::to_string(tenths / 10);
  if (unit > 0 && tenths < 1000) text += "." + std::to_string(tenths % 10);
  return text + " " + std::string{units.at(unit)};
}

struct Bar {
  std::string name;      // not escaped yet
  std::uint64_t length;  // against the longest one
  std::string label;
  bool is_less = false;
};

std::string number(std::uint64_t value) {
  return std::to_string(value);
}

/// Horizontal bars with their names to the left and labels to the right.
std::string bar_chart(std::string_view title, const std::vector<Bar>& bars) {
  constexpr std::uint64_t row = 26, left = 260, width = 440, whole = 900;
  std::uint64_t longest = 1;
  for (const Bar& bar : bars) longest = std::max(longest, bar.length);
  std::string svg = "<svg role=\"img\" viewBox=\"0 0 " + number(whole) + " " +
                    number(row * bars.size() + 4) + "\" aria-label=\"" + html_text(title) +
                    "\">\n<title>" + html_text(title) + "</title>\n";
  std::uint64_t y = 2;
  for (const Bar& bar : bars) {
    const auto share = static_cast<double>(bar.length) / static_cast<double>(longest);
    const auto drawn = static_cast<std::uint64_t>(share * static_cast<double>(width));
    constexpr std::size_t longest_name = 36;
    std::string name = bar.name;
    if (name.size() > longest_name) name = name.substr(0, longest_name - 3) + "...";
    svg += "<text x=\"" + number(left - 10) + "\" y=\"" + number(y + 17) +
           "\" text-anchor=\"end\">" + html_text(name) + "</text><rect class=\"" +
           (bar.is_less ? "less" : "bar") + "\" x=\"" + number(left) + "\" y=\"" + number(y + 3) +
           "\" width=\"" + number(std::max<std::uint64_t>(drawn, bar.length > 0 ? 2 : 0)) +
           "\" height=\"18\"/><text x=\"" + number(left + drawn + 8) + "\" y=\"" + number(y + 17) +
           "\">" + html_text(bar.label) + "</text>\n";
    y += row;
  }
  return svg + "</svg>\n";
}

template <std::size_t size>
std::string class_chart(std::string_view title, const std::array<std::string_view, size>& names,
                        const std::array<ClassCount, size>& counts) {
  std::vector<Bar> bars;
  for (std::size_t i = 0; i < size; ++i) {
    bars.push_back(
        {std::string{names.at(i)}, counts.at(i).messages,
         number(counts.at(i).messages) + " messages, " + size_text(counts.at(i).octets)});
  }
  return bar_chart(title, bars);
}

std::string figure(std::string_view name, const std::string& value) {
  return "<div><b>" + html_text(value) + "</b>" + html_text(name) + "</div>\n";
}

std::string figures(const SpoolReport& report) {
  std::uint64_t messages = 0, unread = 0, bytes = 0;
  for (const ReportedMaildrop& one : report.maildrops) {
    messages += one.messages;
    unread += one.unread;
    bytes += one.bytes;
  }
  return "<div class=\"figures\">\n" + figure("maildrops", number(report.maildrops.size())) +
         figure("messages", number(messages)) + figure("never retrieved", number(unread)) +
         figure("stored", size_text(bytes)) + "</div>\n";
}

std::string largest_maildrops(const SpoolReport& report) {
  std::vector<const ReportedMaildrop*> order;
  for (const ReportedMaildrop& one : report.maildrops) order.push_back(&one);
  std::ranges::stable_sort(order, std::greater{}, &ReportedMaildrop::bytes);
  order.resize(std::min(order.size(), most_rows));
  std::string table =
      "<h2>Largest maildrops</h2>\n<table><tr><th>maildrop</th><th class=\"n\">messages</th>"
      "<th class=\"n\">never retrieved</th><th class=\"n\">stored</th><th class=\"n\">growth</th>"
      "</tr>\n";
  for (const ReportedMaildrop* one : order) {
    table += "<tr><td>" + html_text(one->target) + "</td><td class=\"n\">" + number(one->messages) +
             "</td><td class=\"n\">" + number(one->unread) + "</td><td class=\"n\">" +
             size_text(one->bytes) + "</td><td class=\"n\">" +
             (report.earlier ? growth_text(one->growth) : "") + "</td></tr>\n";
  }
  return table + "</table>\n";
}

std::string growth_chart(const SpoolReport& report) {
  if (!report.earlier) return {};
  const auto magnitude = [](const ReportedMaildrop* one) {
    return static_cast<std::uint64_t>(*one->growth < 0 ? -*one->growth : *one->growth);
  };
  std::vector<const ReportedMaildrop*> order;
  for (const ReportedMaildrop& one : report.maildrops) {
    if (one.growth.value_or(0) != 0) order.push_back(&one);
  }
  std::ranges::stable_sort(order, std::greater{}, magnitude);
  order.resize(std::min(order.size(), most_rows));
  std::vector<Bar> bars;
  for (const ReportedMaildrop* one : order) {
    bars.push_back({one->target, magnitude(one),
                    (*one->growth < 0 ? "-" : "+") + size_text(magnitude(one)), *one->growth < 0});
  }
  const std::string title = "Growth since " + moment_text(*report.earlier);
  return "<h2>" + html_text(title) + "</h2>\n" +
         (bars.empty() ? "<p>None.</p>\n" : bar_chart(title, bars));
}

std::string largest_senders(const SpoolReport& report) {
  std::vector<std::pair<std::string, ClassCount>> order{report.senders.begin(),
                                                        report.senders.end()};
  std::ranges::stable_sort(order, std::greater{},
                           [](const auto& one) { return one.second.octets; });
  order.resize(std::min(order.size(), most_rows));
  std::vector<Bar> bars;
  for (const auto& [sender, count] : order) {
    bars.push_back({sender.empty() ? "(no address)" : sender, count.octets,
                    size_text(count.octets) + ", " + number(count.messages) + " messages"});
  }
  return "<h2>Largest senders</h2>\n" +
         (bars.empty() ? "<p>None.</p>\n" : bar_chart("Largest senders", bars));
}

std::string failures(const SpoolReport& report) {
  if (report.failed.empty()) return {};
  std::string list = "<h2>Could not be looked at</h2>\n<ul>\n";
  for (const std::string& target : report.failed) list += "<li>" + html_text(target) + "</li>\n";
  return list + "</ul>\n";
}

}  // namespace

std::size_t size_class(std::uint64_t octets) {
  constexpr std::array<std::uint64_t, size_classes.size() - 1> limits{4096,   16384,   65536,
                                                                      262144, 1048576, 4194304};
  return static_cast<std::size_t>(std::ranges::lower_bound(limits, octets) - limits.begin());
}

std::size_t age_class(std::int64_t seconds_ago) {
  constexpr std::int64_t day = 86400;
  constexpr std::array<std::int64_t, age_classes.size() - 1> limits{
      day, 7 * day, 30 * day, 91 * day, 365 * day, 1096 * day};
  return static_cast<std::size_t>(std::ranges::lower_bound(limits, seconds_ago) - limits.begin());
}

std::string html_text(std::string_view hostile) {
  std::string text;
  for (const char c : shown_text(hostile, Layout::one_line)) {
    switch (c) {
      case '&':
        text += "&amp;";
        break;
      case '<':
        text += "&lt;";
        break;
      case '>':
        text += "&gt;";
        break;
      case '"':
        text += "&quot;";
        break;
      case '\'':
        text += "&#39;";
        break;
      default:
        text += c;
    }
  }
  return text;
}

std::string html_of(const SpoolReport& report) {
  const std::string when = moment_text(report.made);
  std::string page =
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
      "style-src 'unsafe-inline'\">\n<title>Spool report " +
      when + "</title>\n<style>" + std::string{style} +
      "</style>\n</head>\n<body>\n<h1>Spool report, " + when + "</h1>\n";
  page += figures(report) + largest_maildrops(report) + growth_chart(report);
  page +=
      "<h2>Messages by size</h2>\n" + class_chart("Messages by size", size_classes, report.by_size);
  page += "<h2>Messages by age</h2>\n" + class_chart("Messages by age", age_classes, report.by_age);
  if (report.undated > 0) {
    page += "<p>" + number(report.undated) + " messages do not tell when they came.</p>\n";
  }
  return page + largest_senders(report) + failures(report) + "</body>\n</html>\n";
}

}  // namespace pop
