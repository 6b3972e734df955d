"""Rows of results as text: one table a workload, then the ratios that the project has promised."""

COLUMNS = [
    ("server", "server", "{}"),
    ("arrived", "arrived", "{}"),
    ("rate", "relayed/s", "{:.0f}"),
    ("bulk_rate", "first 85%/s", "{:.0f}"),
    ("accept_rate", "accepted/s", "{:.0f}"),
    ("dot_p50", "p50 ms", "{:.2f}"),
    ("dot_p99", "p99 ms", "{:.2f}"),
    ("dot_p99.9", "p99.9 ms", "{:.2f}"),
    ("cpu_per_1000", "CPU s/1000", "{:.3f}"),
    ("peak_pss", "PSS MiB", "{:.1f}"),
    ("processes", "processes", "{}"),
    ("load_us", "load µs", "{:.1f}"),
    ("sink_us", "sink µs", "{:.1f}"),
    ("bytes_per_idle", "bytes/idle", "{:.0f}"),
    ("queued", "queued", "{}"),
    ("relative_rate", "relative", "{:.2f}"),
    ("ready_seconds", "ready s", "{:.2f}"),
    ("note", "", "{}"),
]

# (workload, measure, is more better?, wanted ratio, what it says)
PROMISES = [
    ("4k-100", "rate", True, 12, "relayed messages a second"),
    ("4k-100", "cpu_per_1000", False, 12, "CPU a message"),
    ("4k-1", "dot_p50", False, 1, "latency from dot to 250, median"),
    ("100k", "rate", True, 3, "relayed messages a second"),
    ("one-each", "rate", True, 8, "relayed messages a second"),
]


def cell(row, key, form):
    if key not in row:
        return ""
    value = row[key] / 2**20 if key == "peak_pss" else row[key]
    return form.format(value)


def table(rows):
    used = [column for column in COLUMNS if any(column[0] in row for row in rows)]
    lines = [[title for _, title, _ in used]]
    lines += [[cell(row, key, form) for key, _, form in used] for row in rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(used))]
    left = {"server", "note"}
    return "\n".join("  " + "  ".join(
        text.ljust(width) if used[i][0] in left else text.rjust(width)
        for i, (text, width) in enumerate(zip(line, widths))).rstrip() for line in lines)


def warnings(row):
    """What makes a row doubtful."""
    found = []
    if row.get("arrived", 0) < row.get("acknowledged", 0):
        found.append(f"{row['acknowledged'] - row['arrived']} acknowledged messages did not arrive in time")
    for key, text in (("duplicates", "arrived twice"), ("unanswered", "were not answered"),
                      ("refused", "were refused"), ("idle_lost", "idle connections were closed")):
        if row.get(key):
            found.append(f"{row[key]} {text}")
    found += [f"{count} connections lost: {why}" for why, count in row.get("losses", {}).items()]
    return [f"  ! {row['server']}: {text}" for text in found]


def by_server(rows, server, measure):
    for row in rows:
        if row["server"] == server and row.get(measure):
            return row[measure]
    return None


def ratios(results):
    """[(text, ratio, wanted)] of everything measured for both servers, promised or not."""
    found = []
    promised = {(workload, measure): (wanted, text) for workload, measure, _, wanted, text in PROMISES}
    for workload, rows in results.items():
        for measure, more, text in (("rate", True, "relayed messages a second"),
                                    ("bulk_rate", True, "the first 85 %, a second"),
                                    ("cpu_per_1000", False, "CPU a message"),
                                    ("dot_p50", False, "latency from dot to 250, median"),
                                    ("peak_pss", False, "peak memory"),
                                    ("bytes_per_idle", False, "memory of an idle connection")):
            ours, theirs = by_server(rows, "veredus", measure), by_server(rows, "postfix", measure)
            if not ours or not theirs:
                continue
            ratio = ours / theirs if more else theirs / ours
            found.append((f"{workload}: {text}", ratio, promised.get((workload, measure), (None,))[0]))
    return found


def limits(results):
    """[(text, value, limit, holds)] of the promises that need no second server."""
    found = []
    for row in results.get("idle", []):
        if row["server"] == "veredus":
            found.append(("an idle connection, KiB", row["bytes_per_idle"] / 1024, "at most 16",
                          row["bytes_per_idle"] <= 16384))
    for row in results.get("dead-queue", []):
        if row.get("note") in ("queue at rest", "start with that spool"):
            size = row["peak_pss"] / 2**20
            found.append((f"{row['queued']} queued, {row['note']}, MiB", size, "at most 100", size <= 100))
        if "relative_rate" in row:
            found.append(("healthy flow beside them, relative", row["relative_rate"], "at least 0.9",
                          row["relative_rate"] >= 0.9))
        if "ready_seconds" in row:
            found.append(("ready with that spool, s", row["ready_seconds"], "within 3", row["ready_seconds"] <= 3))
    return found


def summary(results):
    lines = []
    for text, ratio, wanted in ratios(results):
        mark = "" if wanted is None else f"  (wanted {wanted}: {'reached' if ratio >= wanted else 'NOT reached'})"
        lines.append(f"  {text}: {ratio:.1f} times as good as Postfix{mark}")
    for text, value, limit, holds in limits(results):
        lines.append(f"  {text}: {value:.2f}  ({limit}: {'reached' if holds else 'NOT reached'})")
    return "\n".join(lines) if lines else "  nothing to compare"
