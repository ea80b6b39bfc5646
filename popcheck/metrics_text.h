#pragma once

#include <cstdint>
#include <string>

#include "daemon/scoreboard_reader.h"

namespace pop {

/// openmetrics: OpenMetrics 1.0. prometheus: the older text format, 0.0.4, which node_exporter's
/// textfile collector and promtool read; the names of samples are the same.
enum class MetricsForm : std::uint8_t { openmetrics, prometheus };

/// All that a scoreboard counts, the metric families in a fixed order.
[[nodiscard]] std::string metrics_text(const SeenScoreboard& seen, MetricsForm form);

}  // namespace pop
