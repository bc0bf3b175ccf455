// The plot. The library comes from the kernel, once per page, and is run as a module of its own: whatever module
// loader the page has does not see it. Lines arrive thinned; every other stretch is asked for anew.

const PANEL = 190; // px, of several; a single one is higher
const LANE = 20; // of a panel's alerts, above it
const GAP = 18;

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

const colorOf = (place, dark) => {
  const colors = COLORS[dark ? "dark" : "light"]; // from the kernel's own list of them
  return colors[place % colors.length];
};

// Plotly writes dates as text, in UTC and without saying so.
const instant = (value) => (typeof value === "number" ? value
  : Date.parse(value.length > 10 ? `${value.replace(" ", "T")}Z` : value));

const floats = (view) => new Float64Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));

// Numbers of an axis or a tooltip: as many digits as tell readings apart.
const HOVER = "%{y:.6~g}";

// The colours of everything but the lines, as the page has them now.
function inks(root) {
  const { color, backgroundColor } = getComputedStyle(root);
  const dark = isDark(root);
  return { dark, ink: color, page: backgroundColor, red: RED[+dark], faint: getComputedStyle(root.querySelector(".immune-count")).color,
    grid: dark ? "rgba(255,255,255,0.11)" : "rgba(0,0,0,0.09)" };
}

// A panel for each unit, with its lines, their values and the alerts about them, and where it lies.
function panelsOf(picture) {
  const panels = [...new Set(picture.lines.map((line) => line.unit))].map((unit) => ({ unit, lines: [], series: [], alerts: [] }));
  let next = 0;
  for (const line of picture.lines) {
    const panel = panels.find(({ unit }) => unit === line.unit);
    panel.lines.push(line);
    panel.series.push(picture.arrays[next + 1]);
    next += 2 + 2 * line.marks.length;
  }
  let top = 0;
  panels.forEach((panel, place) => {
    panel.alerts = picture.alerts.filter(({ sensors }) => panel.lines.some(({ sensor }) => sensors.includes(sensor)));
    panel.axis = place ? `y${place + 1}` : "y";
    panel.lane = `y${panels.length + place + 1}`;
    panel.top = top + (panel.alerts.length ? LANE : 0);
    panel.bottom = panel.top + (panels.length > 1 ? PANEL : 300);
    top = panel.bottom + GAP;
    panel.reach = reach(panel.series, limitsOf(panel.lines));
  });
  return panels;
}

function tracesFor(picture, panels, look) {
  const traces = [];
  let next = 0;
  picture.lines.forEach((line, place) => {
    const [x, y] = [picture.arrays[next++], picture.arrays[next++]];
    const color = colorOf(place, look.dark);
    const shared = { xaxis: "x", yaxis: panels.find(({ unit }) => unit === line.unit).axis, showlegend: false, type: "scatter" };
    traces.push({ ...shared, x, y, mode: x.length < 120 ? "lines+markers" : "lines", name: plain(line.sensor),
      line: { color, width: 1.4 }, marker: { color, size: 4 }, connectgaps: false,
      hovertemplate: `${HOVER} ${plain(line.unit)}` });
    for (const word of line.marks) {
      const [when, level] = [picture.arrays[next++], picture.arrays[next++]];
      traces.push({ ...shared, x: when, y: level, mode: "markers", name: plain(word), hoverinfo: "skip",
        marker: markStyle(word, when.length, look) });
    }
  });
  const warned = panels.filter(({ alerts }) => alerts.length);
  return [...traces, ...warned.map(({ alerts, lane }) => alertTrace(alerts, lane, look))];
}

function layoutFor(picture, root, panels, look) {
  const { fontFamily } = getComputedStyle(root);
  const { ink, page, faint, grid } = look;
  const inner = panels.at(-1).bottom;
  const margin = { t: 8, r: 12, b: 36, l: 58 };
  const axis = { gridcolor: grid, linecolor: grid, zeroline: false, tickfont: { color: faint }, fixedrange: true };
  const domain = (top, bottom) => [1 - bottom / inner, 1 - top / inner];
  const zone = { text: "UTC", xref: "paper", yref: "paper", x: 0, y: 0, xanchor: "right", yanchor: "top", xshift: -8, yshift: -6,
    showarrow: false, font: { color: faint } };
  const layout = {
    height: inner + margin.t + margin.b, margin, autosize: true, showlegend: false,
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: fontFamily, size: 12, color: ink },
    dragmode: "zoom", hovermode: "x unified", hoversubplots: "axis",
    hoverlabel: { bgcolor: page, bordercolor: grid, font: { color: ink, size: 12 } },
    xaxis: { ...axis, type: "date", range: [...picture.shown], fixedrange: false, anchor: panels.at(-1).axis,
      hoverformat: "%-d %b %Y %H:%M:%S UTC", spikemode: "across", spikethickness: 1, spikecolor: faint, spikedash: "solid",
      tickangle: 0, nticks: Math.max(3, Math.round(root.offsetWidth / 130)), ticks: "outside", tickcolor: grid, ticklen: 4 },
    shapes: panels.flatMap((panel) => [...panel.alerts.map((alert) => alertLine(alert, panel.axis, look)),
      ...limitLines(panel.axis, panel.reach, look)]),
    annotations: [zone, ...panels.flatMap((panel) => limitTexts(panel.axis, panel.reach, look))],
  };
  const named = (id) => `yaxis${id.slice(1)}`;
  for (const panel of panels) {
    layout[named(panel.axis)] = { ...axis, domain: domain(panel.top, panel.bottom), range: panel.reach.range, nticks: 6,
      title: { text: plain(panel.unit), font: { color: faint }, standoff: 6 } };
    layout[named(panel.lane)] = { visible: false, fixedrange: true, range: [0, 1], anchor: "x",
      domain: domain(Math.max(0, panel.top - LANE), panel.top || 1) };
  }
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
    const panels = panelsOf(picture);
    const look = inks(root);
    drawing = true;
    const isNew = !canvas.classList.contains("js-plotly-plot");
    await Plotly.react(canvas, tracesFor(picture, panels, look), layoutFor(picture, root, panels, look),
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
