"""The table, the JSON file, and the part of docs/performance.md that is made from them."""
import json
import platform
import re
from pathlib import Path

BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"


def number(value, unit=""):
    """With about three digits, as a person would write it."""
    if isinstance(value, str):
        return value
    whole = value >= 100 or value == int(value)
    return f"{value:,.0f} {unit}".strip() if whole and unit != "×" else f"{value:.3g} {unit}".strip()


def cells(row):
    beside = "" if row["beside"] is None else f"{number(row['beside'], row['unit'])} ({row['beside_is']})"
    ratio = "" if row["ratio"] is None else f"{row['ratio']:.2f}"
    verdict = {True: "met", False: "MISSED", None: ""}[row["met"]]
    return [row["part"], row["what"], number(row["measured"], row["unit"]), beside, ratio, row["target"], verdict]


HEAD = ["part", "what", "measured", "beside it", "ratio", "target", ""]


def text_table(rows):
    lines = [HEAD] + [cells(r) for r in rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEAD))]
    def put(line):
        return "  ".join(c.ljust(w) if i < 2 or i == 5 else c.rjust(w)
                         for i, (c, w) in enumerate(zip(line, widths))).rstrip()
    return "\n".join([put(HEAD), "  ".join("-" * w for w in widths)] + [put(line) for line in lines[1:]])


def markdown_table(rows):
    head = ["What", "Measured", "Beside it", "Ratio", "Target", "Met"]
    lines = ["| " + " | ".join(head) + " |", "|---|--:|--:|--:|---|---|"]
    for row in rows:
        _, what, measured, floor, ratio, target, verdict = cells(row)
        lines.append("| " + " | ".join([what, measured, floor, ratio, target,
                                        {"met": "yes", "MISSED": "**no**"}.get(verdict, "")]) + " |")
    return "\n".join(lines)


def machine():
    cpuinfo = Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*:\s*(.+)", cpuinfo)
    return {"cpu": model.group(1).strip() if model else platform.machine(),
            "cpus": len(re.findall(r"^processor", cpuinfo, re.M)), "kernel": platform.release()}


def write_json(path, rows, points, about):
    path.write_text(json.dumps({"about": about, "rows": rows, "points": points}, indent=1, ensure_ascii=False) + "\n")


def publish(page, rows, about):
    """Puts the table between the page's two marks."""
    text = page.read_text()
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise SystemExit(f"{page} has no place for the table: \"{BEGIN}\" and \"{END}\", once each")
    made = (f"{BEGIN}\nd-back {about['version']} on {about['cpus']} × {about['cpu']}, Linux {about['kernel']}, "
            f"{about['date']}; {about['seconds']:.0f} seconds.\n\n{markdown_table(rows)}\n{END}")
    page.write_text(text[:text.index(BEGIN)] + made + text[text.index(END) + len(END):])
