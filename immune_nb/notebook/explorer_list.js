// The list of sensors: searched by words, grouped by machine, chosen by mouse or keyboard. It holds what is chosen.

const MOST_LISTED = 300; // more are found by searching
const TONES = { online: "good", ok: "good", active: "good", error: "bad", fault: "bad", failed: "bad" };

function sensorList(changed) {
  let sensors = [];
  let chosen = [];
  const search = keyboardSafe(element("input", { type: "search", placeholder: "Search sensors", ariaLabel: "Search sensors", ...quiet }));
  const status = keyboardSafe(element("select", { ariaLabel: "Status" }));
  const box = element("div", { className: "immune-options", role: "listbox", ariaMultiSelectable: "true", ariaLabel: "Sensors" });
  const count = element("p", { className: "immune-count", role: "status" });
  const node = element("div", { className: "immune-list" }, element("div", { className: "immune-find" }, search, status), box, count);
  keyboardSafe(box);

  const toggle = (id) => {
    chosen = chosen.includes(id) ? chosen.filter((other) => other !== id) : [...chosen, id];
    mark();
    changed();
  };

  const option = (sensor) => {
    const dot = element("span", { className: "immune-dot", title: sensor.status ?? "" });
    dot.dataset.tone = TONES[sensor.status] ?? "";
    const more = [sensor.name, sensor.unit].filter(Boolean).join(" · ");
    const line = element("div", { role: "option", tabIndex: -1, title: [more, sensor.status].filter(Boolean).join(" · ") },
      dot, element("span", { className: "immune-id", textContent: sensor.id }),
      element("span", { className: "immune-more", textContent: sensor.status in TONES && TONES[sensor.status] === "good" ? more : `${sensor.status ?? ""} ${more}`.trim() }));
    line.dataset.id = sensor.id;
    line.addEventListener("click", () => {
      here(line);
      toggle(sensor.id);
    });
    return line;
  };

  const options = () => [...box.querySelectorAll("[role=option]")];

  // One option can be tabbed to: the others are reached with the arrows.
  const here = (line) => {
    options().forEach((other) => { other.tabIndex = other === line ? 0 : -1; });
    line?.focus({ preventScroll: true });
    line?.scrollIntoView({ block: "nearest" });
  };

  const mark = () => options().forEach((line) => { line.ariaSelected = String(chosen.includes(line.dataset.id)); });

  const matches = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    return sensors.filter((sensor) => {
      const text = Object.values(sensor).join(" ").toLowerCase();
      return (!status.value || sensor.status === status.value) && words.every((word) => text.includes(word));
    });
  };

  const draw = () => {
    const found = matches();
    const groups = new Map();
    for (const sensor of found.slice(0, MOST_LISTED)) {
      const machine = sensor.machine || "Sensors";
      groups.set(machine, [...(groups.get(machine) ?? []), sensor]);
    }
    box.replaceChildren(...[...groups].map(([machine, members]) =>
      element("div", { role: "group", ariaLabel: machine },
        element("div", { className: "immune-machine", textContent: machine, ariaHidden: "true" }), ...members.map(option))));
    const left = found.length - MOST_LISTED;
    const machines = new Set(sensors.map((sensor) => sensor.machine).filter(Boolean)).size;
    count.textContent = left > 0 ? `${left.toLocaleString("en")} more: search for them`
      : found.length ? `${found.length.toLocaleString("en")} sensor${found.length === 1 ? "" : "s"}${machines && found.length === sensors.length ? ` on ${machines} machines` : ""}`
        : "No sensor is called so.";
    const first = options()[0];
    if (first) first.tabIndex = 0;
    mark();
  };

  box.addEventListener("keydown", (event) => {
    const lines = options();
    const at = lines.indexOf(event.target);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: lines.length - 1 }[event.key];
    if (at < 0 || (to === undefined && event.key !== " " && event.key !== "Enter")) return;
    event.preventDefault();
    event.stopPropagation();
    if (to === undefined) toggle(event.target.dataset.id);
    else here(lines[Math.min(Math.max(to, 0), lines.length - 1)]);
  });
  search.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowDown" && event.key !== "Enter") return;
    event.preventDefault();
    here(options()[0]);
  });
  search.addEventListener("input", draw);
  status.addEventListener("change", draw);

  return {
    node,
    fill(list) {
      sensors = list;
      const words = [...new Set(list.map((sensor) => sensor.status).filter(Boolean))];
      const counted = (word) => list.filter((sensor) => sensor.status === word).length;
      fill(status, [["", "any status"], ...words.map((word) => [word, `${word} (${counted(word)})`])], status.value);
      status.hidden = words.length < 2;
      draw();
    },
    choose(ids) {
      chosen = [...ids];
      mark();
    },
    drop: toggle,
    get chosen() {
      return chosen;
    },
  };
}
