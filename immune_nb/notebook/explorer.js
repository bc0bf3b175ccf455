// The explorer. It holds nothing but what is on the screen: the readings are in the kernel, and come by message.

const SPANS = [["1h", "1 h"], ["6h", "6 h"], ["1d", "1 d"], ["7d", "7 d"], ["30d", "30 d"], ["90d", "90 d"]];
const WIDTHS = [["", "as measured"], ["1min", "1 min mean"], ["5min", "5 min mean"], ["15min", "15 min mean"],
  ["1h", "1 h mean"], ["6h", "6 h mean"], ["1D", "1 d mean"]];
const HEADS = ["Sensor", "Readings", "Min", "Mean", "Max", "Std", "Last", "Not good", "Gaps", "Longest gap"];
const PATIENCE = 2000; // ms until a silent kernel is explained
const BUSY = "Waiting for the kernel: it answers when the running cell has ended.";

let viewers = 0; // of this explorer; without any, the kernel need not hold its readings

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

const choices = (pairs, label, act) => {
  const buttons = pairs.map(([value, text]) => {
    const node = button(text, () => act(value));
    node.dataset.value = value;
    return node;
  });
  const node = element("div", { className: "immune-choices", role: "group", ariaLabel: label }, ...buttons);
  const set = (value) => buttons.forEach((one) => { one.ariaPressed = String(one.dataset.value === value); });
  return { node, set };
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
    const doubts = Object.entries(one.doubts).map(([word, count]) => `${counted(count)} ${word}`).join(", ");
    const name = element("span", {}, dot, one.sensor, element("span", { className: "immune-unit", textContent: one.unit }));
    return [name, counted(one.rows), ...[one.min, one.mean, one.max, one.std, one.last].map((value) => digits(value, one.decimals, most)), doubts || "–",
      one.gaps ? counted(one.gaps) : "–", span(one.longest_gap)];
  });
  const without = element("p", { className: "immune-without", textContent: bad ? `Min to Last are without ${counted(bad)} marked bad.` : "" });
  return [table(HEADS, rows, "immune-statistics"), without];
}

function build() {
  const ui = {
    host: element("span", { className: "immune-host" }),
    notice: element("p", { className: "immune-notice", role: "status" }),
    trouble: element("p", { className: "immune-trouble", role: "alert" }),
    doing: element("span", { className: "immune-doing", role: "status" }),
    chips: element("div", { className: "immune-chips" }),
    empty: element("p", { className: "immune-empty", textContent: "Choose a sensor to see its readings." }),
    question: element("div", { className: "immune-question", hidden: true }),
    legend: element("p", { className: "immune-legend" }),
    numbers: element("div"),
    rows: element("div", { hidden: true }),
    from: row(element("input", { type: "datetime-local", step: 1 }), "From"),
    to: row(element("input", { type: "datetime-local", step: 1 }), "to, UTC"),
    every: keyboardSafe(element("select", { ariaLabel: "Average" })),
    name: row(element("input", { type: "text", value: "df", size: 8, ...quiet }), "Variable"),
    code: element("pre", { className: "immune-code-box", ariaLabel: "Code" }),
  };
  keyboardSafe(ui.from.field);
  keyboardSafe(ui.to.field);
  fill(ui.every, WIDTHS, "");
  return ui;
}

function render({ model, el }) {
  const ui = build();
  let asking = null; // what is under way; the kernel does one thing at a time
  let queued = null; // the newest wish to look elsewhere, while it does
  let waiting = null;
  let id = "";
  let codes = null;
  let spelling = "line";
  let page = 0;
  let lastSpan = "7d";
  let range = {};
  let settled = { lastSpan, range }; // what the plot shows

  const say = (text, tone = "info") => {
    ui.notice.textContent = text;
    ui.notice.dataset.tone = tone;
  };

  // What is wrong with the readings stands beside the choice of them; with the code and the frame, below.
  const warn = (text, tone = "error") => {
    ui.trouble.textContent = text;
    ui.trouble.dataset.tone = tone;
  };

  const busy = (text) => {
    clearTimeout(waiting);
    ui.doing.textContent = text;
    root.ariaBusy = String(Boolean(text));
    if (text) waiting = setTimeout(() => { ui.doing.textContent = BUSY; }, PATIENCE);
  };

  const ask = (message, doing = "Looking…") => {
    if (asking && message.do === "look") {
      queued = message;
      return;
    }
    asking = message.do;
    busy(doing);
    try {
      model.send(message);
    } catch {
      busy("");
      root.classList.add("immune-gone"); // the kernel was shut down under us
    }
  };

  const done = () => {
    asking = null;
    busy("");
    const next = queued;
    queued = null;
    if (next) ask(next);
  };

  const load = (more = {}) => {
    say("");
    warn("");
    ui.question.hidden = true;
    ask({ do: "load", chosen: list.chosen, last: lastSpan, ...range, ...more }, "Fetching…");
  };

  // Another range that cannot be had leaves the former one, here as in the kernel.
  const returnTo = (former) => {
    ({ lastSpan, range } = former);
    spans.set(range.start ? "" : lastSpan);
  };

  const list = sensorList(() => load());
  const spans = choices(SPANS, "Range up to now", (value) => {
    lastSpan = value;
    range = {};
    spans.set(value);
    load({ again: true });
  });
  const views = choices([["plot", "Plot"], ["table", "Table"]], "View", (value) => look(value));
  const spellings = choices([["line", "%immune"], ["python", "Python"]], "Code as", (value) => {
    spelling = value;
    spellings.set(value);
    showCode();
  });

  const look = (value) => {
    views.set(value);
    ui.rows.hidden = value !== "table";
    ui.legend.hidden = value === "table";
    plot.node.hidden = value === "table" || !plot.picture?.lines.length;
    if (value === "table") ask({ do: "rows", offset: page = 0 });
    else plot.redraw();
  };

  const pick = () => {
    if (!ui.from.field.value) return ui.from.field.focus();
    range = { start: ui.from.field.value, end: ui.to.field.value };
    spans.set("");
    return load();
  };
  onEnter(ui.from.field, pick);
  onEnter(ui.to.field, pick);

  const showCode = () => {
    ui.code.textContent = codes?.[spelling] ?? "";
    ui.out.hidden = !codes;
  };

  const insert = button("Insert code", async () => {
    if (await insertBelow(model, el, id, ui.code.textContent)) {
      say("The code is in the cell below.");
      return;
    }
    copy.click();
    say("This page has no cells to insert into: the code is copied, or selected for you to copy.");
  }, { className: "immune-main" });
  const copy = copyButton("Copy", () => ({ value: ui.code.textContent, shown: ui.code }));
  const give = () => ask({ do: "frame", name: ui.name.field.value.trim() });
  onEnter(ui.name.field, give);
  ui.name.field.addEventListener("change", () => ask({ do: "name", name: ui.name.field.value.trim() }));
  keyboardSafe(ui.name.field);
  ui.every.addEventListener("change", () => ask({ do: "look", every: ui.every.value }));

  const other = folded("Other range",
    element("div", { className: "immune-between" }, ui.from.node, ui.to.node, button("Load", pick)));
  other.className = "immune-other";
  const whole = button("Show everything", () => plot.zoomTo(...plot.picture.within), { className: "immune-whole", hidden: true });
  const bar = element("div", { className: "immune-bar" }, spans.node, ui.every, other);
  const under = element("div", { className: "immune-bar immune-under" }, ui.chips, whole, views.node);
  ui.out = element("div", { className: "immune-out", hidden: true },
    element("div", { className: "immune-bar" }, spellings.node, element("span", { className: "immune-grow" }), insert, copy,
      ui.name.node, button("DataFrame", give)), ui.code);
  const root = element("section", { className: "immune-panel immune-explorer", ariaLabel: "Explore sensors" },
    element("header", {}, element("strong", { textContent: "Explore" }), ui.host, ui.doing));
  const plot = plotArea(model, root, (start, end) => ask({ do: "look", start, end }));
  const dead = element("p", { className: "immune-dead", textContent: "This explorer is from an earlier kernel. Run %immune explore for a new one." });
  plot.node.hidden = true;
  root.append(
    element("div", { className: "immune-halves" }, list.node,
      element("div", { className: "immune-right" }, bar, ui.trouble, under, ui.question, ui.empty, plot.node, ui.legend, ui.rows)),
    ui.numbers, ui.out, ui.notice, dead);
  views.set("plot");
  spellings.set("line");
  spans.set(lastSpan);

  const drawChips = (dark) => ui.chips.replaceChildren(...list.chosen.map((sensor) => {
    const place = plot.picture?.lines.findIndex((line) => line.sensor === sensor) ?? -1;
    const dot = element("span", { className: "immune-swatch" });
    if (place >= 0) dot.style.background = colorOf(place, dark);
    const chip = button("", () => list.drop(sensor), { className: "immune-chip", title: `Leave out ${sensor}`, ariaLabel: `Leave out ${sensor}` });
    chip.append(dot, sensor, element("span", { className: "immune-cross", textContent: "×", ariaHidden: "true" }));
    return chip;
  }));

  const hear = {
    open({ profile, id: mine, state }) {
      id = mine;
      ui.host.textContent = profile;
      ui.name.field.value = state.name;
      ui.every.value = state.every;
      lastSpan = state.last;
      range = {};
      spans.set(lastSpan);
      settled = { lastSpan, range };
      list.choose(state.chosen);
      if (!state.chosen.length) done();
    },
    sensors({ sensors }) {
      list.fill(sensors);
      if (!list.chosen.length) busy("");
    },
    busy({ text }) {
      busy(text);
    },
    say({ text, tone }) {
      if (tone === "error" && asking !== "frame" && asking !== "name") warn(text);
      else say(text, tone);
      if (tone === "error" && asking === "load") returnTo(settled);
      drawChips(isDark(root)); // one that cannot be fetched can be left out
      done();
    },
    code({ code }) {
      codes = code;
      showCode();
      done();
    },
    ask({ rows }) {
      settled = { lastSpan, range };
      done();
      const many = rows === null ? "The service does not say how many readings that is." : `That is ${counted(rows)} readings.`;
      ui.question.replaceChildren(element("span", { textContent: many }), button("Load them", () => load({ sure: true }), { className: "immune-main" }));
      ui.question.hidden = false;
    },
    picture(next, buffers) {
      const came = performance.now();
      if (next.shown) settled = { lastSpan, range };
      done();
      codes = next.code;
      showCode();
      const seen = next.lines.some((_, place) => next.statistics[place].rows > 0);
      ui.empty.textContent = list.chosen.length ? "No readings in this range." : "Choose a sensor to see its readings.";
      ui.empty.hidden = seen || !next.code && list.chosen.length > 0;
      const picture = { ...next, came, arrays: buffers.map(floats) };
      const tabled = !ui.rows.hidden;
      plot.node.hidden = tabled || !seen;
      ui.numbers.hidden = !seen;
      whole.hidden = !seen || (next.shown[0] === next.within[0] && next.shown[1] === next.within[1]);
      if (next.shown) {
        ui.from.field.value = local(next.shown[0]);
        ui.to.field.value = local(next.shown[1]);
      }
      plot.show(seen ? picture : { ...picture, lines: [] }).catch((error) => warn(`The plot cannot be drawn: ${error.message}`));
      const dark = isDark(root);
      drawChips(dark);
      ui.legend.replaceChildren(...(seen ? legend(picture) : []));
      if (seen) ui.numbers.replaceChildren(...statistics(next, dark));
      if (next.remarks?.length) warn(next.remarks.join(" "));
      else if (seen && next.without.length) warn(`No readings in this range: ${next.without.join(", ")}.`, "info");
      else if (ui.trouble.textContent.startsWith("No readings")) warn("");
      if (tabled && seen) ask({ do: "rows", offset: page = 0 });
    },
    rows({ columns, rows, offset, total, page: size }) {
      done();
      page = offset;
      const turn = (text, to) => button(text, () => ask({ do: "rows", offset: to }), { disabled: to < 0 || to >= total });
      const where = `${counted(Math.min(offset + 1, total))}–${counted(Math.min(offset + size, total))} of ${counted(total)}`;
      ui.rows.replaceChildren(table(columns, rows, "immune-rows"),
        element("div", { className: "immune-pages" }, turn("Earlier", offset - size), element("span", { textContent: where }), turn("Later", offset + size)));
    },
  };

  const listen = (message, buffers) => hear[message.kind]?.(message, buffers);
  model.on("msg:custom", listen);
  const wear = () => [getComputedStyle(root).backgroundColor, getComputedStyle(root).color].join();
  let worn = "";
  const watch = new MutationObserver(() => {
    if (worn === wear()) return;
    worn = wear();
    plot.redraw();
    if (plot.picture?.lines.length) ui.numbers.replaceChildren(...statistics(plot.picture, isDark(root)));
    drawChips(isDark(root));
  });
  watch.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light", "data-jp-theme-name", "class"] });
  // A front end that selects a cell by its margin leaves the focus here, and its own keys dead.
  const leave = ({ target }) => {
    if (!root.contains(target) && root.contains(document.activeElement)) document.activeElement.blur();
  };
  document.addEventListener("pointerdown", leave, true);
  el.append(root);
  worn = wear();
  viewers += 1;
  plot.prepare();
  ask({ do: "open" }, "Listing sensors…");
  return () => {
    clearTimeout(waiting);
    watch.disconnect();
    document.removeEventListener("pointerdown", leave, true);
    model.off("msg:custom", listen);
    plot.close();
    viewers -= 1;
    if (!viewers) ask({ do: "leave" });
  };
}

export default { render };
