// Code into a new cell below the explorer's. Front ends have no public way to this from a widget; those built on
// JupyterLab keep the notebook's model with the widget manager, older ones openly, newer ones one step away. Where
// neither is there (Voilà, VS Code), the person copies the code instead.

const VIEW = "application/vnd.jupyter.widget-view+json";

async function notebookOf(manager) {
  const open = manager?.context?.model?.sharedModel;
  if (open) return open;
  try {
    const renderer = manager.rendermime.createRenderer(VIEW);
    const owner = await Promise.race([renderer._manager.promise, new Promise((done) => setTimeout(done, 500))]);
    return owner?.context?.model?.sharedModel;
  } catch {
    return undefined;
  }
}

async function insertBelow(model, el, id, code) {
  const notebook = await notebookOf(model.widget_manager);
  const page = el.closest(".jp-Notebook");
  if (!notebook?.insertCell || !page?.querySelector(".jp-Cell .cm-content")) return false;
  const place = notebook.cells.findIndex((cell) => cell.cell_type === "code" && JSON.stringify(cell.toJSON().outputs).includes(id));
  const at = place < 0 ? notebook.cells.length : place + 1;
  notebook.insertCell(at, { cell_type: "code", source: code, metadata: { trusted: true }, outputs: [], execution_count: null });
  for (let look = 0; look < 30; look += 1) {
    await new Promise(requestAnimationFrame);
    const cell = page.querySelector(`[data-windowed-list-index="${at}"]`) ?? page.querySelectorAll(".jp-Cell")[at];
    const editor = cell?.querySelector(".cm-content");
    if (!editor?.textContent.trim()) continue;
    cell.scrollIntoView({ block: "nearest" });
    editor.focus();
    break;
  }
  return true;
}
