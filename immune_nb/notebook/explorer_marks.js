// What is drawn beside the lines: quality, alerts and limits. No line is red or black: these are the marks' colours.

const RED = ["#d32f2f", "#ff6b60"];
const CROWD = 60; // marks; more of them are drawn smaller
const NEAR = 0.5; // of the height of the data: limits as near above or below it are drawn, and others only named
const SIGNS = { critical: "▼", warning: "▼" };
const REDDISH = ["critical", "bad"];

const signOf = (word) => (word === "bad" ? "×" : "○");

// Marks have edges of the page's or the text's colour, so that they stand out from the line they are on.
function markStyle(word, count, { ink, page, red }) {
  const crowd = count > CROWD;
  if (word === "bad") return { symbol: "x", size: crowd ? 6 : 8, color: red, line: { width: 1, color: page } };
  return { symbol: "circle", size: crowd ? 4.5 : 6.5, color: page, line: { width: crowd ? 1 : 1.4, color: ink } };
}

function alertTrace(alerts, axis, { ink, red }) {
  const tints = alerts.map(({ severity }) => (severity === "critical" ? red : ink));
  return { x: alerts.map((alert) => alert.at), y: alerts.map(() => 0.5), xaxis: "x", yaxis: axis, type: "scatter",
    mode: "markers", showlegend: false, name: "alert",
    text: alerts.map((alert) => plain(`${alert.sensor_id || alert.equipment_id} · ${alert.severity}: ${alert.message}`)),
    hovertemplate: "%{text}<extra></extra>",
    marker: { symbol: alerts.map(({ severity }) => (severity in SIGNS ? "triangle-down" : "triangle-down-open")), size: 11,
      color: tints } };
}

const alertLine = (alert, axis, { ink, red }) => ({ type: "line", xref: "x", yref: `${axis} domain`, x0: alert.at, x1: alert.at,
  y0: 0, y1: 1, layer: "below", line: { width: 1, dash: "dot", color: alert.severity === "critical" ? red : ink } });

// The limits of a panel's lines: one for all sensors where they share it.
function limitsOf(lines) {
  const found = new Map();
  for (const { sensor, limits } of lines) {
    for (const [word, value] of Object.entries(limits)) {
      const key = `${word} ${value}`;
      found.set(key, { word, value, sensors: [...(found.get(key)?.sensors ?? []), sensor] });
    }
  }
  return [...found.values()].map((limit) => ({ ...limit,
    text: limit.sensors.length === lines.length ? `${limit.word} ${limit.value}` : `${limit.sensors.join(", ")} ${limit.word} ${limit.value}` }));
}

// How far a panel reaches, and which limits are within and beyond.
function reach(series, limits) {
  let [low, high] = [Infinity, -Infinity];
  for (const values of series) {
    for (const value of values) {
      if (value < low) low = value;
      if (value > high) high = value;
    }
  }
  if (low > high) return { range: [0, 1], drawn: [], above: [], below: [] }; // no reading
  const room = (high - low) * NEAR;
  const drawn = limits.filter(({ value }) => value >= low - room && value <= high + room);
  const ends = [low, high, ...drawn.map(({ value }) => value)];
  const [least, most] = [Math.min(...ends), Math.max(...ends)];
  const edge = (most - least || Math.abs(most) || 1) * 0.06;
  return { range: [least - edge, most + edge], drawn, above: limits.filter(({ value }) => value > high + room),
    below: limits.filter(({ value }) => value < low - room) };
}

function limitLines(axis, { drawn }, { ink, red }) {
  return drawn.map(({ word, value }) => ({ type: "line", xref: "paper", yref: axis, x0: 0, x1: 1, y0: value, y1: value,
    layer: "below", opacity: 0.75, line: { width: 1, dash: "dash", color: word === "critical" ? red : ink } }));
}

function limitTexts(axis, { drawn, above, below }, { faint, red, page }) {
  const shared = { xref: "paper", x: 1, xanchor: "right", showarrow: false, borderpad: 1, bgcolor: page, opacity: 0.85 };
  const named = (limits, sign, place) => (limits.length ? [{ ...shared, ...place, yref: `${axis} domain`,
    text: `${sign} ${plain(limits.map(({ text }) => text).join(" · "))}`, font: { size: 10, color: faint } }] : []);
  return [
    ...drawn.map(({ word, value, text }) => ({ ...shared, yref: axis, y: value, yanchor: "bottom", text: plain(text),
      font: { size: 10, color: word === "critical" ? red : faint } })),
    ...named(above, "↑", { y: 1, yanchor: "top" }), ...named(below, "↓", { y: 0, yanchor: "bottom" }),
  ];
}

// What the marks mean, and whether all of them are drawn.
function legend(picture) {
  const drawn = {};
  let next = 0;
  for (const line of picture.lines) {
    next += 2;
    for (const word of line.marks) {
      drawn[word] = (drawn[word] ?? 0) + picture.arrays[next].length;
      next += 2;
    }
  }
  const part = (sign, word, text) => {
    const mark = element("span", { textContent: sign, className: "immune-sign" });
    mark.dataset.tone = REDDISH.includes(word) ? "bad" : "";
    return element("span", {}, mark, text);
  };
  const marks = Object.entries(drawn).map(([word, count]) => {
    const all = picture.statistics.reduce((sum, one) => sum + (one.doubts[word] ?? 0), 0);
    return part(signOf(word), word, count < all ? `${word}, ${counted(count)} of ${counted(all)}` : word);
  });
  const severities = [...new Set(picture.alerts.map(({ severity }) => severity))];
  return [...marks, ...severities.map((word) => part(SIGNS[word] ?? "▽", word, `${word} alert`))];
}
