// Readings as text and as tables: numbers, spans and instants in words, the statistics, and a page of the rows.

const HEADS = ["Sensor", "Readings", "Min", "Mean", "Max", "Std", "Last", "Not good", "Gaps", "Longest gap"];
const FIGURE = "\u2007"; // a space as wide as a digit, and one as wide as a point
const POINT = "\u2008";

// A number with its sensor's decimals, and so much space behind it that the points of all are below each other.
const digits = (value, decimals, most) => {
  if (value === null) return "–";
  const text = value.toLocaleString("en", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
  return text + (most && !decimals ? POINT : "") + FIGURE.repeat(most - decimals);
};
const counted = (value) => value.toLocaleString("en");
const iso = (millis) => new Date(millis).toISOString();
const local = (millis) => iso(millis).slice(0, 19);
const span = (seconds) => {
  if (!seconds) return "–";
  const [size, word] = [[172800, "d"], [7200, "h"], [120, "min"], [0, "s"]].find(([least]) => seconds >= least);
  return `${(seconds / { d: 86400, h: 3600, min: 60, s: 1 }[word]).toLocaleString("en", { maximumFractionDigits: 1 })} ${word}`;
};

const table = (heads, rows, className) => {
  const cell = (tag) => (content) => element(tag, tag === "th" ? { scope: "col" } : {}, content);
  return element("div", { className: `immune-scroll ${className}` }, element("table", {},
    element("thead", {}, element("tr", {}, ...heads.map(cell("th")))),
    element("tbody", {}, ...rows.map((row) => element("tr", {}, ...row.map(cell("td")))))));
};

function statistics(picture, dark) {
  const most = Math.max(...picture.statistics.map(({ decimals }) => decimals));
  const bad = picture.statistics.reduce((sum, { doubts }) => sum + (doubts.bad ?? 0), 0);
  const rows = picture.statistics.map((one, place) => {
    const dot = element("span", { className: "immune-swatch" });
    dot.style.background = colorOf(place, dark);
    const doubts = Object.entries(one.doubts).map(([word, count]) => `${counted(count)}\u00a0${word}`).join(", ");
    const name = element("span", {}, dot, one.sensor, element("span", { className: "immune-unit", textContent: one.unit }));
    return [name, counted(one.rows), ...[one.min, one.mean, one.max, one.std, one.last].map((value) => digits(value, one.decimals, most)), doubts || "–",
      one.gaps ? counted(one.gaps) : "–", span(one.longest_gap)];
  });
  const without = element("p", { className: "immune-without", textContent: bad ? `Min to Last are without ${counted(bad)} marked bad.` : "" });
  return [table(HEADS, rows, "immune-statistics"), without];
}

// A page of rows, and the way to the others.
function rowsPage({ columns, rows, offset, total, page }, goTo) {
  const turn = (text, to) => button(text, () => goTo(to), { disabled: to < 0 || to >= total });
  const where = `${counted(Math.min(offset + 1, total))}–${counted(Math.min(offset + page, total))} of ${counted(total)}`;
  return [table(columns, rows, "immune-rows"),
    element("div", { className: "immune-pages" }, turn("Earlier", offset - page), element("span", { textContent: where }), turn("Later", offset + page))];
}
