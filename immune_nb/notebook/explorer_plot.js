// The plot. The library comes from the kernel, once per page, and is run as a module of its own: whatever module
// loader the page has does not see it. Lines arrive thinned; every other stretch is asked for anew.

const LIGHT = ["#1f6fd6", "#d4690c", "#14866d", "#b03a8f", "#7a5cd6", "#9a7400", "#0b8aa6", "#c63a3a"];
const DARK = ["#6aa8ff", "#ffa657", "#4cc9a7", "#f08bd0", "#b69cff", "#e0bd4d", "#4fc6e0", "#ff8a80"];
const SEVERITIES = { critical: ["#d32f2f", "#ff6b60"], warning: ["#c77700", "#ffb74d"], info: ["#5f7d95", "#90a4b8"] };
const PANEL = 190; // px, of several; a single one is higher
const LANE = 22;
const CROWD = 60; // marks; more of them are drawn smaller

let library = null; // a promise, on this page

const plotlyFrom = async (bytes) => {
  const script = await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).blob();
  const alone = "const define = undefined, module = undefined, exports = undefined;\n";
  const url = URL.createObjectURL(new Blob([alone, script], { type: "text/javascript" }));
  try {
    await import(url);
  } finally {
    URL.revokeObjectURL(url);
  }
  return window.Plotly;
};

const isDark = (node) => {
  const [r, g, b] = (getComputedStyle(node).backgroundColor.match(/[\d.]+/g) ?? [255, 255, 255]).map(Number);
  return 0.299 * r + 0.587 * g + 0.114 * b < 128;
};

// What comes from elsewhere is text: the library reads some markup, and patterns of its own.
const plain = (text) => String(text ?? "").slice(0, 300).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll("%{", "%\u200b{");

const colorOf = (place, dark) => (dark ? DARK : LIGHT)[place % LIGHT.length];

// Plotly writes dates as text, in UTC and without saying so.
const instant = (value) => (typeof value === "number" ? value
  : Date.parse(value.length > 10 ? `${value.replace(" ", "T")}Z` : value));

const floats = (view) => new Float64Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));

// Numbers of an axis or a tooltip: as many digits as tell readings apart.
const HOVER = "%{y:.6~g}";

function tracesFor(picture, dark, panelOf) {
  const traces = [];
  let next = 0;
  picture.lines.forEach((line, place) => {
    const [x, y] = [picture.arrays[next++], picture.arrays[next++]];
    const color = colorOf(place, dark);
    const shared = { xaxis: "x", yaxis: panelOf(line.unit), showlegend: false };
    traces.push({ ...shared, x, y, type: "scatter", mode: x.length < 120 ? "lines+markers" : "lines", name: plain(line.sensor),
      line: { color, width: 1.4 }, marker: { color, size: 4 }, connectgaps: false,
      hovertemplate: `${HOVER} ${plain(line.unit)}` });
    for (const word of line.marks) {
      const bad = word === "bad";
      const crowd = picture.arrays[next].length > CROWD;
      const tint = (bad ? SEVERITIES.critical : SEVERITIES.warning)[+dark];
      traces.push({ ...shared, x: picture.arrays[next++], y: picture.arrays[next++], type: "scatter", mode: "markers",
        name: plain(word), hoverinfo: "skip",
        marker: { symbol: bad ? "x-thin" : "circle-open", size: crowd ? 5 : 6.5, opacity: crowd ? 0.8 : 1, color: tint,
          line: { width: crowd ? 1 : 1.5, color: tint } } });
    }
  });
  return traces;
}

function alertTrace(alerts, dark) {
  return { x: alerts.map((alert) => alert.at), y: alerts.map(() => 0.5), xaxis: "x", yaxis: "y", type: "scatter",
    mode: "markers", showlegend: false, name: "alert", text: alerts.map((alert) => plain(`${alert.severity}: ${alert.message}`)),
    hovertemplate: "%{text}<extra></extra>",
    marker: { symbol: "triangle-down", size: 11, color: alerts.map(({ severity }) => (SEVERITIES[severity] ?? SEVERITIES.info)[+dark]) } };
}

function layoutFor(picture, root, dark, units) {
  const style = getComputedStyle(root);
  const faint = getComputedStyle(root.querySelector(".immune-count")).color;
  const grid = dark ? "rgba(255,255,255,0.11)" : "rgba(0,0,0,0.09)";
  const panel = units.length > 1 ? PANEL : 300;
  const lane = picture.alerts.length ? LANE : 0;
  const inner = lane + units.length * panel + (units.length - 1) * 18;
  const margin = { t: 8, r: 12, b: 36, l: 58 };
  const axis = { gridcolor: grid, linecolor: grid, zeroline: false, tickfont: { color: faint }, fixedrange: true };
  const layout = {
    height: inner + margin.t + margin.b, margin, autosize: true, showlegend: false,
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: style.fontFamily, size: 12, color: style.color },
    dragmode: "zoom", hovermode: "x unified", hoversubplots: "axis",
    hoverlabel: { bgcolor: style.backgroundColor, bordercolor: grid, font: { color: style.color, size: 12 } },
    xaxis: { ...axis, type: "date", range: [...picture.shown], fixedrange: false, anchor: `y${units.length + 1}`,
      hoverformat: "%-d %b %Y %H:%M:%S UTC", spikemode: "across", spikethickness: 1, spikecolor: faint, spikedash: "solid",
      tickangle: 0, nticks: Math.max(3, Math.round(root.offsetWidth / 130)), ticks: "outside", tickcolor: grid, ticklen: 4 },
    yaxis: { visible: false, fixedrange: true, range: [0, 1], domain: [1 - lane / inner, 1] },
    shapes: picture.alerts.map((alert) => ({ type: "line", xref: "x", yref: "paper", x0: alert.at, x1: alert.at, y0: 0,
      y1: 1 - lane / 2 / inner, layer: "below",
      line: { width: 1, dash: "dot", color: (SEVERITIES[alert.severity] ?? SEVERITIES.info)[+dark] } })),
  };
  units.forEach((unit, place) => {
    const top = inner - lane - place * (panel + 18);
    layout[`yaxis${place + 2}`] = { ...axis, domain: [Math.max(0, (top - panel) / inner), top / inner], nticks: 6,
      title: { text: plain(unit), font: { color: faint }, standoff: 6 } };
  });
  return layout;
}

function plotArea(model, root, onZoom) {
  const canvas = keyboardSafe(element("div", { className: "immune-plot", tabIndex: 0, role: "application",
    ariaLabel: "Plot. Arrow keys move, plus and minus zoom, 0 shows everything." }));
  let picture = null;
  let began = 0;
  let drawing = false;

  const asked = () => {
    library ??= window.Plotly ? Promise.resolve(window.Plotly) : new Promise((resolve, reject) => {
      const hear = (message, buffers) => {
        if (message.kind !== "plotly") return;
        model.off("msg:custom", hear);
        plotlyFrom(buffers[0]).then(resolve, reject);
      };
      model.on("msg:custom", hear);
      model.send({ do: "plotly" });
    });
    library.catch(() => { library = null; });
    return library;
  };

  const zoomTo = (start, end) => {
    const [first, last] = picture.within;
    const width = Math.max(1000, Math.min(end - start, last - first));
    const from = Math.max(first, Math.min(start, last - width));
    began = performance.now();
    onZoom(from, from + width);
  };

  const draw = async () => {
    if (!picture?.lines.length) return;
    const Plotly = await asked();
    const dark = isDark(root);
    const units = [...new Set(picture.lines.map((line) => line.unit))];
    const panelOf = (unit) => `y${units.indexOf(unit) + 2}`;
    const traces = tracesFor(picture, dark, panelOf);
    if (picture.alerts.length) traces.push(alertTrace(picture.alerts, dark));
    drawing = true;
    const isNew = !canvas.classList.contains("js-plotly-plot");
    await Plotly.react(canvas, traces, layoutFor(picture, root, dark, units),
      { displayModeBar: false, doubleClick: false, showTips: false, responsive: false, scrollZoom: false });
    drawing = false;
    if (isNew) {
      canvas.on("plotly_relayout", (change) => {
        const [start, end] = change["xaxis.range"] ?? [change["xaxis.range[0]"], change["xaxis.range[1]"]];
        if (drawing || start === undefined) return;
        zoomTo(instant(start), instant(end));
      });
      canvas.on("plotly_doubleclick", () => zoomTo(...picture.within));
    }
    requestAnimationFrame(() => requestAnimationFrame(() => {
      performance.measure(began ? "immune:zoom" : "immune:paint", { start: began || picture.came, end: performance.now() });
      began = 0;
      root.dataset.drawn = String(Number(root.dataset.drawn ?? 0) + 1);
    }));
  };

  canvas.addEventListener("keydown", (event) => {
    if (!picture?.lines.length) return;
    const [start, end] = picture.shown;
    const width = end - start;
    const move = { ArrowLeft: [-0.25, -0.25], ArrowRight: [0.25, 0.25], "+": [0.25, -0.25], "=": [0.25, -0.25], "-": [-0.5, 0.5] }[event.key];
    if (!move && event.key !== "0" && event.key !== "Home") return;
    event.preventDefault();
    event.stopPropagation();
    if (move) zoomTo(start + move[0] * width, end + move[1] * width);
    else zoomTo(...picture.within);
  });

  const sized = new ResizeObserver(() => {
    if (canvas.classList.contains("js-plotly-plot") && canvas.offsetWidth) window.Plotly.Plots.resize(canvas);
  });
  sized.observe(canvas);

  return {
    node: canvas,
    prepare: () => asked().catch(() => {}),
    show(next) {
      picture = next;
      return draw();
    },
    redraw: draw,
    zoomTo,
    get picture() {
      return picture;
    },
    close() {
      sized.disconnect();
      if (canvas.classList.contains("js-plotly-plot")) window.Plotly.purge(canvas);
    },
  };
}
