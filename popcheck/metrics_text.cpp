#include "popcheck/metrics_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

namespace pop {
namespace {

constexpr double microseconds_a_second = 1e6;

// OpenMetrics wants whole bounds to look like other floating-point numbers.
std::string bound_text(std::chrono::microseconds bound) {
  const double seconds = static_cast<double>(bound.count()) / microseconds_a_second;
  const std::string text = fmt::format("{}", seconds);
  return text.find('.') == text.npos ? text + ".0" : text;
}

class MetricsWriter {
 public:
  explicit MetricsWriter(MetricsForm form) : form_{form} {}

  void begin_counter(std::string_view name, std::string_view help) {
    begin(form_ == MetricsForm::openmetrics ? std::string{name} : counter_sample(name), "counter",
          help);
  }
  void counter(std::string_view name, std::string_view labels, std::uint64_t value) {
    sample(counter_sample(name), labels, value);
  }
  void counter_family(std::string_view name, std::string_view help, std::uint64_t value) {
    begin_counter(name, help);
    counter(name, "", value);
  }
  void gauge(std::string_view name, std::string_view help, std::uint64_t value) {
    begin(name, "gauge", help);
    sample(name, "", value);
  }
  void begin_gauge(std::string_view name, std::string_view help) { begin(name, "gauge", help); }
  void sample(std::string_view name, std::string_view labels, std::uint64_t value) {
    if (labels.empty()) {
      text_ += fmt::format("{} {}\n", name, value);
    } else {
      text_ += fmt::format("{}{{{}}} {}\n", name, labels, value);
    }
  }
  void histogram(std::string_view name, std::string_view help,
                 const HistogramOf<std::uint64_t>& histogram);

  std::string finish() && {
    if (form_ == MetricsForm::openmetrics) text_ += "# EOF\n";
    return std::move(text_);
  }

 private:
  static std::string counter_sample(std::string_view name) { return std::string{name} + "_total"; }
  void begin(std::string_view name, std::string_view type, std::string_view help) {
    text_ += fmt::format("# HELP {0} {2}.\n# TYPE {0} {1}\n", name, type, help);
  }

  MetricsForm form_;
  std::string text_;
};

void MetricsWriter::histogram(std::string_view name, std::string_view help,
                              const HistogramOf<std::uint64_t>& histogram) {
  begin(name, "histogram", help);
  const std::string bucket = std::string{name} + "_bucket";
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < histogram_bounds.size(); ++i) {
    sum += histogram.buckets[i];
    sample(bucket, fmt::format("le=\"{}\"", bound_text(histogram_bounds[i])), sum);
  }
  sum += histogram.buckets.back();
  sample(bucket, "le=\"+Inf\"", sum);
  text_ += fmt::format("{}_sum {:.6f}\n", name,
                       static_cast<double>(histogram.microseconds) / microseconds_a_second);
  sample(std::string{name} + "_count", "", sum);
}

template <std::size_t count>
void write_labelled(MetricsWriter& writer, std::string_view name, std::string_view label,
                    const std::array<std::string_view, count>& words,
                    const std::array<std::uint64_t, count>& counts) {
  for (std::size_t i = 0; i < count; ++i) {
    writer.counter(name, fmt::format("{}=\"{}\"", label, words[i]), counts[i]);
  }
}

void write_state(MetricsWriter& writer, const SeenScoreboard& seen) {
  writer.begin_gauge("popper_sessions", "Sessions now");
  const auto over_tls = static_cast<std::uint64_t>(std::ranges::count_if(
      seen.sessions,
      [](const SeenSession& session) { return (session.flags & ScoreboardFacts::over_tls) != 0; }));
  writer.sample("popper_sessions", "tls=\"no\"", seen.sessions.size() - over_tls);
  writer.sample("popper_sessions", "tls=\"yes\"", over_tls);
  writer.gauge("popper_strangers", "Connections now that have not logged in", seen.strangers);
  writer.gauge("popper_queued_logins", "Logins now that wait for a keeper", seen.queued);
  writer.gauge("popper_gates", "Gates now", seen.gates);
  writer.gauge("popper_keepers", "Keepers now", seen.keepers);
  writer.gauge("popper_scoreboard_start_timestamp_seconds",
               "When the counters began, which is once for each start of the machine",
               static_cast<std::uint64_t>(std::max<std::int64_t>(seen.made, 0)));
}

void write_logins(MetricsWriter& writer, const CounterTotals& totals) {
  writer.counter_family("popper_connections", "Connections taken", totals.connections);
  writer.counter_family("popper_refused_tls_handshakes", "TLS handshakes that failed",
                        totals.refused_handshakes);
  writer.begin_counter("popper_logins", "Attempts to log in, by what became of them");
  for (std::size_t i = 0; i < login_outcomes.size(); ++i) {
    for (std::size_t j = 0; j < login_mechanisms.size(); ++j) {
      writer.counter(
          "popper_logins",
          fmt::format("outcome=\"{}\",mechanism=\"{}\"", login_outcomes[i], login_mechanisms[j]),
          totals.logins[i][j]);
    }
  }
  writer.histogram("popper_login_queue_seconds", "How long logins waited for a keeper",
                   totals.queue_time);
  writer.histogram("popper_login_seconds", "How long keepers took for a login", totals.login_time);
}

void write_sessions(MetricsWriter& writer, const CounterTotals& totals) {
  writer.begin_counter("popper_ended_sessions", "Sessions that ended, by how");
  write_labelled(writer, "popper_ended_sessions", "how", session_ends, totals.ends);
  writer.histogram("popper_open_seconds", "How long it took to open a maildrop",
                   totals.opening_time);
  writer.histogram("popper_lock_wait_seconds", "How long sessions waited for a spool's locks",
                   totals.lock_wait);
  writer.histogram("popper_update_seconds", "How long it took to update a maildrop",
                   totals.update_time);
  writer.begin_counter("popper_commands", "Commands of logged-in clients");
  write_labelled(writer, "popper_commands", "command", counted_commands, totals.commands);
  writer.begin_counter("popper_reply_bytes", "Octets of replies to logged-in clients, by command");
  write_labelled(writer, "popper_reply_bytes", "command", counted_commands, totals.reply_octets);
  writer.counter_family("popper_received_bytes", "Octets that logged-in clients sent",
                        totals.octets_received);
  writer.counter_family("popper_retrieved_messages", "Messages sent whole by RETR",
                        totals.messages_retrieved);
  writer.counter_family("popper_deleted_messages", "Messages deleted for good",
                        totals.messages_deleted);
  writer.counter_family("popper_changed_unique_ids",
                        "Messages found with another unique-id than before", totals.changed_ids);
  writer.counter_family("popper_bulletins", "Bulletins given to users", totals.bulletins);
}

}  // namespace

std::string metrics_text(const SeenScoreboard& seen, MetricsForm form) {
  MetricsWriter writer{form};
  write_state(writer, seen);
  write_logins(writer, seen.totals);
  write_sessions(writer, seen.totals);
  return std::move(writer).finish();
}

}  // namespace pop
