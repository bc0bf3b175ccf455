// Readings as they come: the newest of each sensor with its recent course, and the last few of all.

const KEPT = 240; // of a sensor, on the screen
const LINES = 8;
const PAGE = [300, 36]; // of a course, in its own units
const COLORS = ["#3b82e0", "#d97a2b", "#2a9d7f", "#c25aa5", "#8a6fe0", "#a8841a", "#1f9ab8", "#d05050"];

let views = 0; // of this widget; when the last one goes, nobody looks any more

const time = (millis) => new Date(millis).toISOString().slice(11, 19);
const short = (value) => (value === null ? "–" : String(Number(value.toPrecision(6))));

const course = (color) => {
  const box = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const line = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
  box.setAttribute("viewBox", `-3 -3 ${PAGE[0] + 6} ${PAGE[1] + 6}`);
  box.setAttribute("preserveAspectRatio", "none");
  box.setAttribute("aria-hidden", "true");
  line.setAttribute("fill", "none");
  line.setAttribute("stroke", color);
  line.setAttribute("stroke-width", "1.6");
  line.setAttribute("vector-effect", "non-scaling-stroke");
  box.append(line);
  const draw = (readings) => {
    const seen = readings.filter((one) => one.value !== null);
    if (!seen.length) return;
    const [first, last] = [seen[0].at, seen[seen.length - 1].at];
    const values = seen.map((one) => one.value);
    const [low, high] = [Math.min(...values), Math.max(...values)];
    line.setAttribute("points", seen.map((one) => {
      const x = last > first ? ((one.at - first) / (last - first)) * PAGE[0] : PAGE[0];
      const y = high > low ? (1 - (one.value - low) / (high - low)) * PAGE[1] : PAGE[1] / 2;
      return `${x.toFixed(1)},${y.toFixed(1)}`;
    }).join(" "));
  };
  return { node: box, draw };
};

function render({ model, el }) {
  views += 1;
  const sensors = new Map();
  let recent = [];
  let next = 0;
  const live = element("span", { className: "immune-live", role: "status" });
  const stop = button("Stop", () => {
    stop.disabled = true;
    tell(model, root, { do: "stop" });
  });
  const rows = element("div", { className: "immune-courses" });
  const log = element("pre", { className: "immune-log" });
  const notice = element("p", { className: "immune-notice", role: "status" });
  const dead = element("p", { className: "immune-dead", textContent: "Run %immune tail again to follow new readings." });
  log.ariaLive = "off";
  const root = element("section", { className: "immune-panel immune-tail", ariaLabel: "New readings" },
    element("header", {}, element("strong", { textContent: "Tail" }), live, stop), rows, log, notice, dead);

  const lineOf = (sensor) => {
    if (!sensors.has(sensor)) {
      const drawn = course(COLORS[sensors.size % COLORS.length]);
      const value = element("span", { className: "immune-value", textContent: "–" });
      const unit = element("span", { className: "immune-unit" });
      const node = element("div", { className: "immune-course" },
        element("span", { className: "immune-id", textContent: sensor }), element("span", { className: "immune-now" }, value, unit), drawn.node);
      sensors.set(sensor, { readings: [], value, unit, drawn });
      rows.append(node);
    }
    return sensors.get(sensor);
  };

  const take = (readings) => {
    for (const reading of readings) {
      const line = lineOf(reading.sensor_id ?? "");
      line.readings = [...line.readings, reading].sort((a, b) => a.at - b.at).slice(-KEPT);
    }
    for (const { readings: all, value, unit, drawn } of sensors.values()) {
      const last = all[all.length - 1];
      if (!last) continue;
      value.textContent = short(last.value);
      unit.textContent = last.unit ?? "";
      drawn.draw(all);
    }
    recent = [...recent, ...readings].slice(-LINES);
    const wide = Math.max(...recent.map((one) => (one.sensor_id ?? "").length));
    log.textContent = recent.map((one) =>
      `${time(one.at)} UTC  ${(one.sensor_id ?? "").padEnd(wide)}  ${short(one.value)} ${one.unit ?? ""}${one.quality && one.quality !== "good" ? `  ${one.quality}` : ""}`).join("\n");
  };

  const tick = () => {
    const left = Math.max(0, Math.round((next - Date.now()) / 1000));
    live.textContent = stop.hidden ? "stopped" : left ? `next look in ${left} s` : "looking…";
    root.dataset.live = String(!stop.hidden);
  };

  const hear = ({ kind, sensors: ids, readings, pause, said, problem }) => {
    if (kind === "all") {
      sensors.clear();
      rows.replaceChildren();
      recent = [];
      ids.forEach(lineOf);
    }
    take(readings);
    stop.hidden = !pause;
    next = Date.now() + pause * 1000;
    notice.textContent = problem || (pause ? "" : said);
    notice.dataset.tone = problem ? "error" : "info";
    tick();
  };

  model.on("msg:custom", hear);
  const clock = setInterval(tick, 1000);
  el.append(root);
  tick();
  tell(model, root, { do: "open" });
  return () => {
    views -= 1;
    clearInterval(clock);
    model.off("msg:custom", hear);
    if (!views) tell(model, root, { do: "stop" });
  };
}

export default { render };
