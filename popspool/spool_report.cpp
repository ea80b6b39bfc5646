#include "popspool/spool_report.h"

#include <algorithm>
#include <functional>

#include "popspool/size_record.h"
#include "tool/counted.h"
#include "tool/html_page.h"
#include "tool/moment.h"
#include "tool/size_text.h"

namespace pop {
namespace {

constexpr std::size_t most_rows = 20;

std::string number(std::uint64_t value) {
  return std::to_string(value);
}

template <std::size_t size>
std::string class_chart(std::string_view title, const std::array<std::string_view, size>& names,
                        const std::array<ClassCount, size>& counts) {
  std::vector<Bar> bars;
  for (std::size_t i = 0; i < size; ++i) {
    bars.push_back(
        {std::string{names.at(i)}, counts.at(i).messages,
         counted(counts.at(i).messages, "message") + ", " + size_text(counts.at(i).octets)});
  }
  return bar_chart(title, bars);
}

std::string figures(const SpoolReport& report) {
  std::uint64_t messages = 0, unread = 0, bytes = 0;
  for (const ReportedMaildrop& one : report.maildrops) {
    messages += one.messages;
    unread += one.unread;
    bytes += one.bytes;
  }
  return std::string{figures_begin} + figure("maildrops", number(report.maildrops.size())) +
         figure("messages", number(messages)) + figure("never retrieved", number(unread)) +
         figure("stored", size_text(bytes)) + std::string{figures_end};
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
                    size_text(count.octets) + ", " + counted(count.messages, "message")});
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

std::string html_of(const SpoolReport& report) {
  std::string body = figures(report) + largest_maildrops(report) + growth_chart(report);
  body +=
      "<h2>Messages by size</h2>\n" + class_chart("Messages by size", size_classes, report.by_size);
  body += "<h2>Messages by age</h2>\n" + class_chart("Messages by age", age_classes, report.by_age);
  if (report.undated > 0) {
    body +=
        "<p>" + counted(report.undated, "message") +
        (report.undated == 1 ? " does not tell when it came." : " do not tell when they came.") +
        "</p>\n";
  }
  body += largest_senders(report) + failures(report);
  return html_page("Spool report, " + moment_text(report.made), body);
}

}  // namespace pop
