// The explorer. It holds nothing but what is on the screen: the readings are in the kernel, and come by message.

const SPANS = [["1h", "1 h"], ["6h", "6 h"], ["1d", "1 d"], ["7d", "7 d"], ["30d", "30 d"], ["90d", "90 d"]];
const WIDTHS = [["", "as measured"], ["1min", "1 min mean"], ["5min", "5 min mean"], ["15min", "15 min mean"],
  ["1h", "1 h mean"], ["6h", "6 h mean"], ["1D", "1 d mean"]];

let viewers = 0; // of this explorer; without any, the kernel need not hold its readings

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
  let id = "";
  let codes = null;
  let spelling = "line";
  let lastSpan = "7d";
  let range = {};
  let settled = { lastSpan, range }; // what the kernel holds

  const say = (text, tone = "info") => {
    ui.notice.textContent = text;
    ui.notice.dataset.tone = tone;
  };

  // What is wrong with the readings stands beside the choice of them; with the code and the frame, below.
  const warn = (text, tone = "error") => {
    ui.trouble.textContent = text;
    ui.trouble.dataset.tone = tone;
  };

  const load = (more = {}) => {
    say("");
    warn("");
    ui.question.hidden = true;
    talk.ask({ do: "load", chosen: list.chosen, last: lastSpan, ...range, ...more }, "Fetching…");
  };

  const rangeOf = ({ last, start, end }) => ({ lastSpan: last, range: start ? { start, end } : {} });

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
    if (value === "table") talk.ask({ do: "rows", offset: 0 });
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
  const give = () => talk.ask({ do: "frame", name: ui.name.field.value.trim() });
  onEnter(ui.name.field, give);
  ui.name.field.addEventListener("change", () => talk.ask({ do: "name", name: ui.name.field.value.trim() }));
  keyboardSafe(ui.name.field);
  ui.every.addEventListener("change", () => talk.ask({ do: "look", every: ui.every.value }));

  const other = folded("Other range",
    element("div", { className: "immune-between" }, ui.from.node, ui.to.node, button("Load", pick)));
  other.className = "immune-other";
  const whole = button("Show everything", () => plot.zoomTo(...plot.picture.within), { hidden: true });
  const bar = element("div", { className: "immune-bar" }, spans.node, ui.every, other);
  const under = element("div", { className: "immune-bar immune-under" }, ui.chips, whole, views.node);
  ui.out = element("div", { className: "immune-out", hidden: true },
    element("div", { className: "immune-bar" }, spellings.node, element("span", { className: "immune-grow" }), insert, copy,
      ui.name.node, button("DataFrame", give)), ui.code);
  const root = element("section", { className: "immune-panel immune-explorer", ariaLabel: "Explore sensors" },
    element("header", {}, element("strong", { textContent: "Explore" }), ui.host, ui.doing));
  const talk = conversation(model, root, ui.doing);
  const plot = plotArea(model, root, (start, end) => talk.ask({ do: "look", start, end }));
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
    },
    sensors({ sensors }) {
      list.fill(sensors);
    },
    busy({ text }) {
      talk.busy(text);
    },
    done({ turn }) {
      talk.done(turn);
    },
    say({ text, tone }) {
      const asked = talk.asking?.do;
      if (tone === "error" && asked !== "frame" && asked !== "name") warn(text);
      else say(text, tone);
      if (tone === "error" && asked === "load" && !talk.awaits("load")) returnTo(settled);
      drawChips(isDark(root)); // one that cannot be fetched can be left out
    },
    code({ code }) {
      codes = code;
      showCode();
    },
    ask({ rows }) {
      if (talk.asking?.do === "load") settled = rangeOf(talk.asking);
      const many = rows === null ? "The service does not say how many readings that is." : `That is ${counted(rows)} readings.`;
      ui.question.replaceChildren(element("span", { textContent: many }), button("Load them", () => load({ sure: true }), { className: "immune-main" }));
      ui.question.hidden = false;
    },
    picture(next, buffers) {
      const came = performance.now();
      if (next.shown && talk.asking?.do === "load") settled = rangeOf(talk.asking);
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
      if (tabled && seen) talk.ask({ do: "rows", offset: 0 });
    },
    rows(page) {
      ui.rows.replaceChildren(...rowsPage(page, (offset) => talk.ask({ do: "rows", offset })));
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
  talk.ask({ do: "open" }, "Listing sensors…");
  return () => {
    talk.close();
    watch.disconnect();
    document.removeEventListener("pointerdown", leave, true);
    model.off("msg:custom", listen);
    plot.close();
    viewers -= 1;
    if (!viewers) tell(model, root, { do: "leave" });
  };
}

export default { render };
